"""The view of a ranking: a table of the layers, and their bars."""

from __future__ import annotations

from ..render.blocks import Bars, Cell, Column, Report, table
from ..render.options import Options
from .results import Ranking


def view(ranking: Ranking, options: Options) -> Report:
    layers = ranking.layers[: options.top]
    columns = (Column("layer", "Layer", False), Column(ranking.by, ranking.by.capitalize()))
    rows = [[Cell(layer.path), Cell(layer.value, "count")] for layer in layers]
    bars = Bars(
        "ranking", f"Largest {ranking.by}", (ranking.by,),
        tuple((layer.path, (layer.value,)) for layer in layers),
    )  # fmt: skip
    return Report(f"Layers of {ranking.model.spec}", (table(columns, rows), bars))
