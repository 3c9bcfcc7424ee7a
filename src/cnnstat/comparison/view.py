"""The view of a comparison: a summary, then its figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..analysis.layer_data import totals_data
from ..analysis.layer_table import check_options, layer_table
from ..analysis.results import Stage, Totals
from ..analysis.totals import bounds, footing
from ..inputs import format_shape
from ..render.blocks import Bars, Block, Cell, Column, Report, Table, Text, table
from ..render.data import Data
from ..render.options import Options
from .many_view import FROM, KINDS, row_blocks
from .results import Classifier, Comparison, Figure, Growth, NinHead


def view(comparison: Comparison, options: Options) -> Report:
    """The report of a comparison; with options of layers, the layers of each model come last.

    Raises:
        UsageError: a column or the sort key is unknown.
    """
    check_options(options)
    inputs = " and ".join(
        dict.fromkeys(
            ", ".join(format_shape(i.shape) for i in analysis.inputs)
            for analysis in comparison.analyses
        )
    )
    layers = _layers(comparison, options)
    blocks: list[Block] = [Text(comparison.summary, "lead")]
    if len(comparison.names) >= FROM:
        blocks += [*row_blocks(comparison), *layers]
    else:
        blocks += [
            _totals(comparison),
            *_by_role(comparison),
            _stages(comparison),
            _stage_bars(comparison),
            *classifiers(comparison),
            *layers,
            Text(tuple(_footings(comparison)), "note"),
        ]
    drawn = [block for block in blocks if not _is_empty(block)]
    names = comparison.names
    title = f"{len(names)} models" if len(names) >= FROM else ", ".join(names)
    return Report(f"{title} on {inputs}", tuple(drawn))


def _is_empty(block: Block) -> bool:
    """Bars of roles without parameters, a table or bars of stages without feature maps."""
    if isinstance(block, Bars):
        return not block.groups
    return isinstance(block, Table) and not block.rows


def _totals(comparison: Comparison) -> Table:
    first, *others = comparison.names
    columns = [Column("figure", "", False), Column(first, first)]
    for name in others:
        columns += [Column(name, name), Column(f"{name}-ratio", "×", True, 1)]
    rows = [_figure(figure) for figure in comparison.totals]
    return table(columns, rows, f"Totals (× is relative to {first})")


def _figure(figure: Figure) -> list[Cell]:
    kind = KINDS[figure.unit]
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
            Cell(role.params[i], "figure"),
            Cell(role.params_share[i], "share"),
            Cell(role.macs[i], "figure"),
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
    """The resolution of each model, in order: 54×54 | 55×55."""
    return " | ".join(format_shape(stage.size) if stage else "–" for stage in row)


def _stage(stage: Stage | None, totals: Totals) -> list[Cell]:
    if stage is None:
        return [Cell(None, kind) for kind in ("count", "count", "share", "count", "share")]
    return [
        Cell(stage.channels, "number"),
        Cell(stage.params, "figure"),
        Cell(stage.params / max(1, totals.params), "share"),
        Cell(stage.macs, "figure"),
        Cell(stage.macs / max(1, totals.macs), "share"),
    ]


def _stage_bars(comparison: Comparison) -> Bars:
    groups = tuple(
        (_resolution(row), tuple(stage.macs if stage else None for stage in row))
        for row in comparison.stages
    )
    return Bars("macs-by-stage", "MACs by spatial resolution", comparison.names, groups)


def _layers(comparison: Comparison, options: Options) -> list[Block]:
    if options.depth is None and not options.columns and not options.flat:
        return []
    if options.depth is None:
        options = replace(options, depth=1)
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


def classifiers(comparison: Comparison) -> list[Block]:
    pairs = [
        (name, classifier)
        for name, classifier in zip(comparison.names, comparison.classifiers, strict=True)
        if classifier is not None
    ]
    without = [
        n for n, c in zip(comparison.names, comparison.classifiers, strict=True) if c is None
    ]
    blocks: list[Block] = []
    if pairs:
        blocks.append(_linears(pairs))
        blocks += _heads(comparison, pairs)
        blocks += _growth(pairs)
        reasons = [f"{name}: {c.reason}" for name, c in pairs if c.reason]
        if reasons:
            blocks.append(Text(tuple(reasons), "note"))
    if without:
        ends = "does not end" if len(without) == 1 else "do not end"
        blocks.append(Text((f"{', '.join(without)} {ends} in fully connected layers.",), "note"))
    return blocks


def _linears(pairs: Sequence[tuple[str, Classifier]]) -> Table:
    columns = (
        Column("model", "Model", False),
        Column("layer", "Layer", False, 1),
        Column("features", "in × out", False),
        Column("params", "params"),
        Column("memory", "memory", True, 3),
        Column("share", "of the model", True, 2),
    )
    rows = [
        [
            Cell(name),
            Cell(linear.path),
            Cell((linear.in_features, linear.out_features), "shape"),
            Cell(linear.params, "figure"),
            Cell(linear.param_bytes, "bytes"),
            Cell(linear.share, "share"),
        ]
        for name, classifier in pairs
        for linear in classifier.linears
    ]
    return table(columns, rows, "Fully connected overhead")


def _heads(comparison: Comparison, pairs: Sequence[tuple[str, Classifier]]) -> list[Block]:
    totals = dict(zip(comparison.names, (a.totals for a in comparison.analyses), strict=True))
    columns = (
        Column("model", "Model", False),
        Column("head", "Head", False),
        Column("head-params", "head params", True, 3),
        Column("params", "params"),
        Column("macs", "MACs", True, 1),
        Column("memory", "memory", True, 2),
    )
    rows: list[list[Cell]] = []
    for name, classifier in pairs:
        if classifier.head is None:
            continue
        total, head = totals[name], classifier.head
        rows.append(
            [
                Cell(name),
                Cell(f"{len(classifier.linears)} linear"),
                Cell(classifier.params, "figure"),
                Cell(total.params, "figure"),
                Cell(total.macs, "figure"),
                Cell(total.param_bytes, "bytes"),
            ]
        )
        rows.append([Cell(name), Cell(f"1×1 conv on {format_shape(head.features)}"), *_head(head)])
    title = "The same features with a NiN head (1×1 convolution, global average pooling)"
    return [table(columns, rows, title)] if rows else []


def _head(head: NinHead) -> list[Cell]:
    return [
        Cell(head.head_params, "figure"),
        Cell(head.params, "figure"),
        Cell(head.macs, "figure"),
        Cell(head.param_bytes, "bytes"),
    ]


def _growth(pairs: Sequence[tuple[str, Classifier]]) -> list[Block]:
    columns = (
        Column("model", "Model", False),
        Column("input", "Input", False),
        Column("features", "first linear takes"),
        Column("linear", "linear params", True, 2),
        Column("conv", "conv params", True, 3),
        Column("total", "all params", True, 1),
    )
    rows = [[Cell(name), *_grown(growth)] for name, c in pairs for growth in c.growth]
    title = "How the first linear layer grows with the input"
    law = "A convolution has c_in · c_out · K² weights, whatever the size of its input."
    return [table(columns, rows, title), Text((law,), "note")] if rows else []


def _grown(growth: Growth) -> list[Cell]:
    return [
        Cell(growth.input, "shape"),
        Cell(growth.in_features, "count"),
        Cell(growth.linear_params, "figure"),
        Cell(growth.conv_params, "figure"),
        Cell(growth.total_params, "figure"),
    ]


def data(comparison: Comparison, options: Options) -> Data:
    """A row per model.

    Raises:
        UsageError: as of the report.
    """
    check_options(options)
    return totals_data(comparison.analyses, comparison.names)
