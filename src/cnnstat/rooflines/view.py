"""The view of a roofline: the layers and their bounds, the step, and the roofline plot."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ..analysis.layer_data import with_sums
from ..analysis.layer_table import to_depth
from ..analysis.results import labelled
from ..analysis.roles import HIDDEN
from ..choices import OPTIMIZERS
from ..errors import UsageError, nearest
from ..inputs import format_shape
from ..render.blocks import Block, Cell, Column, Dot, Facts, Report, Roof, Row, Table, Text
from ..render.data import Data, data_table
from ..render.options import Options
from ..units import format_share
from .results import LayerWork, Roofline, Work

SORTED_BY: dict[str, Callable[[Work], float]] = {
    "time": lambda work: work.seconds,
    "macs": lambda work: work.macs,
    "bytes": lambda work: work.bytes,
    "intensity": lambda work: work.intensity or 0.0,
}
"""The sort keys of rows."""
_COLUMNS = (
    Column("layer", "Layer", False, shrinks=True),
    Column("type", "Type", False, 5),
    Column("macs", "MACs", True, 4),
    Column("bytes", "Bytes", True, 3),
    Column("intensity", "FLOP/byte", True, 2),
    Column("bound", "Bound", False),
    Column("seconds", "Time"),
    Column("share", "%", True, 1),
)


def view(roofline: Roofline, options: Options) -> Report:
    """The report of one roofline.

    Raises:
        UsageError: the sort key is unknown.
    """
    check_sort(options.sort)
    inputs = ", ".join(
        (f"{i.name}=" if i.name else "") + format_shape(i.shape) for i in roofline.inputs
    )
    step = "a training step" if roofline.training else "inference"
    title = f"{roofline.model.spec} on {inputs}, {step} in {roofline.precision} on "
    blocks: tuple[Block, ...] = (
        _layers(roofline, options), _step(roofline), Text(tuple(_notes(roofline)), "note"),
        _picture(roofline),
    )  # fmt: skip
    return Report(title + roofline.device.title, blocks)


def check_sort(key: str | None) -> None:
    """Raise UsageError if the sort key is unknown."""
    if key is not None and key not in SORTED_BY:
        details = [nearest(key, SORTED_BY), f"known: {', '.join(SORTED_BY)}"]
        raise UsageError(f"unknown sort key {key!r}", *filter(None, details))


def _layers(roofline: Roofline, options: Options) -> Table:
    layers = _shown_layers(roofline, options)
    if not options.flat:
        rows = [
            Row(_cells(roofline, layer, layer.total, name), max(0, layer.depth - 1), group)
            for layer, name, group in to_depth(layers, options.depth)
        ]
        return Table(_COLUMNS, tuple(rows), tree=True)
    rows = [
        Row(_cells(roofline, layer, _self_work(layer), layer.path + layer.repetition))
        for layer in _sorted(layers, options)
    ]
    return Table(_COLUMNS, tuple(rows))


def _shown_layers(roofline: Roofline, options: Options) -> list[LayerWork]:
    layers = [layer for layer in roofline.layers[1:] if _is_shown(layer, options)]
    only_the_model = options.depth == 0 and not options.flat
    return [roofline.layers[0]] if only_the_model or not layers else layers


def _sorted(layers: list[LayerWork], options: Options) -> list[LayerWork]:
    """The layers that take time, by their own work."""
    key = SORTED_BY[options.sort or "time"]
    timed = [layer for layer in layers if _self_work(layer).seconds]
    return sorted(timed, key=lambda layer: key(_self_work(layer)), reverse=True)[: options.top]


def _self_work(layer: LayerWork) -> Work:
    return layer.forward + (layer.backward or Work())


def _is_shown(layer: LayerWork, options: Options) -> bool:
    if layer.kind == "module":
        return True
    is_relevant = layer.type not in HIDDEN or layer.seconds > 0
    return options.ops == "all" or (options.ops == "auto" and is_relevant)


def _cells(roofline: Roofline, layer: LayerWork, work: Work, name: str) -> tuple[Cell, ...]:
    return (
        Cell(name or layer.type),
        Cell(f"{layer.type} {layer.config}".rstrip()),
        Cell(work.macs, "count"),
        Cell(work.bytes or None, "bytes"),
        Cell(work.intensity or None, "intensity"),
        Cell(work.bound),
        Cell(work.seconds or None, "seconds"),
        Cell(work.seconds / roofline.seconds if roofline.seconds else None, "share"),
    )


def _step(roofline: Roofline) -> Facts:
    device, precision = roofline.device, roofline.precision
    parts = [roofline.forward, roofline.backward, roofline.update]
    step = sum((part for part in parts if part is not None), Work())
    bandwidth_share = step.bandwidth_seconds / step.seconds if step.seconds else None
    rate = roofline.examples_per_second
    rounded = rate and (round(rate, 2) if rate < 100 else round(rate))
    items = [
        ("Peak arithmetic", Cell(roofline.peak_flops, "flop_rate")),
        ("Memory bandwidth", Cell(device.bandwidth, "byte_rate")),
        ("Ridge point, FLOP/byte", Cell(roofline.ridge, "intensity")),
        ("FLOPs (2 × MACs)", Cell(roofline.flops, "total", "0", _at_least(roofline))),
        ("Bytes moved", Cell(roofline.bytes, "bytes")),
        ("FLOP/byte", Cell(step.intensity, "intensity")),
        ("Time bound by bandwidth", Cell(bandwidth_share, "share", "0 %")),
        *_times(roofline),
        ("Step time", Cell(roofline.seconds, "seconds", bound="at least ")),
        ("Examples per second", Cell(rounded, "number", bound="at most " if rate else "")),
        (f"Share of the {precision} peak (MFU)",
         Cell(_highest_mfu(roofline), "share", "0 %", "at most ")),
        ("Source of the peaks", Cell(device.source)),
    ]  # fmt: skip
    return Facts(tuple(items))


def _times(roofline: Roofline) -> Iterator[tuple[str, Cell]]:
    if roofline.backward is not None:
        yield "Forward pass", Cell(roofline.forward.seconds, "seconds", bound="at least ")
        yield "Backward pass", Cell(roofline.backward.seconds, "seconds", bound="at least ")
    if roofline.update is not None and roofline.optimizer is not None:
        name = f"Update ({OPTIMIZERS[roofline.optimizer].title})"
        yield name, Cell(roofline.update.seconds, "seconds", bound="at least ")


def _highest_mfu(roofline: Roofline) -> float | None:
    """The largest possible MFU; None if uncounted operators could raise it."""
    if roofline.uncounted or not roofline.seconds:
        return None
    return roofline.mfu(roofline.seconds)


def _at_least(roofline: Roofline) -> str:
    return "at least " if roofline.uncounted else ""


def _notes(roofline: Roofline) -> Iterator[str]:
    yield (
        "note: a lower bound for these operators run one by one, each reading its inputs from "
        "memory and writing its outputs there once. Launching them, kernels below the peak and "
        "data read twice add to it; caches and fused kernels can take less"
    )
    if roofline.uncounted:
        names = ", ".join(f"{name} ({count}×)" for name, count in roofline.uncounted.items())
        yield f"note: the arithmetic of {names} is not known: only their bytes are in it"
    yield from map(labelled, roofline.notes)


def _picture(roofline: Roofline) -> Roof:
    """The plot. Layers without MACs cannot be on logarithmic axes; the caption has their share."""
    dots, left = [], 0.0
    for layer in roofline.layers:
        work = _self_work(layer)
        if work.macs and work.seconds and work.intensity:
            share = work.seconds / roofline.seconds
            rate = work.flops / work.seconds
            name = layer.path + layer.repetition or layer.type
            dots.append(Dot(name, work.intensity, rate, share, layer.role))
        else:
            left += work.seconds
    title = f"{roofline.model.spec} on {roofline.device.title}, {roofline.precision}"
    share = left / roofline.seconds if roofline.seconds else 0.0
    caption = (
        f"not drawn, without MACs: layers with {format_share(share)} of the time" if left else ""
    )
    return Roof("roofline", title, caption, roofline.peak_flops, roofline.bandwidth, tuple(dots))


def data(roofline: Roofline, options: Options) -> Data:
    """The layers. The sum of a column is that of the pass; the optimizer's update has no layer.

    Raises:
        UsageError: the sort key is unknown.
    """
    check_sort(options.sort)
    shown = _shown_layers(roofline, options)
    layers = roofline.layers
    rows: list[tuple[LayerWork, Work]]
    if options.flat:
        rows = [(layer, _self_work(layer)) for layer in _sorted(shown, options)]
    else:
        deepest = options.depth
        chosen = {id(x) for x in shown if deepest is None or x.depth <= deepest}
        rows = with_sums(layers, lambda layer: id(layer) in chosen, _self_work, Work())
    columns: dict[str, Callable[[tuple[LayerWork, Work]], Any]] = {
        "layer": lambda row: (row[0].path or row[0].type) + row[0].repetition,
        **{name: _from_layer(name) for name in ("depth", "type", "config", "role")},
        **{name: _from_work(name) for name in ("macs", "bytes", "intensity", "bound", "seconds")},
        "share": lambda row: row[1].seconds / roofline.seconds if roofline.seconds else None,
        "total_seconds": lambda row: row[0].total.seconds,
    }
    return data_table(columns, rows)


def _from_layer(name: str) -> Callable[[tuple[LayerWork, Work]], Any]:
    return lambda row: getattr(row[0], name)


def _from_work(name: str) -> Callable[[tuple[LayerWork, Work]], Any]:
    return lambda row: getattr(row[1], name)
