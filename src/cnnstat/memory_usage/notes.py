"""What is to be known of the figures: what was assumed, and what is not in them."""

from __future__ import annotations

from collections.abc import Iterator

from ..trace.step_records import Step
from .timeline import BLOCK, Timeline

_FORMS = {
    "flash": "attention is fused (flash): it keeps its operands, its result and a number a row",
    "efficient": "attention is fused (memory-efficient): it keeps its operands, its result and a "
    "number a row",
    "math": "attention runs as plain products: no fused form takes its operands",
}
_RECURRENT = ("LSTM", "GRU", "RNN")


def notes_of(step: Step, first: Timeline, timeline: Timeline) -> tuple[str, ...]:
    """`first` is the first step, `timeline` that of `step`, which is repeated."""
    return tuple(_notes(step, first, timeline))


def _notes(step: Step, first: Timeline, timeline: Timeline) -> Iterator[str]:
    if step.loss is not None and step.loss != "cross-entropy":
        yield f"the loss is {step.loss}: the output does not look like class scores"
    for form in step.attention:
        yield _FORMS[form]
    if any(place.type in _RECURRENT for place in step.places):
        yield (
            "recurrent layers are taken apart into the operators of each time step; cuDNN and "
            "oneDNN keep a workspace of their own instead, of a size that only they know, so this "
            "part is rough"
        )
    kinds = {storage.kind for storage in step.storages}
    if "gathered" in kinds:
        mixed = f"; parameters are gathered in {step.lower}, gradients reduced in float32"
        yield (
            "FSDP: torch's fully_shard ran as on the first rank, and no rank holds more"
            f"{mixed if step.lower else ''}"
        )
    if kinds & {"buckets", "gathered"}:
        yield "what the ranks' communication (NCCL) takes for its own buffers is not in it"
    most, repeated = max(first.totals), max(timeline.totals)
    if most > repeated:
        yield f"the first step holds more than those that follow: {most:,} bytes"
    if timeline.on_cuda:
        # torch keeps a workspace for each thread that multiplies: autograd has its own
        threads = 1 if step.loss is None else 2
        yield (
            f"bytes in blocks of {BLOCK}, as torch.cuda.max_memory_allocated counts them; it also "
            f"counts the workspaces of cuBLAS ({threads} × 32 MiB on Hopper GPUs, 8 MiB on others, "
            "if there are matrix products) and of cuDNN, which chooses (least in bf16); the CUDA "
            "context and torch.cuda.max_memory_reserved are more still"
        )
    else:
        yield "not in it: what kernels take and give back while they run (oneDNN's copies)"
