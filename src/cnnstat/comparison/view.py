"""The view of a comparison: the point first, then the figures it rests on."""

from __future__ import annotations

from ..analysis.layer_table import layer_table
from ..analysis.results import Stage, Totals
from ..analysis.totals import bounds, footing
from ..inputs import format_shape
from ..render.blocks import Bars, Block, Cell, Column, Kind, Report, Table, Text, table
from ..render.options import Options
from .heads_view import classifiers
from .results import Comparison, Figure


def view(comparison: Comparison, options: Options) -> Report:
    """The report of a comparison; the layers of each model stand at the end."""
    inputs = " and ".join(
        dict.fromkeys(
            ", ".join(format_shape(i.shape) for i in analysis.inputs)
            for analysis in comparison.analyses
        )
    )
    blocks: list[Block] = [
        Text(comparison.summary, "lead"),
        _totals(comparison),
        *_by_role(comparison),
        _stages(comparison),
        _stage_bars(comparison),
        *classifiers(comparison),
        *_layers(comparison, options),
        Text(tuple(_footings(comparison)), "note"),
    ]
    return Report(f"{', '.join(comparison.names)} on {inputs}", tuple(blocks))


def _totals(comparison: Comparison) -> Table:
    first, *others = comparison.names
    columns = [Column("figure", "", False), Column(first, first)]
    for name in others:
        columns += [Column(name, name), Column(f"{name}-ratio", "×", True, 1)]
    rows = [_figure(figure) for figure in comparison.totals]
    return table(columns, rows, f"Totals (× is relative to {first})")


def _figure(figure: Figure) -> list[Cell]:
    kind: Kind = "bytes" if figure.unit == "bytes" else "count"
    cells = [Cell(figure.name), Cell(figure.values[0], kind)]
    for value, ratio in zip(figure.values[1:], figure.ratios[1:], strict=True):
        cells += [Cell(value, kind), Cell(ratio, "ratio")]
    return cells


_SPENT = (
    Column("params", "Params"),
    Column("params-share", "%", True, 2),
    Column("macs", "MACs"),
    Column("macs-share", "%", True, 3),
)


def _by_role(comparison: Comparison) -> list[Block]:
    # models without parameters and MACs have no roles to compare
    return [_roles(comparison), _role_bars(comparison)] if comparison.by_role else []


def _roles(comparison: Comparison) -> Table:
    columns = (Column("role", "Role", False, merged=True), Column("model", "Model", False), *_SPENT)
    rows = [
        [
            Cell(role.role),
            Cell(name),
            Cell(role.params[i], "count"),
            Cell(role.params_share[i], "share"),
            Cell(role.macs[i], "count"),
            Cell(role.macs_share[i], "share"),
        ]
        for role in comparison.by_role
        for i, name in enumerate(comparison.names)
    ]
    return table(columns, rows, "By role")


def _role_bars(comparison: Comparison) -> Bars:
    groups = tuple((role.role, role.params) for role in comparison.by_role if any(role.params))
    return Bars("params-by-role", "Parameters by role", comparison.names, groups)


def _stages(comparison: Comparison) -> Table:
    columns = (
        Column("resolution", "Resolution", False, merged=True),
        Column("model", "Model", False),
        Column("channels", "Channels", True, 1),
        *_SPENT,
    )
    models = list(zip(comparison.names, comparison.analyses, strict=True))
    rows = [
        [Cell(_resolution(row)), Cell(name), *_stage(stage, analysis.totals)]
        for row in comparison.stages
        for (name, analysis), stage in zip(models, row, strict=True)
    ]
    return table(columns, rows, "By spatial resolution")


def _resolution(row: tuple[Stage | None, ...]) -> str:
    """54×54 | 55×55: where each model is, in the order of the models."""
    return " | ".join(format_shape(stage.size) if stage else "–" for stage in row)


def _stage(stage: Stage | None, totals: Totals) -> list[Cell]:
    if stage is None:
        return [Cell(None, kind) for kind in ("count", "count", "share", "count", "share")]
    return [
        Cell(stage.channels, "count"),
        Cell(stage.params, "count"),
        Cell(stage.params / max(1, totals.params), "share"),
        Cell(stage.macs, "count"),
        Cell(stage.macs / max(1, totals.macs), "share"),
    ]


def _stage_bars(comparison: Comparison) -> Bars:
    groups = tuple(
        (_resolution(row), tuple(stage.macs if stage else None for stage in row))
        for row in comparison.stages
    )
    return Bars("macs-by-stage", "MACs by spatial resolution", comparison.names, groups)


def _layers(comparison: Comparison, options: Options) -> list[Block]:
    blocks: list[Block] = []
    for name, analysis in zip(comparison.names, comparison.analyses, strict=True):
        layers = layer_table(analysis.layers, analysis.totals, options)
        blocks.append(Table(layers.columns, layers.rows, f"Layers of {name}", layers.tree))
    return blocks


def _footings(comparison: Comparison) -> list[str]:
    pairs = zip(comparison.names, comparison.analyses, strict=True)
    return [
        f"{name}: {line}"
        for name, analysis in pairs
        for line in (footing(analysis), *bounds(analysis), *analysis.notes)
    ]
