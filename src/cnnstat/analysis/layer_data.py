"""The data tables of analyses: a row per layer, and a row per model.

A figure of a layer counts in one row only, so the sum of a column is the total of the model. In the
row of a container, `params` are its own and those of layers inside that have no row;
`total_params` are those of all layers inside.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Protocol, TypeVar

from ..render.data import Data, data_table, size_text
from ..render.options import Options
from .layer_table import (
    COLUMNS,
    ModelTotals,
    chosen_columns,
    self_tally,
    shown_layers,
    sorted_layers,
)
from .results import Analysis, Input, Layer, Tally, Totals


class Nested(Protocol):
    """A row of a tree in preorder."""

    @property
    def depth(self) -> int: ...


class Summed(Protocol):
    def __add__(self, other: Any, /) -> Any: ...


_N = TypeVar("_N", bound=Nested)
_S = TypeVar("_S", bound=Summed)


def with_sums(
    rows: Sequence[_N], is_shown: Callable[[_N], bool], figures: Callable[[_N], _S], zero: _S
) -> list[tuple[_N, _S]]:
    """The shown rows of a tree, each with the sum of its own figures and those of hidden rows.

    A hidden row counts in the nearest shown one around it, or else in the first, that of the model,
    which is then shown too.
    """
    sums = {0: zero}
    around = [(-1, 0)]  # depth and index of the shown rows around this one
    for index, row in enumerate(rows):
        while around[-1][0] >= row.depth:
            around.pop()
        if is_shown(row):
            around.append((row.depth, index))
            sums.setdefault(index, zero)
        sums[around[-1][1]] = sums[around[-1][1]] + figures(row)
    if sums[0] == zero and not (rows and is_shown(rows[0])):
        del sums[0]
    return [(rows[index], total) for index, total in sums.items()]


@dataclass(frozen=True)
class _Row:
    layer: Layer
    tally: Tally

    @property
    def name(self) -> str:
        return (self.layer.path or self.layer.type) + self.layer.repetition


_Value = Callable[[_Row], Any]


def layer_data(layers: Sequence[Layer], totals: ModelTotals, options: Options) -> Data:
    """The layers that the options show; all columns, unless some are chosen."""
    training = totals is not None and totals.backward_macs is not None
    usual = tuple(key for key in COLUMNS if key != "backward-macs" or training)
    keys = chosen_columns(options.columns, usual)
    all_columns = not options.columns or any(key.startswith("+") for key in options.columns)
    columns: dict[str, _Value] = {"layer": attrgetter("name")}
    if all_columns:
        columns["depth"] = attrgetter("layer.depth")
    for key in keys:
        columns |= _columns_of(key, totals)
    if all_columns:
        columns["total_params"] = attrgetter("layer.total.params")
        columns["total_macs"] = attrgetter("layer.total.macs")
    return data_table(columns, _rows(layers, totals, options))


def _rows(layers: Sequence[Layer], totals: ModelTotals, options: Options) -> list[_Row]:
    shown = shown_layers(layers, options)
    if options.flat:
        return [_Row(x, self_tally(x)) for x in sorted_layers(totals, shown, options)]
    deepest = options.depth
    chosen = {id(x) for x in shown if deepest is None or x.depth <= deepest}
    zero = Tally(backward_macs=None if totals is None or totals.backward_macs is None else 0)
    summed = with_sums(layers, lambda x: id(x) in chosen, _counted_tally, zero)
    return [_Row(layer, tally) for layer, tally in summed]


def _counted_tally(layer: Layer) -> Tally:
    """The figures of a layer that totals include."""
    backward = layer.backward_macs
    if not layer.counted:
        return Tally(layer.params, backward_macs=None if backward is None else 0)
    return Tally(
        layer.params, layer.macs, layer.other_ops, layer.activation_bytes, backward_macs=backward
    )


def _columns_of(key: str, totals: ModelTotals) -> dict[str, _Value]:
    """The columns for a column of the table."""
    if key == "type":
        return {"type": attrgetter("layer.type"), "config": attrgetter("layer.config")}
    if key in _VALUES:
        name, value = _VALUES[key]
        return {name: value}
    figure = key.removesuffix("-share")
    total = getattr(totals, figure) if totals is not None else None
    return {f"{figure}_share": lambda row: getattr(row.tally, figure) / total if total else None}


def _of_counted(figure: str) -> _Value:
    """None for a branch that another one is counted instead of."""
    return lambda row: getattr(row.tally, figure) if row.layer.counted else None


_VALUES: dict[str, tuple[str, _Value]] = {
    "role": ("role", attrgetter("layer.role")),
    "input": ("input", lambda row: _shapes(row.layer.inputs)),
    "output": ("output", lambda row: _shapes(row.layer.outputs)),
    "kernel": ("kernel", lambda row: row.layer.window and row.layer.window.kernel),
    "padding": ("padding", lambda row: row.layer.window and row.layer.window.padding),
    "receptive-field": ("receptive_field", attrgetter("layer.receptive_field")),
    "stride": ("stride", attrgetter("layer.stride")),
    "params": ("params", attrgetter("tally.params")),
    "macs": ("macs", _of_counted("macs")),
    "backward-macs": ("backward_macs", _of_counted("backward_macs")),
    "other-ops": ("other_ops", _of_counted("other_ops")),
    "activation": ("activation_bytes", _of_counted("activation_bytes")),
}


def _shapes(shapes: Iterable[Sequence[int]]) -> str:
    """All shapes, with spaces between them."""
    return " ".join(map(size_text, shapes))


# ---------------------------------------------------------------- totals


def totals_data(analyses: Sequence[Analysis], names: Sequence[str] | None = None) -> Data:
    """A row per model: its input and its totals; `names` in the place of specs."""
    specs = names or [analysis.model.spec for analysis in analyses]
    figures = {field: _total(field) for field in Totals.__struct_fields__ if field in _NUMBERS}
    columns: dict[str, Callable[[tuple[str, Analysis]], Any]] = {
        "model": lambda row: row[0],
        "input": lambda row: inputs_text(row[1].inputs),
        "mode": lambda row: row[1].mode,
        **figures,
    }
    return data_table(columns, list(zip(specs, analyses, strict=True)))


_NUMBERS = frozenset({
    "params", "trainable_params", "buffers", "param_bytes", "buffer_bytes", "macs", "flops",
    "other_ops", "activation_bytes", "peak_bytes", "depth", "receptive_field", "exact",
    "backward_macs", "backward_other_ops",
})  # fmt: skip


def _total(field: str) -> Callable[[tuple[str, Analysis]], Any]:
    return lambda row: getattr(row[1].totals, field)


def inputs_text(inputs: Iterable[Input]) -> str:
    """`1x3x224x224`; `ids=1x128 mask=1x128`."""
    return " ".join((f"{i.name}=" if i.name else "") + size_text(i.shape) for i in inputs)
