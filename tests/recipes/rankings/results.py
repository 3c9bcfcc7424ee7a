"""The layers of a model, ranked by one figure."""

from __future__ import annotations

from typing import Literal

from ..analysis.results import Model
from ..choices import RankedBy
from ..results import Record, Result


class Ranked(Record, frozen=True):
    """A layer and its own figure, without that of the layers inside it."""

    path: str
    value: int


class Ranking(Result, frozen=True, kw_only=True):
    """The layers with the largest figures, largest first."""

    kind: Literal["ranking"] = "ranking"
    model: Model
    by: RankedBy
    layers: tuple[Ranked, ...]
