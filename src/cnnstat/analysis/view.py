"""The view of an analysis: its layers as a table, its totals below."""

from __future__ import annotations

from ..inputs import format_shape
from ..render.blocks import Block, Report, Text
from ..render.data import Data
from ..render.options import Options
from .layer_data import layer_data, totals_data
from .layer_table import check_options, layer_table
from .results import Analysis, labelled
from .totals import bounds, totals


def view(analysis: Analysis, options: Options) -> Report:
    """The report of one analysis.

    Raises:
        UsageError: a column or sort key is unknown.
    """
    check_options(options)
    model = analysis.model
    inputs = ", ".join(
        (f"{i.name}=" if i.name else "") + format_shape(i.shape) for i in analysis.inputs
    )
    blocks: list[Block] = []
    if not options.totals:
        blocks.append(layer_table(analysis.layers, analysis.totals, options))
    blocks.append(totals(analysis))
    notes = [*analysis.notes, *bounds(analysis)]
    if notes:
        blocks.append(Text(tuple(labelled(note) for note in notes), "note"))
    return Report(f"{model.spec} on {inputs}", tuple(blocks))


def data(analysis: Analysis, options: Options) -> Data:
    """The layers, or the totals in one row."""
    if options.totals:
        return totals_data([analysis])
    return layer_data(analysis.layers, analysis.totals, options)
