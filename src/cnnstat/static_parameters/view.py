"""The view of `parameters`: the modules as a tree, the totals below."""

from __future__ import annotations

from ..analysis.layer_table import to_depth
from ..render.blocks import Block, Cell, Column, Facts, Report, Row, Table, Text
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
        ("Parameters", Cell(totals.params, "count", "0")),
        *([("Frozen parameters", Cell(frozen, "count"))] if frozen else []),
        *([("Buffers", Cell(totals.buffers, "count"))] if totals.buffers else []),
        ("Parameter memory", Cell(totals.param_bytes, "bytes")),
        ("MACs", Cell(None, "count", "unknown: the model was not run")),
    ]
    blocks: list[Block] = [Table(_COLUMNS, rows, tree=True), Facts(tuple(facts))]
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
