"""The table of layers: its columns, its rows as a tree or sorted, their names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias, TypeVar

from ..errors import UsageError, nearest
from ..inputs import format_shape
from ..render.blocks import Cell, Column, Row, Table
from ..render.options import Options
from .results import Layer, Tally, Totals
from .roles import HIDDEN


class Placed(Protocol):
    """A row of the tree of calls."""

    @property
    def path(self) -> str: ...
    @property
    def depth(self) -> int: ...
    @property
    def repetition(self) -> str: ...


_Row = TypeVar("_Row", bound=Placed)


def to_depth(rows: Sequence[_Row], depth: int | None) -> list[tuple[_Row, str, bool]]:
    """The rows down to `depth` (None: all), each with its name and whether it has rows below it.

    The name is the path relative to the parent row: a ModuleList, which is never called and has no
    row, remains in the names of its members.
    """
    shown = [row for row in rows if depth is None or row.depth <= depth]
    following = [row.depth for row in shown[1:]] + [0]
    around: dict[int, str] = {}
    named = []
    for row, below in zip(shown, following, strict=True):
        around[row.depth] = row.path
        parent = around.get(row.depth - 1, "")
        name = row.path.removeprefix(f"{parent}.") if parent else row.path
        named.append((row, name + row.repetition, below > row.depth))
    return named


ModelTotals: TypeAlias = "Totals | None"
"""The totals of the model; None if its run is incomplete."""
CellOf: TypeAlias = "Callable[[ModelTotals, Layer, Tally], Cell]"


def _type(totals: ModelTotals, layer: Layer, tally: Tally) -> Cell:
    marks = ", frozen" * (layer.frozen_params > 0) + ", not counted" * (not layer.counted)
    return Cell(f"{layer.type} {layer.config}".rstrip() + marks)


def _params(totals: ModelTotals, layer: Layer, tally: Tally) -> Cell:
    shared = layer.shared_with is not None and not tally.params
    return Cell(tally.params, "count", "shared" if shared else "–")


def _share_of(part: int, totals: ModelTotals, figure: str) -> Cell:
    total = getattr(totals, figure) if totals is not None else None
    return Cell(part / total if total else None, "share")


def _shape(shapes: Sequence[tuple[int, ...]]) -> Cell:
    more = f" +{len(shapes) - 1}" if len(shapes) > 1 else ""
    if more:
        return Cell(format_shape(shapes[0]) + more)
    return Cell(shapes[0] if shapes else None, "shape")


def _kernel(totals: ModelTotals, layer: Layer, tally: Tally) -> Cell:
    return Cell(layer.window.kernel if layer.window else None, "sizes")


def _padding(totals: ModelTotals, layer: Layer, tally: Tally) -> Cell:
    return Cell(layer.window.padding if layer.window else None, "sizes")


def _backward_macs(totals: ModelTotals, layer: Layer, tally: Tally) -> Cell:
    traced = tally.backward_macs is not None
    return Cell(tally.backward_macs, "count", "–" if traced else "needs --training")


# In the order of the table; a narrow terminal drops the highest number first.
COLUMNS: dict[str, tuple[Column, CellOf]] = {
    "type": (Column("type", "Type", False, 3), _type),
    "role": (Column("role", "Role", False, 7), lambda w, x, t: Cell(x.role)),
    "input": (Column("input", "Input", False, 5), lambda w, x, t: _shape(x.inputs)),
    "output": (Column("output", "Output", False, 2), lambda w, x, t: _shape(x.outputs)),
    "kernel": (Column("kernel", "Kernel", True, 8), _kernel),
    "padding": (Column("padding", "Padding", True, 9), _padding),
    "receptive-field": (
        Column("receptive-field", "Receptive field", True, 6),
        lambda w, x, t: Cell(x.receptive_field, "sizes", x.receptive_field_reason or "–"),
    ),
    "stride": (
        Column("stride", "Eff. stride", True, 10), lambda w, x, t: Cell(x.stride, "sizes")
    ),
    "params": (Column("params", "Params"), _params),
    "params-share": (
        Column("params-share", "%", True, 13), lambda w, x, t: _share_of(t.params, w, "params")
    ),
    "macs": (Column("macs", "MACs", True, 1), lambda w, x, t: Cell(t.macs, "count")),
    "macs-share": (
        Column("macs-share", "%", True, 14), lambda w, x, t: _share_of(t.macs, w, "macs")
    ),
    "backward-macs": (Column("backward-macs", "Backward MACs", True, 1), _backward_macs),
    "other-ops": (
        Column("other-ops", "Other ops", True, 11), lambda w, x, t: Cell(t.other_ops, "count")
    ),
    "activation": (
        Column("activation", "Activation", True, 12),
        lambda w, x, t: Cell(t.activation_bytes or None, "bytes"),
    ),
}  # fmt: skip
DEFAULT_COLUMNS = ("type", "output", "params", "params-share", "macs", "macs-share")
_PARTIAL_COLUMNS = ("type", "input", "output", "params", "macs")


def layer_table(layers: Sequence[Layer], totals: ModelTotals, options: Options) -> Table:
    usual: tuple[str, ...] = DEFAULT_COLUMNS
    if totals is None:
        usual = _PARTIAL_COLUMNS
    elif totals.backward_macs is not None:
        usual = (*usual, "backward-macs")
    return layer_rows(layers, totals, options, usual)[0]


def layer_rows(
    calls: Sequence[Layer], totals: ModelTotals, options: Options, usual: tuple[str, ...]
) -> tuple[Table, list[Layer]]:
    """The table of layers, with the columns `usual` unless others are chosen, and its layers."""
    keys = chosen_columns(options.columns, usual)
    columns = (Column("layer", "Layer", False, shrinks=True), *(COLUMNS[key][0] for key in keys))
    layers = shown_layers(calls, options)
    if options.flat:
        shown = sorted_layers(totals, layers, options)
        rows = [Row(_cells(totals, x, self_tally(x), keys, x.path + x.repetition)) for x in shown]
    else:
        named = to_depth(layers, options.depth)
        shown = [layer for layer, _, _ in named]
        rows = [
            Row(
                _cells(totals, layer, layer.total, keys, name),
                max(0, layer.depth - 1),
                group,
            )
            for layer, name, group in named
        ]
    return Table(columns, tuple(rows), tree=not options.flat), shown


def shown_layers(calls: Sequence[Layer], options: Options) -> list[Layer]:
    """The layers of a report: those that the options show, or only the model itself.

    None if nothing ran.
    """
    layers = [layer for layer in calls[1:] if _is_shown(layer, options)]
    only_the_model = options.depth == 0 and not options.flat
    return list(calls[:1]) if only_the_model or not layers else layers


def chosen_columns(keys: tuple[str, ...], usual: tuple[str, ...]) -> tuple[str, ...]:
    """The keys of the columns; `+key` adds to the usual ones."""
    keys = tuple(map(_as_column, keys))
    added = tuple(key.removeprefix("+") for key in keys if key.startswith("+"))
    plain = tuple(key for key in keys if not key.startswith("+") and key != "layer")
    for key in (*added, *plain):
        _check("column", key)
    if any(key.startswith("+") for key in keys):
        chosen = {*usual, *added, *plain}
        return tuple(key for key in COLUMNS if key in chosen)
    return plain if keys else usual


def check_options(options: Options) -> None:
    """Raise UsageError if a column or the sort key is unknown."""
    chosen_columns(options.columns, DEFAULT_COLUMNS)
    if options.sort is not None:
        _check("sort key", _sort_key(options.sort))


def _sort_key(key: str) -> str:
    """FLOPs have the order of MACs, of which they are twice as many."""
    return "macs" if key.lower() == "flops" else _as_column(key)


def _as_column(key: str) -> str:
    """The key of a column that may be named as in CSV: `receptive_field`, `activation_bytes`."""
    plus, name = key[: key.startswith("+")], key.removeprefix("+").replace("_", "-").lower()
    return plus + _OTHER_NAMES.get(name, name)


_OTHER_NAMES = {
    "activation-bytes": "activation", "config": "type", "name": "layer", "input-size": "input",
    "output-size": "output", "shape": "output", "output-shape": "output", "num-params": "params",
    "parameters": "params", "param": "params", "params-percent": "params-share",
    "kernel-size": "kernel", "mult-adds": "macs", "memory": "activation", "rf": "receptive-field",
}  # fmt: skip
"""The names of columns in CSV and in other tools."""


def _check(what: str, key: str) -> None:
    if key not in COLUMNS:
        twice = "FLOPs are 2 × MACs, which are a column: macs" if key == "flops" else ""
        details = [twice or nearest(key, COLUMNS), f"known: {', '.join(COLUMNS)}"]
        raise UsageError(f"unknown {what} {key!r}", *filter(None, details))


def _is_shown(layer: Layer, options: Options) -> bool:
    if layer.kind == "module":
        return True
    is_relevant = layer.type not in HIDDEN or layer.params > 0
    return options.ops == "all" or (options.ops == "auto" and is_relevant)


def sorted_layers(totals: ModelTotals, layers: list[Layer], options: Options) -> list[Layer]:
    """The rows of a flat list.

    Raises:
        UsageError: the sort key is unknown.
    """
    sort = _sort_key(options.sort or "macs")
    _check("sort key", sort)
    cell = COLUMNS[sort][1]

    def order(layer: Layer) -> float | str:
        return cell(totals, layer, self_tally(layer)).sort_key

    numeric = COLUMNS[sort][0].numeric or sort in ("input", "output")
    costs = [x for x in layers if not numeric or order(x)]
    return sorted(costs, key=order, reverse=numeric)[: options.top]


def self_tally(layer: Layer) -> Tally:
    return Tally(
        layer.params,
        layer.macs,
        layer.other_ops,
        layer.activation_bytes,
        backward_macs=layer.backward_macs,
        backward_other_ops=layer.backward_other_ops,
    )


def _cells(
    totals: ModelTotals, layer: Layer, tally: Tally, keys: tuple[str, ...], name: str
) -> tuple[Cell, ...]:
    return (
        Cell(name or layer.type),
        *(COLUMNS[key][1](totals, layer, tally) for key in keys),
    )
