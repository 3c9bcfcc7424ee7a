"""The view of `memory`: the peak by kind and by phase, the timeline, the layers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from operator import attrgetter
from typing import Any

from ..analysis.layer_data import inputs_text
from ..choices import OPTIMIZERS
from ..render.blocks import Areas, Block, Cell, Column, Facts, Report, Table, Text, table
from ..render.data import Data, data_table
from ..render.options import Options
from .results import KINDS, BatchFit, LayerActivations, Memory, Moment

_LAYERS = 5  # shown by default
_UNITS = 3
KIND_TITLES = {
    "parameters": "parameters",
    "buffers": "buffers",
    "inputs": "inputs and targets",
    "gradients": "gradients",
    "buckets": "gradients to exchange",
    "gathered": "gathered parameters",
    "optimizer_state": "optimizer state",
    "activations": "activations kept for backward",
    "temporaries": "temporaries",
}
_DEVICES = {"cuda": "CUDA", "cpu": "the CPU"}


def view(memory: Memory, options: Options) -> Report:
    """The report of one step."""
    blocks: list[Block] = [_lead(memory), _by_kind(memory)]
    if memory.training:
        blocks.append(_by_phase(memory))
    blocks.append(_over_time(memory))
    if memory.layers:
        blocks.append(_layers(memory, options.top or _LAYERS))
    if memory.notes:
        blocks.append(Text(tuple(f"note: {note}" for note in memory.notes), "note"))
    return Report(_title(memory), tuple(blocks))


def _title(memory: Memory) -> str:
    step = "one forward pass"
    if memory.optimizer is not None:
        step = f"one training step with {OPTIMIZERS[memory.optimizer].title}"
    parts = [memory.model.spec]
    if memory.batch_size is not None:
        parts.append(f"batch {memory.batch_size:,}")
    parts.append(f"{step} on {_DEVICES[memory.device]}")
    parts.append(memory.precision)
    if memory.mode != ("train" if memory.training else "eval"):
        parts.append(f"{memory.mode} mode")
    if memory.checkpointed:
        parts.append(f"{len(memory.checkpointed)} modules checkpointed")
    if memory.accumulate > 1:
        parts.append(f"the last of {memory.accumulate:,} accumulated")
    if memory.ddp:
        parts.append("each rank of DDP")
    if memory.fsdp is not None:
        parts.append(f"one of {memory.fsdp.ranks:,} ranks of FSDP")
    return ", ".join(parts)


def _lead(memory: Memory) -> Facts:
    items = [("Peak memory", Cell(memory.peak_bytes, "bytes")),
             ("Reached in", Cell(_place(memory.peak)))]  # fmt: skip
    if memory.fsdp is not None:
        items.append(("Gathered together", Cell(_units(memory.fsdp.units))))
    fit = memory.fit
    if fit is not None:
        size = Cell(fit.device_memory_bytes, "bytes").text
        batch = f"{memory.batch_size:,}"
        verdict = f"batch {batch} fits" if fit.fits else f"batch {batch} does not fit"
        largest = "no batch fits"
        if fit.largest_batch is not None:
            peak = Cell(fit.largest_bytes, "bytes").text
            largest = f"the largest that does is {fit.largest_batch:,} ({peak})"
            if fit.at_least:
                largest = f"at least {fit.largest_batch:,} fits ({peak})"
        if fit.device_title is not None:
            size = f"{size} of {fit.device_title}"
        items.append((f"In {size}", Cell(f"{verdict}; {largest}")))
    return Facts(tuple(items))


def _units(paths: tuple[str, ...]) -> str:
    """The units that are gathered one at a time: block1, block2 … block8."""
    if not paths:
        return "the whole model"
    shown = paths if len(paths) <= _UNITS else (*paths[: _UNITS - 1], "…", paths[-1])
    return f"{len(paths):,} units ({', '.join(shown)}), and the rest"


def _place(moment: Moment) -> str:
    """Where a moment is: the backward pass of features.3 (ReLU), threshold_backward."""
    of = f" of {moment.layer} ({moment.type})" if moment.layer else ""
    phase = {"forward": "the forward pass", "loss": "the loss", "backward": "the backward pass",
             "optimizer": "the optimizer's step"}[moment.phase]  # fmt: skip
    if moment.phase == "loss":
        of = ""
    return f"{phase}{of}, {moment.operator}"


def _by_kind(memory: Memory) -> Table:
    columns = (Column("held", "At the peak", False), Column("bytes", "Memory"),
               Column("share", "Share", True, 1))  # fmt: skip
    rows = []
    for kind in KINDS:
        nbytes = getattr(memory.peak.held, kind)
        if nbytes or kind in ("parameters", "activations"):
            rows.append(_share(_kind_title(memory, kind), nbytes, memory.peak_bytes))
    rows.append(_share("total", memory.peak_bytes, memory.peak_bytes))
    return table(columns, rows)


def _kind_title(memory: Memory, kind: str) -> str:
    if not memory.training and kind in ("activations", "inputs"):
        return kind
    return KIND_TITLES[kind]


def _share(title: str, part: int, total: int) -> list[Cell]:
    return [Cell(title), Cell(part, "bytes"), Cell(part / total if total else None, "share")]


def _by_phase(memory: Memory) -> Table:
    columns = (Column("phase", "Phase", False), Column("highest", "Highest"),
               Column("layer", "At", False), Column("operator", "Operator", False, 1))  # fmt: skip
    rows = [
        [Cell(m.phase), Cell(m.held_bytes, "bytes"), Cell(m.layer), Cell(m.operator)]
        for m in memory.phases
    ]
    return table(columns, rows)


def _over_time(memory: Memory) -> Areas:
    shown = [
        kind for kind in KINDS if any(getattr(m.held, kind) for m in memory.timeline)
    ]  # fmt: skip
    points = tuple(
        (m.number, tuple(getattr(m.held, kind) for kind in shown)) for m in memory.timeline
    )
    titles = tuple(_kind_title(memory, kind) for kind in shown)
    what = "training step" if memory.training else "forward pass"
    title = f"Memory over the {what}, operator by operator"
    return Areas("timeline", title, titles, points, tuple(_marks(memory)))


def _marks(memory: Memory) -> Iterator[tuple[str, int]]:
    phase = ""
    for moment in memory.timeline:
        if moment.phase != phase:
            phase = moment.phase
            yield phase, moment.number


def _layers(memory: Memory, top: int) -> Table:
    columns = (
        Column("layer", "Layer", False, shrinks=True),
        Column("type", "Type", False, 1),
        Column("kept", "Kept"),
        Column("share", "Share"),
    )
    total = sum(layer.kept_bytes for layer in memory.layers)
    rows = [
        [Cell(layer.path or "(the model itself)"), Cell(layer.type),
         Cell(layer.kept_bytes, "bytes"), Cell(layer.kept_bytes / total, "share")]
        for layer in memory.layers[:top]
    ]  # fmt: skip
    count = len(memory.layers)
    of = f", {len(rows)} of {count}" if count > len(rows) else ""
    return table(columns, rows, f"Kept for the backward pass, by the layer that made it{of}")


def data(memory: Memory, options: Options) -> Data:
    """The step in one row: its settings, its peak, and the bytes of each kind at the peak.

    With `top` a row for each of so many layers instead: those that keep most for the backward pass.
    """
    if options.top is not None:
        return _layer_data(memory, options.top)

    def from_fit(name: str) -> Callable[[Memory], Any]:
        return lambda memory: getattr(memory.fit, name) if memory.fit else None

    columns: dict[str, Callable[[Memory], Any]] = {
        "model": attrgetter("model.spec"),
        "input": lambda memory: inputs_text(memory.inputs),
        **{name: attrgetter(name) for name in ("batch_size", "mode", "training", "optimizer",
           "precision", "device", "accumulate", "ddp")},
        "ranks": lambda memory: memory.fsdp.ranks if memory.fsdp else None,
        "checkpointed": lambda memory: len(memory.checkpointed),
        "peak_bytes": attrgetter("peak_bytes"),
        "peak_phase": attrgetter("peak.phase"),
        "peak_layer": attrgetter("peak.layer"),
        "peak_operator": attrgetter("peak.operator"),
        **{f"{kind}_bytes": attrgetter(f"peak.held.{kind}") for kind in KINDS},
        **{name: from_fit(name) for name in BatchFit.__struct_fields__},
    }  # fmt: skip
    return data_table(columns, [memory])


def _layer_data(memory: Memory, top: int) -> Data:
    total = sum(layer.kept_bytes for layer in memory.layers)
    columns: dict[str, Callable[[LayerActivations], Any]] = {
        "layer": attrgetter("path"),
        "type": attrgetter("type"),
        "kept_bytes": attrgetter("kept_bytes"),
        "kept_share": lambda layer: layer.kept_bytes / total if total else None,
    }
    return data_table(columns, memory.layers[:top])
