"""The results: frozen records that are, field by field, the JSON that cnnstat writes.

Counts are plain ints, sizes are in bytes, shapes in elements. `None` means that there is no such
figure, never 0. The JSON Schema in `cnnstat/reports/schema/` is generated from this file.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from ..display import Shown

SCHEMA_VERSION = 1

Shape = tuple[int, ...]
Version = Annotated[int, Meta(ge=1, le=SCHEMA_VERSION)]
Role = Literal[
    "conv", "linear", "attention", "recurrent", "embedding", "norm", "activation", "pool",
    "join", "shape", "dropout", "other",
]  # fmt: skip
Unit = Literal["count", "bytes", "pixels", "layers"]
Cause = Literal[
    "norm", "pooling", "resizing", "bias", "activation", "elementwise", "embedding", "unseen",
    "twice", "formula",
]  # fmt: skip


class Record(Struct, frozen=True):
    """Base of the records: immutable, compared by value."""


class Tally(Record, frozen=True):
    """What is summed over calls.

    `uncounted` maps each operator without a rule to the number of times it ran; with any in it
    the sums are lower bounds. The same figures of the backward pass stand beside them, None where
    it was not traced.
    """

    params: int = 0
    macs: int = 0
    other_ops: int = 0
    activation_bytes: int = 0
    uncounted: dict[str, int] = {}
    backward_macs: int | None = None
    backward_other_ops: int | None = None
    backward_uncounted: dict[str, int] = {}

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            params=self.params + other.params,
            macs=self.macs + other.macs,
            other_ops=self.other_ops + other.other_ops,
            activation_bytes=self.activation_bytes + other.activation_bytes,
            uncounted=_joined(self.uncounted, other.uncounted),
            backward_macs=_sum(self.backward_macs, other.backward_macs),
            backward_other_ops=_sum(self.backward_other_ops, other.backward_other_ops),
            backward_uncounted=_joined(self.backward_uncounted, other.backward_uncounted),
        )

    @property
    def exact(self) -> bool:
        return not self.uncounted


def _joined(a: dict[str, int], b: dict[str, int]) -> dict[str, int]:
    return {name: a.get(name, 0) + b.get(name, 0) for name in {**a, **b}}


def _sum(a: int | None, b: int | None) -> int | None:
    return None if a is None or b is None else a + b


class Window(Record, frozen=True):
    """The kernel of a convolution or pooling layer, one number per spatial dimension."""

    kernel: Shape
    stride: Shape
    padding: Shape
    dilation: Shape


class Layer(Record, frozen=True):
    """One row: a call of a module or of a functional operator.

    The counts at the top level are the call's own; `total` includes its children.
    `receptive_field` and `stride` are in input pixels per spatial dimension, for one element of
    the output; where they are None, `receptive_field_reason` says why. `shared_with` names where
    the parameters were counted already.
    """

    path: str
    call: int
    depth: int
    kind: Literal["module", "function"]
    type: str
    config: str
    role: Role
    inputs: tuple[Shape, ...]
    outputs: tuple[Shape, ...]
    params: int
    frozen_params: int
    param_bytes: int
    macs: int
    other_ops: int
    activation_bytes: int
    total: Tally
    window: Window | None
    receptive_field: tuple[int | float, ...] | None
    stride: tuple[int | float, ...] | None
    receptive_field_reason: str | None
    shared_with: str | None
    exact: bool
    backward_macs: int | None = None
    backward_other_ops: int | None = None

    @property
    def repetition(self) -> str:
        """`#2` for the second call of one path, nothing for the first."""
        return f"#{self.call + 1}" if self.call else ""


class BoundedPart(Record, frozen=True):
    """MACs in proportion to a size that depends on values, at its largest `rows`."""

    rows: int
    macs: int
    path: str

    @property
    def macs_per_row(self) -> int | None:
        return self.macs // self.rows if self.rows and self.macs % self.rows == 0 else None


class Bounded(Record, frozen=True):
    """What depends on sizes that depend on values.

    `ops` maps each operator with such a size to the number of times it ran, `fixed_macs` are the
    MACs that do not depend on one.
    """

    ops: dict[str, int]
    fixed_macs: int
    parts: tuple[BoundedPart, ...]


class Totals(Record, frozen=True):
    """The figures of the whole model.

    `buffers` counts elements of buffers, `param_bytes` the bytes of parameters. `peak_bytes` is
    the most that inference holds at once: parameters, buffers, input and live activations, without
    a device's workspace. `bounded` is None where no size depends on values. `depth` is the number
    of layers with weights on the longest path. `receptive_field` is that of the last feature map.
    The figures of the backward pass are None where it was not traced; `exact`, `uncounted` and
    `bounded` are about the forward pass.
    """

    params: int
    trainable_params: int
    buffers: int
    param_bytes: int
    buffer_bytes: int
    bytes_by_dtype: dict[str, int]
    macs: int
    flops: int
    other_ops: int
    activation_bytes: int
    peak_bytes: int
    depth: int
    receptive_field: tuple[int | float, ...] | None
    exact: bool
    uncounted: dict[str, int]
    bounded: Bounded | None = None
    backward_macs: int | None = None
    backward_other_ops: int | None = None
    backward_uncounted: dict[str, int] = {}

    @property
    def training_macs(self) -> int | None:
        """Forward and backward pass together; None where the latter was not traced."""
        return _sum(self.macs, self.backward_macs)


class RoleTally(Record, frozen=True):
    params: int
    macs: int


class Tool(Record, frozen=True):
    cnnstat: str
    torch: str
    python: str


class Model(Record, frozen=True, kw_only=True):
    """`class_name` is `class` in JSON; `name` is how reports call the model."""

    spec: str
    source: str
    class_name: str = field(name="class")
    arguments: dict[str, Any]


class Input(Record, frozen=True):
    name: str | None
    shape: Shape
    dtype: str


class Analysis(Record, Shown, frozen=True, kw_only=True):
    """What a model is and costs on one input."""

    schema_version: Version = SCHEMA_VERSION
    kind: Literal["analysis"] = "analysis"
    tool: Tool
    model: Model
    inputs: tuple[Input, ...]
    mode: Literal["eval", "train"]
    lane: str
    totals: Totals
    by_role: dict[str, RoleTally]
    layers: tuple[Layer, ...]
    notes: tuple[str, ...]

    def __repr__(self) -> str:
        return Shown.__repr__(self)


Size = int | str
"""A number; where it depends on letters the text of an expression, `(H - 7)//4`, which is Python
and which `cnnstat.symbols.parse` reads."""


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


class Formulas(Record, Shown, frozen=True, kw_only=True):
    """What a model is and costs as formulas in the letters of its input, and its legal sizes.

    `example` is the analysis at `values`, one legal size for each letter. `layers` is empty where
    letters do not go through; `notes` say why.
    """

    schema_version: Version = SCHEMA_VERSION
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

    def __repr__(self) -> str:
        return Shown.__repr__(self)


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


class Scaling(Record, Shown, frozen=True, kw_only=True):
    """What models cost over a size of the input or over a constructor's argument.

    `over` are the letters or the argument that take the values together.
    """

    schema_version: Version = SCHEMA_VERSION
    kind: Literal["scaling"] = "scaling"
    tool: Tool
    over: tuple[str, ...]
    series: tuple[Series, ...]

    def __repr__(self) -> str:
        return Shown.__repr__(self)


class Figure(Record, frozen=True):
    """One figure of each model, side by side. `ratios` are relative to the first model.

    `reason` says why a value is missing.
    """

    name: str
    unit: Unit
    values: tuple[int | float | None, ...]
    ratios: tuple[float | None, ...]


class RoleFigures(Record, frozen=True):
    """What one role takes in each model; shares are fractions of the model's total."""

    role: str
    params: tuple[int, ...]
    params_share: tuple[float, ...]
    macs: tuple[int, ...]
    macs_share: tuple[float, ...]


class Stage(Record, frozen=True):
    """Consecutive layers whose outputs have one spatial size; empty where there is none."""

    size: Shape
    channels: int
    layers: int
    params: int
    macs: int


class Linear(Record, frozen=True):
    """A fully connected layer: `share` is its part of the model's parameters."""

    path: str
    in_features: int
    out_features: int
    params: int
    param_bytes: int
    share: float


class Growth(Record, frozen=True):
    """The model re-traced at another input size, its first linear layer resized to fit."""

    input: Shape
    in_features: int
    linear_params: int
    conv_params: int
    total_params: int


class NinHead(Record, frozen=True):
    """The same features with a 1×1 convolution to the classes and global average pooling."""

    features: Shape
    head_params: int
    params: int
    macs: int
    param_bytes: int
    peak_bytes: int


class Classifier(Record, frozen=True):
    """The linear layers that a model ends in, and what other choices would cost.

    `head` or `growth` is None where it could not be traced; `reason` says why.
    """

    linears: tuple[Linear, ...]
    params: int
    share: float
    head: NinHead | None
    growth: tuple[Growth, ...]
    reason: str | None


class Comparison(Record, Shown, frozen=True, kw_only=True):
    """How models differ on one input, and why.

    `classifiers` has None for a model that does not end in linear layers.
    """

    schema_version: Version = SCHEMA_VERSION
    kind: Literal["comparison"] = "comparison"
    tool: Tool
    names: tuple[str, ...]
    summary: tuple[str, ...]
    totals: tuple[Figure, ...]
    by_role: tuple[RoleFigures, ...]
    stages: tuple[tuple[Stage | None, ...], ...]
    classifiers: tuple[Classifier | None, ...]
    analyses: tuple[Analysis, ...]

    def __repr__(self) -> str:
        return Shown.__repr__(self)


class Listed(Record, frozen=True):
    """A model that can be named: `params` at its default input and arguments.

    `input` and `params` are None where only building the model would tell.
    """

    name: str
    source: str
    input: Shape | None
    params: int | None
    summary: str
    origin: Literal["built-in", "own", "torchvision", "timm", "transformers"] = "built-in"


class Listing(Record, Shown, frozen=True, kw_only=True):
    """The models that can be named."""

    schema_version: Version = SCHEMA_VERSION
    kind: Literal["listing"] = "listing"
    models: tuple[Listed, ...]

    def __repr__(self) -> str:
        return Shown.__repr__(self)


class Bucket(Record, frozen=True):
    """One cause for which a referee's figure differs from ours: `value` is theirs minus ours.

    It is derived from the shapes that our trace recorded and the referee's formulas, not from the
    referee's result. `count` is how many operators or calls it sums, `layers` where they ran.
    """

    figure: Literal["params", "macs"]
    kind: Cause
    what: str
    value: int
    count: int
    layers: tuple[str, ...]


class LayerCheck(Record, frozen=True):
    """The MACs of one module by both counters, those of modules inside it not included.

    `unexplained` is theirs − ours − explained.
    """

    path: str
    ours: int
    theirs: int
    explained: int
    unexplained: int


class Referee(Record, frozen=True, kw_only=True):
    """What another counter says of the model, and why it differs from us.

    `status` is "ran", "failed" (on this model) or "skipped"; `reason` says why for the last two.
    `params` and `macs` are None where it does not count them. `unsupported` are the operators that
    it says itself it cannot count.
    """

    name: str
    version: str
    device: str | None
    seconds: float | None
    status: Literal["ran", "failed", "skipped"]
    reason: str | None = None
    params: int | None = None
    macs: int | None = None
    params_unexplained: int | None = None
    macs_unexplained: int | None = None
    buckets: tuple[Bucket, ...] = ()
    layers: tuple[LayerCheck, ...] = ()
    unsupported: dict[str, int] = {}

    @property
    def agrees(self) -> bool:
        """Whether no difference is left unexplained, in total and in every layer."""
        differences = (self.params_unexplained, self.macs_unexplained)
        return not any(differences) and not any(layer.unexplained for layer in self.layers)


class Verification(Record, Shown, frozen=True, kw_only=True):
    """One model counted by us and by others, and every difference explained or named."""

    schema_version: Version = SCHEMA_VERSION
    kind: Literal["verification"] = "verification"
    tool: Tool
    ours: Analysis
    referees: tuple[Referee, ...]
    notes: tuple[str, ...]

    def __repr__(self) -> str:
        return Shown.__repr__(self)

    @property
    def disagreeing(self) -> tuple[Referee, ...]:
        """The referees with a difference that is not explained."""
        return tuple(referee for referee in self.referees if not referee.agrees)
