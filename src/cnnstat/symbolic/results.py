"""Costs and shapes as formulas in symbolic dimensions, valid sizes, and figures over a range."""

from __future__ import annotations

from typing import Any, Literal

from ..analysis.results import Analysis, Model, Tool
from ..results import Record, Result

Size = int | str
"""A number; where it depends on symbolic dimensions the text of an expression, `(H - 7)//4`, which
is valid Python and is read by `cnnstat.symbols.evaluation.parse`."""


class Range(Record, frozen=True):
    """`lowest`, `lowest` + `step`, … up to `highest`, which is None if there is no limit."""

    lowest: int
    highest: int | None
    step: int


class Limit(Record, frozen=True):
    """An invalid size, and the layer that refuses it."""

    size: int
    layer: str
    reason: str


class Joint(Record, frozen=True):
    """A condition of a layer on several dimensions: the expression `number` must be 0."""

    number: str
    layer: str


class ValidSizes(Record, frozen=True):
    """The valid sizes of the dimension `letter`, with the others fixed at the sizes in `at`.

    `limits` are invalid sizes just outside the ranges, `joint` conditions on this dimension and
    others. `found_by` is "symbols" if the ranges were derived from a symbolic run and confirmed by
    plain runs at every bound, "search" if they were found by trial. `tried` is the number of plain
    runs.
    """

    letter: str
    ranges: tuple[Range, ...]
    limits: tuple[Limit, ...]
    joint: tuple[Joint, ...]
    at: dict[str, int]
    found_by: Literal["symbols", "search"]
    tried: int


class SymbolicInput(Record, frozen=True):
    name: str | None
    shape: tuple[Size, ...]
    dtype: str


class LayerFormulas(Record, frozen=True):
    """The layer at the same index of `example.layers`, including its children, as formulas.

    `macs` is None where the cost of an operator has no formula.
    """

    path: str
    call: int
    outputs: tuple[tuple[Size, ...], ...]
    macs: Size | None
    activation_bytes: Size


class FormulaTotals(Record, frozen=True):
    """Totals of the model, None without a formula. `peak_bytes` is the peak at inference."""

    params: int
    macs: Size | None
    activation_bytes: Size | None
    peak_bytes: Size | None


class Formulas(Result, frozen=True, kw_only=True):
    """Shapes and costs as formulas in the symbolic dimensions of the input, and its valid sizes.

    `example` is the analysis at `values`, one valid size for each dimension. `layers` is empty
    if torch cannot trace the model symbolically; `notes` say why.
    """

    kind: Literal["formulas"] = "formulas"
    tool: Tool
    model: Model
    inputs: tuple[SymbolicInput, ...]
    values: dict[str, int]
    domains: tuple[ValidSizes, ...]
    totals: FormulaTotals
    layers: tuple[LayerFormulas, ...]
    example: Analysis
    notes: tuple[str, ...]


FIGURES = ("params", "macs", "activation_bytes", "peak_bytes")
"""The figures that `scale` reports."""


class ScalePoint(Record, frozen=True):
    """The figures at one value; None where the model does not run, for the `reason`.

    `fitted` is what was changed to fit the value, if something was: the name of the `Fitting`.
    """

    value: Any
    params: int | None = None
    macs: int | None = None
    activation_bytes: int | None = None
    peak_bytes: int | None = None
    reason: str | None = None
    fitted: str | None = None


class Fitting(Record, frozen=True):
    """What lets a model run at other sizes: a wider linear `layer`, or an `argument` set to them.

    `name` is the path of the layer, or the name of the argument of the constructor.
    """

    what: Literal["layer", "argument"]
    name: str


class GrowthRate(Record, frozen=True):
    """The factor by which each figure grows per doubling, between the values `low` and `high`."""

    low: int | float
    high: int | float
    params: float | None
    macs: float | None
    activation_bytes: float | None
    peak_bytes: float | None


class Series(Record, frozen=True, kw_only=True):
    """One model over the values. Where `formulas` is None, `formulas_reason` says why.

    Formulas hold for the sizes that take the same branches as the run they come from; every point
    is a separate plain run. Where the default sizes were moved to valid ones, `valid` are these.
    If the model does not run at a size and would with a change, `fitting` is the change.
    """

    name: str
    model: Model | None
    inputs: tuple[SymbolicInput, ...]
    points: tuple[ScalePoint, ...]
    growth: GrowthRate | None
    formulas: FormulaTotals | None
    formulas_reason: str | None
    valid: ValidSizes | None = None
    fitting: Fitting | None = None


class Scaling(Result, frozen=True, kw_only=True):
    """The costs of models over a size of the input or an argument of the constructor.

    `over` are the dimensions that take each value together, or the argument.
    """

    kind: Literal["scaling"] = "scaling"
    tool: Tool
    over: tuple[str, ...]
    series: tuple[Series, ...]
