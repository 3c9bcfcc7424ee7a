"""`CNNSTAT_FAST=0` leaves `fast_meta/` unused and changes no output."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

RUN = """
import contextlib, io, json, sys
from cnnstat.cli.main import run
for command in json.loads(sys.argv[1]):
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        status = run(command.split())
    used = [m for m in sys.modules if m.startswith("cnnstat.fast_meta.")]
    print(json.dumps([status, printed.getvalue(), used]))
"""

COMMANDS = [
    "shapes nin --format json",
    "shapes densenet121 --training --format json",
    "shapes resnet18 --mode train --format json",
    "memory googlenet --batch-size 2 --optimizer adamw --format json",
    "memory resnet18 --batch-size 2 --precision bf16 --device cpu --format json",
    "roofline nin --device h100 --training --format json",
    "shapes torchvision:swin_t --training --format json",
    "shapes torchvision:fasterrcnn_resnet50_fpn --format json",
    "shapes timm:convnext_atto --format json",
    "shapes transformers:gpt2 --arg n_layer=2 --format json",
    "shapes examples/broken/residual.py:Net --format json",
    "shapes alexnet --input N,3,H,W --format json",  # imports what the others do not need
]


def printed(fast: str) -> list[tuple[int, str, list[str]]]:
    """For each command its status, what it prints, and the modules of `fast_meta` that it uses."""
    done = subprocess.run(
        [sys.executable, "-c", RUN, json.dumps(COMMANDS)], capture_output=True, text=True,
        check=True, env={**os.environ, "CNNSTAT_FAST": fast},
    )  # fmt: skip
    return [json.loads(line) for line in done.stdout.splitlines()]


def figures(text: str) -> str:
    # torch's own rules compare letters more often, so that more sizes are tried for a valid range
    return re.sub(r'"tried": \d+', "", text)


def test_the_plain_way_prints_the_same() -> None:
    plain, fast = printed("0"), printed("1")
    assert len(plain) == len(fast) == len(COMMANDS)
    for command, (status, text, used), (quick_status, quick, quick_used) in zip(
        COMMANDS, plain, fast, strict=True
    ):
        assert (status, figures(text)) == (quick_status, figures(quick)), command
        assert text
        assert used == []
        assert "cnnstat.fast_meta.kernels" in quick_used
