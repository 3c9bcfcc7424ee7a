"""What a comparison tells of the fully connected layers at the end of each model.

What they cost, what a NiN head on the same features would, and how they grow with the input.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..inputs import format_shape
from ..render.blocks import Block, Cell, Column, Table, Text, table
from .results import Classifier, Comparison, Growth, NinHead


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
        Column("memory", "memory"),
        Column("share", "of the model"),
    )
    rows = [
        [
            Cell(name),
            Cell(linear.path),
            Cell((linear.in_features, linear.out_features), "shape"),
            Cell(linear.params, "count"),
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
        Column("head-params", "head params"),
        Column("params", "params"),
        Column("macs", "MACs", True, 1),
        Column("memory", "memory", True, 2),
    )
    rows: list[list[Cell]] = []
    for name, classifier in pairs:
        if classifier.head is None:
            continue
        whole, head = totals[name], classifier.head
        rows.append(
            [
                Cell(name),
                Cell(f"{len(classifier.linears)} linear"),
                Cell(classifier.params, "count"),
                Cell(whole.params, "count"),
                Cell(whole.macs, "count"),
                Cell(whole.param_bytes, "bytes"),
            ]
        )
        rows.append([Cell(name), Cell(f"1×1 conv on {format_shape(head.features)}"), *_head(head)])
    title = "The same features with a NiN head (1×1 convolution, global average pooling)"
    return [table(columns, rows, title)] if rows else []


def _head(head: NinHead) -> list[Cell]:
    return [
        Cell(head.head_params, "count"),
        Cell(head.params, "count"),
        Cell(head.macs, "count"),
        Cell(head.param_bytes, "bytes"),
    ]


def _growth(pairs: Sequence[tuple[str, Classifier]]) -> list[Block]:
    columns = (
        Column("model", "Model", False),
        Column("input", "Input", False),
        Column("features", "first linear takes"),
        Column("linear", "linear params"),
        Column("conv", "conv params"),
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
        Cell(growth.linear_params, "count"),
        Cell(growth.conv_params, "count"),
        Cell(growth.total_params, "count"),
    ]
