"""Costs and shapes as formulas in letters, the legal sizes, and figures over a range."""

from __future__ import annotations

from typing import Any, Literal

from ..analysis.results import Analysis, Model, Tool
from ..results import Record, Result

Size = int | str
"""A number; where it depends on letters the text of an expression, `(H - 7)//4`, which is Python
and which `cnnstat.symbols.evaluation.parse` reads."""


class Range(Record, frozen=True):
    """`lowest`, `lowest` + `step`, … up to `highest`; None where there is no limit."""

    lowest: int
    highest: int | None
    step: int


class Limit(Record, frozen=True):
    """A size that is not legal, and the layer that does not take it."""

    size: int
    layer: str
    reason: str


class Joint(Record, frozen=True):
    """What binds letters to each other: `number` is to be 0, says a layer."""

    number: str
    layer: str


class Domain(Record, frozen=True):
    """The legal sizes of one letter while the others stand `at` theirs.

    `limits` are sizes just outside, `joint` what binds the letter to others. `found_by` tells
    whether the ranges were derived from a run with letters and then confirmed by plain runs at
    every bound, or found by trying; `tried` is the number of plain runs.
    """

    letter: str
    ranges: tuple[Range, ...]
    limits: tuple[Limit, ...]
    joint: tuple[Joint, ...]
    at: dict[str, int]
    found_by: Literal["symbols", "search"]
    tried: int


class LetteredInput(Record, frozen=True):
    name: str | None
    shape: tuple[Size, ...]
    dtype: str


class LayerFormulas(Record, frozen=True):
    """The layer of the same place in `example.layers`, with its children: what depends on letters.

    `macs` is None where an operator's cost does not go into a formula.
    """

    path: str
    call: int
    outputs: tuple[tuple[Size, ...], ...]
    macs: Size | None
    activation_bytes: Size


class FormulaTotals(Record, frozen=True):
    """Of the whole model; None where there is no formula. `peak_bytes` is the peak at inference."""

    params: int
    macs: Size | None
    activation_bytes: Size | None
    peak_bytes: Size | None


class Formulas(Result, frozen=True, kw_only=True):
    """What a model is and costs as formulas in the letters of its input, and its legal sizes.

    `example` is the analysis at `values`, one legal size for each letter. `layers` is empty where
    letters do not go through; `notes` say why.
    """

    kind: Literal["formulas"] = "formulas"
    tool: Tool
    model: Model
    inputs: tuple[LetteredInput, ...]
    values: dict[str, int]
    domains: tuple[Domain, ...]
    totals: FormulaTotals
    layers: tuple[LayerFormulas, ...]
    example: Analysis
    notes: tuple[str, ...]


FIGURES = ("params", "macs", "activation_bytes", "peak_bytes")
"""The figures that `scale` follows."""


class ScalePoint(Record, frozen=True):
    """The figures where what is varied has the value `value`; None where `reason` says why.

    `fitted` is the linear layer that was made as wide as the value needs, if one was.
    """

    value: Any
    params: int | None = None
    macs: int | None = None
    activation_bytes: int | None = None
    peak_bytes: int | None = None
    reason: str | None = None
    fitted: str | None = None


class GrowthRate(Record, frozen=True):
    """The factor by which each figure grows per doubling, between the values `low` and `high`."""

    low: int | float
    high: int | float
    params: float | None
    macs: float | None
    activation_bytes: float | None
    peak_bytes: float | None


class Series(Record, frozen=True, kw_only=True):
    """One model over the values. `formulas` is None where `formulas_reason` says why.

    Formulas hold for the sizes that take the way of the run they come from; every point is a run
    of its own.
    """

    name: str
    model: Model | None
    inputs: tuple[LetteredInput, ...]
    points: tuple[ScalePoint, ...]
    growth: GrowthRate | None
    formulas: FormulaTotals | None
    formulas_reason: str | None


class Scaling(Result, frozen=True, kw_only=True):
    """What models cost over a size of the input or over a constructor's argument.

    `over` are the letters or the argument that take the values together.
    """

    kind: Literal["scaling"] = "scaling"
    tool: Tool
    over: tuple[str, ...]
    series: tuple[Series, ...]
