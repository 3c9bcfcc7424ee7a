"""From an analysis to its ranking."""

from __future__ import annotations

from ..analysis.results import Analysis
from ..choices import RankedBy
from .results import Ranked, Ranking


def rank(analysis: Analysis, by: RankedBy) -> Ranking:
    layers = [Ranked(layer.path, getattr(layer, by)) for layer in analysis.layers]
    layers = [layer for layer in layers if layer.value]
    layers.sort(key=lambda layer: layer.value, reverse=True)
    return Ranking(model=analysis.model, by=by, layers=tuple(layers))
