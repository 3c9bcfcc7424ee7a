"""The result of `shapes`: the layers of a model and their sums."""

from __future__ import annotations

from enum import Enum
from typing import Any, Literal

from msgspec import field

from ..choices import Mode
from ..operators.reach import ENTIRE_INPUT, NOT_SPATIAL
from ..operators.shape_rules import Window
from ..results import Record, Result, Shape
from ..trace.records import Bound

Role = Literal[
    "conv", "linear", "attention", "recurrent", "embedding", "norm", "activation", "pool",
    "join", "shape", "dropout", "other",
]  # fmt: skip


class NoField(Enum):
    """Why a layer has no receptive field; values are the texts in the JSON."""

    ENTIRE_INPUT = ENTIRE_INPUT
    NOT_SPATIAL = NOT_SPATIAL
    NOT_FOLLOWED = None  # any other text, which names the operator

    @classmethod
    def _missing_(cls, value: object) -> NoField:
        return cls.NOT_FOLLOWED


class Tally(Record, frozen=True):
    """Figures that are summed over calls.

    `uncounted` maps each operator without a rule to the number of times it ran; unless it is empty,
    the sums are lower bounds. The `backward_` figures are None if no backward pass was traced.
    """

    params: int = 0
    macs: int = 0
    other_ops: int = 0
    activation_bytes: int = 0
    uncounted: dict[str, int] = field(default_factory=dict)
    backward_macs: int | None = None
    backward_other_ops: int | None = None
    backward_uncounted: dict[str, int] = field(default_factory=dict)

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
    if not a or not b:
        return a or b
    return {name: a.get(name, 0) + b.get(name, 0) for name in {**a, **b}}


def _sum(a: int | None, b: int | None) -> int | None:
    return None if a is None or b is None else a + b


class Layer(Record, frozen=True):
    """One row: a call of a module or of a functional operator.

    Counts exclude the children of the call; `total` includes them. `receptive_field` and `stride`
    are in input pixels per spatial dimension, for one element of the output; where they are None,
    `receptive_field_reason` says why. `shared_with` is the module whose row counts the parameters.
    `counted` is False in a branch that another one is counted instead of: of its figures, the total
    includes the parameters only.
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
    counted: bool = True

    @property
    def repetition(self) -> str:
        """`#2` for the second call of one path, empty for the first."""
        return f"#{self.call + 1}" if self.call else ""

    @property
    def no_field(self) -> NoField | None:
        """Why there is no receptive field; None where there is one."""
        return None if self.receptive_field_reason is None else NoField(self.receptive_field_reason)


class BoundedPart(Record, frozen=True):
    """MACs proportional to a size that depends on values, whose maximum is `rows`."""

    rows: int
    macs: int
    path: str

    @property
    def macs_per_row(self) -> int | None:
        return self.macs // self.rows if self.rows and self.macs % self.rows == 0 else None


class Bounded(Record, frozen=True):
    """The part of the cost that depends on data-dependent sizes.

    `ops` maps each operator with such a size to the number of times it ran; `fixed_macs` are the
    MACs that depend on none.
    """

    ops: dict[str, int]
    fixed_macs: int
    parts: tuple[BoundedPart, ...]


class ValueRead(Record, frozen=True):
    """A value that the model's code reads, and the figures that other values change.

    `function` (`item`, `bool`, …) reads it from a tensor at `line` of `file`, in the module at
    `path`; it is empty for a random number of a generator. `origin` is what the value depends on.
    `effects` are the figures that were different in runs with other values; None if unknown.
    """

    function: str
    file: str
    line: int
    path: str
    origin: str
    number: bool
    effects: tuple[str, ...] | None


class Branches(Record, frozen=True):
    """A decision that depends on values: `macs` of the branch that counts, and of the others."""

    operator: str
    path: str
    macs: int
    other_macs: tuple[int, ...]
    bound: Bound


class Iterations(Record, frozen=True):
    """A loop whose end depends on values: it is counted for `count` iterations."""

    operator: str
    path: str
    count: int
    bound: Bound


class MaskedAttention(Record, frozen=True):
    """flex_attention with a block mask, counted without: `macs` are those of all `blocks`.

    Its kernel skips blocks that are masked everywhere; it computes `computed` of them, None where
    the mask depends on data.
    """

    path: str
    macs: int
    computed: int | None
    blocks: int

    @property
    def bound(self) -> Bound:
        return "exact" if self.computed == self.blocks else "at most"


class Totals(Record, frozen=True):
    """The figures of the whole model.

    `buffers` counts elements of buffers, `param_bytes` the bytes of parameters. `peak_bytes` is
    the peak memory of inference: parameters, buffers, input and live activations, without a
    device's workspace. `bounded` is None if no size depends on values;
    `value_reads` are the values that the model's own code reads. `depth` is the number of
    layers with weights on the longest path. `receptive_field` is that of the last feature map. The
    figures of the backward pass are None if it was not traced; `exact`, `uncounted` and `bounded`
    refer to the forward pass. `branches`, `loops` and
    `block_masks` are those that depend on values.
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
    value_reads: tuple[ValueRead, ...] = ()
    backward_macs: int | None = None
    backward_other_ops: int | None = None
    backward_uncounted: dict[str, int] = field(default_factory=dict)
    branches: tuple[Branches, ...] = ()
    loops: tuple[Iterations, ...] = ()
    block_masks: tuple[MaskedAttention, ...] = ()

    @property
    def training_macs(self) -> int | None:
        """MACs of the forward and backward pass; None if the latter was not traced."""
        return _sum(self.macs, self.backward_macs)


class RoleTally(Record, frozen=True):
    params: int
    macs: int


class Tool(Record, frozen=True):
    cnnstat: str
    torch: str
    python: str


class Model(Record, frozen=True, kw_only=True):
    """`class_name` is `class` in JSON."""

    spec: str
    source: str
    class_name: str = field(name="class")
    arguments: dict[str, Any]


class Input(Record, frozen=True):
    name: str | None
    shape: Shape
    dtype: str


class Stage(Record, frozen=True):
    """Consecutive layers whose outputs have the same spatial size, `size`."""

    size: Shape
    channels: int
    layers: int
    params: int
    macs: int


class Analysis(Result, frozen=True, kw_only=True):
    """The layers and costs of a model on one input."""

    kind: Literal["analysis"] = "analysis"
    tool: Tool
    model: Model
    inputs: tuple[Input, ...]
    mode: Mode
    lane: str
    totals: Totals
    by_role: dict[str, RoleTally]
    layers: tuple[Layer, ...]
    notes: tuple[str, ...]


_WARNING = "warning: "


def warning(text: str) -> str:
    """A note of an analysis that is a warning: in JSON a note has no level but this prefix."""
    return _WARNING + text


def labelled(note: str) -> str:
    """A note as reports show it, after its level."""
    return note if note.startswith(_WARNING) else f"note: {note}"
