"""The view of `parameters`: the modules as a tree, the totals below."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from operator import attrgetter
from typing import Any

from ..analysis.layer_data import with_sums
from ..analysis.layer_table import to_depth
from ..render.blocks import Block, Cell, Column, Facts, Report, Row, Table, Text
from ..render.data import Data, data_table
from ..render.options import Options
from .results import ModuleParameters, Parameters

_COLUMNS = (
    Column("layer", "Layer", False, shrinks=True), Column("type", "Type", False, 1),
    Column("params", "Params"), Column("params-share", "%", True, 2),
)  # fmt: skip


def view(parameters: Parameters, options: Options) -> Report:
    """The report of a model that was not run."""
    totals = parameters.totals
    modules = parameters.modules[1:] or parameters.modules[:1]
    rows = tuple(
        Row(_cells(module, name, totals.params), max(0, module.depth - 1), group)
        for module, name, group in to_depth(modules, options.depth or 1)
    )
    frozen = totals.params - totals.trainable_params
    facts = [
        ("Parameters", Cell(totals.params, "total", "0")),
        *([("Frozen parameters", Cell(frozen, "total"))] if frozen else []),
        *([("Buffers", Cell(totals.buffers, "total"))] if totals.buffers else []),
        ("Parameter memory", Cell(totals.param_bytes, "bytes")),
        ("MACs", Cell(None, "count", "unknown: the model was not run")),
    ]
    blocks: list[Block] = [] if options.totals else [Table(_COLUMNS, rows, tree=True)]
    blocks.append(Facts(tuple(facts)))
    if parameters.notes:
        blocks.append(Text(tuple(f"note: {note}" for note in parameters.notes), "note"))
    return Report(f"{parameters.model.spec}, parameters alone", tuple(blocks))


def _cells(module: ModuleParameters, name: str, params: int) -> tuple[Cell, ...]:
    marks = ", frozen" * (module.params > module.trainable_params)
    total = module.total_params
    return (
        Cell(name or module.type),
        Cell(f"{module.type} {module.config}".rstrip() + marks),
        Cell(total or None, "count", "shared" if module.shared else "–"),
        Cell(total / params if total and params else None, "share"),
    )


def data(parameters: Parameters, options: Options) -> Data:
    """The modules, or the totals in one row. The sum of a column is the total of the model."""
    if options.totals:
        totals = parameters.totals
        return data_table(
            {"model": lambda _: parameters.model.spec,
             **{name: attrgetter(name) for name in type(totals).__struct_fields__}},
            [totals],
        )  # fmt: skip
    modules, deepest = parameters.modules, options.depth
    rows = with_sums(
        modules,
        lambda m: len(modules) == 1 or 0 < m.depth <= (m.depth if deepest is None else deepest),
        lambda module: Counter({name: getattr(module, name) for name in _SUMMED}),
        Counter[str](),
    )
    total = parameters.totals.params
    columns: dict[str, Callable[[tuple[ModuleParameters, Counter[str]]], Any]] = {
        "layer": lambda row: row[0].path or row[0].type,
        **{name: _from_module(name) for name in ("depth", "type", "config")},
        **{name: _from_sums(name) for name in _SUMMED},
        "params_share": lambda row: row[1]["params"] / total if total else None,
        **{name: _from_module(name) for name in ("total_params", "shared")},
    }
    return data_table(columns, rows)


_SUMMED = ("params", "trainable_params", "param_bytes")


def _from_module(name: str) -> Callable[[tuple[ModuleParameters, Counter[str]]], Any]:
    return lambda row: getattr(row[0], name)


def _from_sums(name: str) -> Callable[[tuple[ModuleParameters, Counter[str]]], Any]:
    return lambda row: row[1][name]
