"""`CNNSTAT_FAST=0` leaves `fast_meta/` unused and changes no output."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

UNUSED = """
import sys
from cnnstat.cli.main import run
status = run({command!r}.split())
used = [m for m in sys.modules if m.startswith("cnnstat.fast_meta.")]
print(used, file=sys.stderr)
sys.exit(status)
"""

COMMANDS = [
    "shapes nin --format json",
    "shapes densenet121 --training --format json",
    "shapes resnet18 --mode train --format json",
    "shapes alexnet --input N,3,H,W --format json",
    "memory googlenet --batch-size 2 --optimizer adamw --format json",
    "memory resnet18 --batch-size 2 --precision bf16 --device cpu --format json",
    "roofline nin --device h100 --training --format json",
    "shapes torchvision:swin_t --training --format json",
    "shapes torchvision:fasterrcnn_resnet50_fpn --format json",
    "shapes timm:convnext_atto --format json",
    "shapes transformers:gpt2 --arg n_layer=2 --format json",
    "shapes examples/broken/residual.py:Net --format json",
]


def printed(command: str, fast: str) -> tuple[int, str, str]:
    environment = {**os.environ, "CNNSTAT_FAST": fast}
    done = subprocess.run(
        [sys.executable, "-c", UNUSED.format(command=command)],
        capture_output=True, text=True, env=environment,
    )  # fmt: skip
    # torch's own rules compare letters more often, so that more sizes are tried for a valid range
    figures = re.sub(r'"tried": \d+', "", done.stdout)
    return done.returncode, figures, done.stderr.splitlines()[-1]


@pytest.mark.parametrize("command", COMMANDS)
def test_the_plain_way_prints_the_same(command: str) -> None:
    plain, fast = printed(command, "0"), printed(command, "1")
    assert plain[:2] == fast[:2]
    assert plain[1]
    assert plain[2] == "[]"
    assert "cnnstat.fast_meta.kernels" in fast[2]
