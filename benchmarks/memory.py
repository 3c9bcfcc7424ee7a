"""Predicted memory against a real step, for networks of the zoo and torchvision.

    python benchmarks/memory.py            # compares and writes docs/memory.md

Each row compares `cnnstat.memory(…, device="cpu")` with the peak that `tests/live_bytes.py` counts
while plain PyTorch runs the same step for real. Some are also counted by torch's profiler, which
sees what kernels take and give back inside one operator.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "src")]

import cnnstat  # noqa: E402
from cnnstat.pipeline import load_model  # noqa: E402
from cnnstat.run_config import ModelRequest  # noqa: E402
from cnnstat.units import format_bytes  # noqa: E402
from tests.live_bytes import inference_peak, train_once, training_peak  # noqa: E402
from tests.ranks import Job, peaks  # noqa: E402

OPTIMIZERS = {"sgd": torch.optim.SGD, "adamw": torch.optim.AdamW}


@dataclass(frozen=True)
class Case:
    """A network, the shape of one example and the batches; `profiled` are those also profiled."""

    spec: str
    example: tuple[int, ...]
    batches: tuple[int, ...]
    optimizer: str = "sgd"
    mixed: bool = False
    arguments: dict[str, Any] = field(default_factory=dict)
    profiled: tuple[int, ...] = ()


CASES = [
    Case("lenet", (1, 28, 28), (1, 8, 64), "adamw", profiled=(64,)),
    Case("nin", (1, 224, 224), (1, 8), profiled=(8,)),
    Case("nin", (1, 96, 96), (64,)),
    Case("alexnet", (1, 224, 224), (1, 8, 64)),
    Case("vgg11", (1, 224, 224), (1,)),
    Case("torchvision:vgg11", (3, 64, 64), (8, 64)),
    Case("googlenet", (1, 224, 224), (1,)),
    Case("torchvision:googlenet", (3, 64, 64), (8, 64)),
    Case("resnet18", (1, 64, 64), (1, 8, 64), "adamw", profiled=(8,)),
    Case("densenet121", (1, 64, 64), (1, 8, 64)),
    Case("torchvision:mobilenet_v2", (3, 64, 64), (2, 8, 64)),
    Case("torchvision:mobilenet_v3_large", (3, 64, 64), (2, 8, 64), "adamw"),
    Case("torchvision:vit_b_16", (3, 64, 64), (1, 8, 64), arguments={"image_size": 64}),
    Case("torchvision:swin_t", (3, 64, 64), (1, 8)),
    Case("resnet18", (1, 64, 64), (1, 8, 64), mixed=True),
    Case("densenet121", (1, 64, 64), (8,), mixed=True),
    Case("torchvision:mobilenet_v2", (3, 64, 64), (2, 8), mixed=True),
    Case("lstm", (20, 28), (1, 8, 64)),
]


SHARDED: list[tuple[str, tuple[int, ...], str | None, torch.dtype | None]] = [
    ("lenet", (8, 1, 28, 28), "adamw", None),
    ("nin", (8, 1, 224, 224), "momentum", None),
    ("nin", (8, 1, 224, 224), "sgd", torch.bfloat16),
    ("alexnet", (2, 1, 224, 224), "sgd", None),
    ("resnet18", (2, 1, 64, 64), "adamw", None),
    ("resnet18", (2, 1, 64, 64), None, None),
    ("torchvision:googlenet", (2, 3, 64, 64), "sgd", None),
    ("densenet121", (2, 1, 64, 64), "sgd", None),
    ("torchvision:mobilenet_v3_large", (2, 3, 64, 64), "adamw", None),
    ("torchvision:vit_b_16", (2, 3, 224, 224), "adamw", None),
    ("torchvision:vit_b_16", (2, 3, 224, 224), "sgd", torch.bfloat16),
    ("torchvision:vit_b_16", (2, 3, 224, 224), None, None),
    ("torchvision:swin_t", (2, 3, 64, 64), "sgd", None),
]
RANKS = (2, 3)


class Lstm(nn.Module):
    """A classifier of sequences."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(28, 64, batch_first=True)
        self.linear = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        states: Tensor = self.lstm(x)[0]
        scores: Tensor = self.linear(states[:, -1])
        return scores


@dataclass(frozen=True)
class Row:
    network: str
    shape: tuple[int, ...]
    step: str
    predicted: int
    real: int
    profiled: int | None


def model_of(case: Case, batch: int) -> nn.Module:
    if case.spec == "lstm":
        return Lstm()
    shape = (batch, *case.example)
    return load_model(
        ModelRequest(case.spec, (shape,), arguments=case.arguments)
    ).builders.with_data()


def rows_of(case: Case) -> Iterator[Row]:
    for batch in case.batches:
        shape = (batch, *case.example)
        inputs, target = torch.rand(shape), torch.zeros(batch, dtype=torch.int64)
        subject: Any = Lstm() if case.spec == "lstm" else case.spec
        arguments = None if case.spec == "lstm" else case.arguments
        told = partial(cnnstat.memory, subject, shape, device="cpu", arguments=arguments,
                       precision="bf16" if case.mixed else "fp32")  # fmt: skip
        lower, kind = (torch.bfloat16, ", bf16") if case.mixed else (None, "")

        optimizer = partial(OPTIMIZERS[case.optimizer], lr=0.01)
        real = training_peak(model_of(case, batch), inputs, target, optimizer, lower).peak
        seen = None
        if batch in case.profiled:
            seen = profiled_peak(model_of(case, batch), inputs, target, optimizer)
        predicted = told(optimizer=case.optimizer).peak_bytes
        yield Row(case.spec, shape, f"training, {case.optimizer}{kind}", predicted, real, seen)

        real = inference_peak(model_of(case, batch), inputs, lower).peak
        predicted = told(inference=True).peak_bytes
        yield Row(case.spec, shape, f"inference{kind}", predicted, real, None)
        gc.collect()


def sharded_rows() -> Iterator[Row]:
    """Real ranks beside the prediction of one."""
    for ranks in RANKS:
        predicted = {}
        for spec, shape, optimizer, lower in SHARDED:
            told = cnnstat.memory(
                spec, shape, device="cpu", fsdp=ranks, inference=optimizer is None,
                optimizer=optimizer or "sgd", precision="bf16" if lower else "fp32",
            )  # fmt: skip
            assert told.fsdp is not None
            predicted[Job(spec, shape, told.fsdp.units, optimizer, lower)] = told.peak_bytes
        for job, real in zip(predicted, peaks(list(predicted), ranks), strict=True):
            step = f"training, {job.optimizer}" if job.optimizer else "inference"
            step = f"{ranks} ranks, {len(job.units)} units, {step}" + (
                ", bf16" if job.lower else ""
            )
            yield Row(job.spec, job.shape, step, predicted[job], real, None)


def profiled_peak(model: nn.Module, inputs: Tensor, target: Tensor, optimizer: Any) -> int:
    """The peak of the second step by torch's profiler, to which the CPU's allocator reports."""
    model.train()
    stepper = optimizer(model.parameters())
    train_once(model, inputs, target, stepper)
    stepper.zero_grad(set_to_none=True)
    states = [s for state in stepper.state.values() for s in state.values()]
    held = [*model.parameters(), *model.buffers(), inputs, target, *states]
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as run:
        train_once(model, inputs, target, stepper)
    events = [e for e in run.profiler.kineto_results.events() if e.name() == "[memory]"]
    live = peak = sum(t.nbytes for t in held if isinstance(t, Tensor))
    for event in sorted(events, key=lambda e: e.start_ns()):
        live += event.nbytes()
        peak = max(peak, live)
    return peak


def report(rows: list[Row], sharded: list[Row]) -> str:
    head = ["| Network | Input | Step | Predicted, bytes | Measured, bytes | Difference |",
            "|:--|:--|:--|--:|--:|--:|"]  # fmt: skip
    table = [head[0] + " By the profiler |", head[1] + "--:|", *(
        f"{_cells(row)} {f'+{format_bytes(row.profiled - row.real)}' if row.profiled else ''} |"
        for row in rows
    )]  # fmt: skip
    return _TEXT.format(
        table="\n".join(table), equal=_equal(rows), all=len(rows), torch=torch.__version__,
        sharded="\n".join([*head, *map(_cells, sharded)]), equal_sharded=_equal(sharded),
        all_sharded=len(sharded),
    )  # fmt: skip


def _equal(rows: list[Row]) -> int:
    return sum(row.predicted == row.real for row in rows)


def _cells(row: Row) -> str:
    shape = "×".join(map(str, row.shape))
    difference = "0" if row.predicted == row.real else f"{row.predicted - row.real:+,}"
    figures = f"{row.predicted:,} | {row.real:,} | {difference} |"
    return f"| {row.network} | {shape} | {row.step} | {figures}"


_TEXT = """# Memory: predicted and measured

Written by `python benchmarks/memory.py` (torch {torch}, CPU). *Predicted* is
`cnnstat memory --device cpu`, which executes nothing. *Measured* is the peak of the second of two
real training steps, or of a real forward pass, by a tracker that shares no code with cnnstat
(`tests/live_bytes.py`): a dispatch mode sees the results of every operator and follows their
storages by finalizers.

{equal} of {all} rows are equal to the byte.

{table}

## Differences

**LSTM.** On the CPU torch runs a recurrent layer as one operator of oneDNN, whose workspace
has a size that only oneDNN knows. The prediction consists of the operators of each time step, which
torch runs without oneDNN, and a note says so.

**By the profiler** is how much more torch's profiler sees (`profile_memory=True`, the events of the
CPU allocator): buffers that a kernel allocates and frees inside one operator, as convolutions do to
reorder their operands. They do not pass torch's dispatcher, so neither the prediction nor the
tracker includes them.

## One rank of FSDP

*Predicted* is `cnnstat memory --fsdp RANKS --device cpu`. *Measured* is the first of that many
processes (`tests/ranks.py`): torch's `fully_shard` over gloo, with a tracker that sums up all
storages alive after every operator. The copy that gloo creates inside a reduction is left out.
{equal_sharded} of {all_sharded} rows are equal to the byte.

{sharded}

In bf16 the CPU's layer norm keeps its statistics in bfloat16, the prediction in float32, as CUDA
does.

## CUDA

`--device cuda` was measured on an H100: [cuda.md](cuda.md). Its figures are the same run with what
is known to differ there: optimizers with `foreach`, dropout with a mask of bytes, attention in its
fused form, storages rounded up to 512 bytes. Not included are the CUDA context, the workspaces of
cuDNN and cuBLAS, temporaries inside kernels, and up to 1 MiB for each large block that the
allocator does not split.
"""


if __name__ == "__main__":
    torch.manual_seed(0)
    found = []
    for case in CASES:
        for row in rows_of(case):
            print(row, flush=True)
            found.append(row)
    sharded = list(sharded_rows())
    (ROOT / "docs" / "memory.md").write_text(report(found, sharded), encoding="utf-8")
