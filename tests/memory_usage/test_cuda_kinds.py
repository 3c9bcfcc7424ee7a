"""Predicted memory beside what tensors held on a GPU, for networks of one kind of operator each.

`h200.json` has the bytes that benchmarks/cuda.py (`tensors`) followed on an H200 with torch 2.11,
batches of 32: training and inference in float32, then both under autocast to bfloat16.
"""

from __future__ import annotations

import json
import sys
from itertools import product
from pathlib import Path

import pytest
import torch

import cnnstat

BENCHMARKS = Path(__file__).parent.parent.parent / "benchmarks"
if not BENCHMARKS.is_dir():
    pytest.skip("the benchmarks are not part of the distribution", allow_module_level=True)
sys.path.insert(0, str(BENCHMARKS))

from cuda_kinds import IDS, kinds  # noqa: E402

STEPS = list(product(("fp32", "bf16"), ("training", "inference")))
HELD = {
    (name, *step): held
    for name, figures in json.loads(Path(__file__).with_name("h200.json").read_text()).items()
    for step, held in zip(STEPS, figures, strict=True)
}
RECURRENT = {name for name in kinds() if "lstm" in name or name in ("gru", "rnn")}
"""cuDNN takes workspaces, of a size that only it knows."""
OTHERWISE = {
    *(step for step in HELD if step[0] in RECURRENT),
    # one fused operator, whose temporaries are its own; the prediction takes the layer apart
    ("encoder", "fp32", "inference"), ("encoder, norm first", "fp32", "inference"),
    # torch 2.13 casts its operand to float32, torch 2.11 does not
    ("rms norm", "bf16", "training"), ("rms norm", "bf16", "inference"),
}  # fmt: skip
NEAR = 0.005  # cuDNN's attention, which Hopper GPUs have, keeps other small tensors
SAMPLE = [step for number, step in enumerate(sorted(HELD.keys() - OTHERWISE)) if number % 5 == 0]
ALWAYS = [
    (name, precision, "training")
    for name in ("silu", "mish", "dropout", "attention of 18 features", "attention of shared keys")
    for precision in ("fp32", "bf16")
]
FUSED = [("rms norm", "fp32", "training"), ("rms norm", "fp32", "inference")]


@pytest.mark.parametrize(("name", "precision", "step"), sorted({*SAMPLE, *ALWAYS, *FUSED}))
def test_memory_is_what_a_gpu_held(name, precision, step):
    make, shape = kinds()[name]
    batch = torch.zeros(32, *shape, dtype=torch.long if shape == IDS else torch.float32)
    predicted = cnnstat.memory(
        make(), batch, inference=step == "inference", precision=precision, device="cuda"
    )
    held = HELD[name, precision, step]
    assert predicted.peak_bytes == pytest.approx(held, rel=NEAR)
