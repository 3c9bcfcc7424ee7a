"""The record of one run of a model: plain data, no torch.

The analysis knows a model by its `Trace` alone. Shapes are in elements, sizes in bytes. Records
that a run creates by the ten thousand are Structs, which are several times faster to create.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Flag, auto
from functools import cached_property
from math import prod
from typing import TYPE_CHECKING, Any, Literal

from msgspec import Struct

from ..errors import Unfit

if TYPE_CHECKING:
    from ..symbols.expressions import Expr

Kind = Literal["module", "function"]


class _Sized:
    """Number of elements and bytes, by shape and itemsize.

    `stored` is set for a sparse or nested tensor: the number of its elements that are in memory,
    and `index_bytes` the size of their indices.
    """

    __slots__ = ()
    shape: tuple[int, ...]
    itemsize: int
    stored: int | None
    index_bytes: int

    @property
    def numel(self) -> int:
        return prod(self.shape) if self.stored is None else self.stored

    @property
    def nbytes(self) -> int:
        return self.numel * self.itemsize + self.index_bytes


class TensorSpec(_Sized, Struct, frozen=True, gc=False):
    """A tensor at the time of an op.

    `value` identifies the tensor object within the run: equal numbers are the same tensor, modified
    in place or not. `parameter` is the name of the parameter whose storage it reads, else None.
    `ragged` are the axes of a nested tensor in which its rows differ; their sizes are those of the
    longest row.
    """

    value: int
    shape: tuple[int, ...]
    dtype: str
    itemsize: int
    parameter: str | None = None
    stored: int | None = None
    index_bytes: int = 0
    ragged: tuple[int, ...] = ()


IN_THREADS = "operators in threads"
"""The name of an `Op` that stands for those of threads which its call starts: unrecorded."""


class Op(Struct, frozen=True, dict=True):
    """One ATen operator execution.

    `args` and `kwargs` are the operator's, with a `TensorSpec` for each tensor and tuples for
    lists. `call` is the index of the innermost open call. `live_bytes` are the activation bytes
    alive when the operator returned. `within` is the index in `Trace.composites` of the composite
    operator to which it belongs, where those are recorded. `flops` are those of a formula that the
    user registered with torch, for an operator without definition. `rows`: of an operator on
    nested tensors, the same on each of their rows, whose costs it has.
    """

    name: str
    overload: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    outputs: tuple[TensorSpec, ...]
    call: int
    live_bytes: int
    within: int | None = None
    flops: int | None = None
    rows: tuple[Op, ...] = ()

    @cached_property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """The tensors among the arguments, in order."""
        return (*tensors_in(self.args), *tensors_in(self.kwargs))

    def arg(self, position: int, name: str, default: Any = None) -> Any:
        """An argument, however it was passed."""
        if position < len(self.args):
            return self.args[position]
        return self.kwargs.get(name, default)


@dataclass(frozen=True, slots=True)
class Module:
    """A module of the model, called or not.

    `base` is the nearest base class in torch.nn (`Conv2d` for a weight-standardised convolution),
    `settings` its plain attributes (`kernel_size`, `p`, …). `library`: whether it is of that very
    class. `path` is the first of its names in the model, `aliases` are the others.
    """

    path: str
    type: str
    base: str
    settings: dict[str, Any]
    library: bool = False
    aliases: tuple[str, ...] = ()


class Call(Struct, frozen=True):
    """One execution of a module, or of a functional operator in a container's `forward`.

    Identified by `(path, call)`. `module` is None for a function, whose `path` is that of the
    calling module with the function's name. `new_bytes` are the bytes of the outputs that this
    call allocated, without views and tensors modified in place. `outputs` is empty if the call
    ended in an exception. `counted` is False for a branch that another one is counted instead of.
    """

    index: int
    parent: int | None
    depth: int
    path: str
    call: int
    kind: Kind
    type: str
    module: Module | None
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    new_bytes: int
    counted: bool = True


@dataclass(frozen=True, slots=True)
class Parameter(_Sized):
    """A parameter or buffer, under the first of its names; `owner` is the module's path."""

    name: str
    owner: str
    aliases: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: str
    itemsize: int
    trainable: bool
    buffer: bool
    stored: int | None = None
    index_bytes: int = 0


@dataclass(frozen=True, slots=True)
class TracedInput:
    """An input of the run: `name` is None for a positional one."""

    name: str | None
    tensor: TensorSpec


@dataclass(frozen=True, slots=True)
class Backward:
    """The backward pass of a run: `call` of an op is the call whose gradients it computes.

    `reached` are the names of the parameters that got a gradient; None if that is not known, since
    an operator has no gradient in torch.
    """

    ops: tuple[Op, ...]
    notes: tuple[str, ...]
    reached: frozenset[str] | None = None


Bound = Literal["exact", "at least", "at most"]
"""How a figure relates to that of a run on real data."""


@dataclass(frozen=True, slots=True)
class ControlFlow:
    """An operator that runs graphs depending on values: `torch.cond`, `while_loop`.

    `call` is the index of its call, `branches` those of its branches, the counted one first, -1 for
    one without operators. A loop has no branches; `iterations` were run, which is `bound` in
    relation to a run on real data. flex_attention with a mask has `blocks`: the number of those
    that its kernel computes, None where it depends on data, and of all.
    """

    operator: str
    call: int
    branches: tuple[int, ...] = ()
    iterations: int | None = None
    bound: Bound = "exact"
    blocks: tuple[int | None, int] | None = None


@dataclass(frozen=True, slots=True)
class Condition:
    """A decision of a symbolic run: `number` `relation` 0, made in the call of index `call`."""

    relation: Literal[">=", "==", "!="]
    number: Expr
    call: int


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A reentrant checkpoint: operators `first` to `last`, without the latter, on these values."""

    first: int
    last: int
    inputs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Unregistered:
    """A module with parameters that runs at `path` and is no part of the model."""

    path: str
    type: str
    params: int


@dataclass(frozen=True, slots=True)
class ValueRead:
    """A value that the model's Python code reads: from a tensor, or from a generator.

    `function` reads it (`item`, `bool`, …; empty for a generator) at a line of a file, which is
    empty if unknown, in the module at `path`. `origin` is what the value depends on, `number`
    whether it has more than two possible values. `effects` are the figures that were different in
    runs with other values; None if there was no such run, or none that succeeded.
    """

    function: str
    file: str
    line: int
    path: str
    origin: str
    number: bool
    effects: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Trace:
    """The immutable record of one run of a model of class `model`.

    `calls` are in the order in which they opened: parents before children. `ops` are those that
    count; `uncounted_branches` has the operators of the other branches of `control_flow`. `modules`
    are those of the model by path, called or not. `lane_reason` explains why the run is not on
    `meta`, None if the lane was requested. `composites` are the operators that torch decomposes
    (`aten.linear`, `aten.scaled_dot_product_attention`), in the order in which they began. They and
    `backward` are recorded on request only. `devices` are the accelerators that the model's code
    names, each with the file and line. `value_reads` has no read of a value that follows from
    shapes alone. `created` are the modules and parameters that the run itself created, with their
    elements. `split_by` is how the model was split over processes, whose whole was run.
    `returns_none`: whether forward returned None.
    """

    model: str
    mode: str
    lane: str
    inputs: tuple[TracedInput, ...]
    input_bytes: int
    calls: tuple[Call, ...]
    ops: tuple[Op, ...]
    modules: dict[str, Module]
    parameters: tuple[Parameter, ...]
    lane_reason: str | None = None
    composites: tuple[Op, ...] = ()
    backward: Backward | None = None
    devices: dict[str, str] = field(default_factory=dict)
    value_reads: tuple[ValueRead, ...] = ()
    created: dict[str, int] = field(default_factory=dict)
    unregistered: tuple[Unregistered, ...] = ()
    control_flow: tuple[ControlFlow, ...] = ()
    uncounted_branches: tuple[Op, ...] = ()
    checkpoints: tuple[Checkpoint, ...] = ()
    split_by: tuple[str, ...] = ()
    returns_none: bool = False


@dataclass(frozen=True, slots=True)
class Frame:
    """A place in the source of a model: lines from 1, columns in bytes from 0, as in `ast`."""

    file: str
    function: str
    line: int
    column: int
    end_line: int
    end_column: int


class About(Flag):
    """What an exception is about, as far as its text shows."""

    NOTHING = 0
    FUNCTION = auto()  # arguments that the function it names does not accept
    FORWARD = auto()  # arguments of the model's `forward`
    NUMBER_OF_INPUTS = auto()
    ONE_VALUE = auto()  # a batch norm in training on one value per channel
    DTYPES = auto()
    GRADIENTS = auto()  # the model computes gradients, and none are recorded
    IN_PLACE = auto()  # something was changed in place that a gradient needs
    DEVICES = auto()  # operands on several devices
    UNINITIALIZED = auto()  # an nn.Module whose constructor did not run
    SUPER = auto()  # the arguments of super()
    FLOAT_SIZE = auto()  # a float in the place of an int
    NOT_CALLABLE = auto()  # a value that is called as a function
    TUPLE = auto()  # a tuple in the place of something else
    METHOD_INDEXED = auto()  # a method in the place of what it returns
    SIZES_CALLED = auto()  # a shape in the place of a method
    RECURSION = auto()  # more nested calls than Python allows


@dataclass(frozen=True, slots=True)
class Failure:
    """Where and how a run failed.

    `trace` is the record up to there; calls that were open have no outputs, and `open` are their
    indices, the outermost first. `op` is the operator that failed, without outputs; None if none
    was running. `error` is the class of the exception, `reason` its text, `about` its subject.
    `frames` is the stack within the model's source, the outermost first; `in_model`: whether the
    exception was raised there rather than inside torch. `locals` are the integers among the locals
    of the innermost functions. `what` does not fit: "shapes" or "dtypes"; "model" if the model
    itself is at fault. `called_at` and `arguments` are the stack and the arguments of each call, if
    a `Watcher` recorded them. `index` is the one that a look-up does not have in its table.
    """

    trace: Trace
    open: tuple[int, ...]
    op: Op | None
    error: str
    reason: str
    frames: tuple[Frame, ...]
    in_model: bool
    what: Unfit = "model"
    locals: tuple[tuple[str, Any], ...] = ()
    called_at: dict[int, tuple[Frame, ...]] = field(default_factory=dict)
    arguments: dict[int, Any] = field(default_factory=dict)
    about: About = About.NOTHING
    index: int | None = None

    @property
    def calls(self) -> tuple[Call, ...]:
        """The calls that were open, the outermost first."""
        by_index = {call.index: call for call in self.trace.calls}
        return tuple(by_index[index] for index in self.open if index in by_index)

    @property
    def progress(self) -> tuple[int, int]:
        """How far the run got, in calls and operators."""
        return len(self.trace.calls), len(self.trace.ops)


def tensors_in(value: Any) -> list[TensorSpec]:
    """The tensors inside nested tuples and dicts, in order."""
    found: list[TensorSpec] = []
    _collect(value, found)
    return found


def _collect(value: Any, found: list[TensorSpec]) -> None:
    kind = type(value)
    if kind is TensorSpec:
        found.append(value)
    elif kind is tuple:
        for item in value:
            _collect(item, found)
    elif kind is dict:
        for item in value.values():
            _collect(item, found)
