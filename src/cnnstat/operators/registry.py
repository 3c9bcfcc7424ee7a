"""The table of operators, by name.

An operator that is merely counted has a rule, a pure function from the record of an execution to
its cost. One that is fully known has a view with named arguments, which computes its cost, the
shapes and receptive fields of its outputs and its description: other code uses the view and never
reads `op.args`.

    cost_of(op)     Cost, or None for an operator that is uncounted
    view_of(op)     View, or None
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Flag, auto
from typing import TYPE_CHECKING, Any, Self, TypeVar

from msgspec import Struct

from ..results import Shape
from ..trace.records import Op, TensorSpec
from .costs import Cost
from .shape_rules import Unknown, Window

if TYPE_CHECKING:
    from .reach import Field


class Trait(Flag):
    """The kind of work of an operator, independent of its amount."""

    NONE = 0
    ELEMENTWISE = auto()  # each output element depends on the broadcast inputs at its position
    REDUCTION = auto()  # combines elements along axes
    NORM = auto()  # an affine map at each position, once its statistics are known
    LAYOUT = auto()  # a view: no data moves
    COPIES = auto()  # data moves, nothing is computed
    LOOKUP = auto()  # reads only the selected part of its first operand
    PLACES = auto()  # in place, writes only the selected part of its first operand
    CREATES = auto()  # creates a tensor, or fills one, without reading any
    UNWRITTEN = auto()  # creates a tensor without writing it
    RANDOM = auto()  # draws from torch's generator
    OVERWRITES = auto()  # in place, writes its first operand without reading it
    SEARCHES = auto()  # the number of operations depends on values
    VALUE_SIZED = auto()  # the output size depends on values; without data it is the largest
    QUERY = auto()  # returns a property or one value of a tensor
    CHECK = auto()  # checks a value
    MARK = auto()  # marks a span for the profiler
    WINDOW = auto()  # slides a window over the last axes
    PROJECTION = auto()  # takes the size of an output axis from a weight or another operand
    BACKWARD = auto()  # computes gradients


_STILL = Trait.LAYOUT | Trait.QUERY | Trait.CHECK | Trait.MARK
"""Traits of operators that move no data."""

ShapeOf = Callable[[TensorSpec], Shape]
"""The shape of a tensor: the recorded one, or that with other settings or inputs."""


def recorded(tensor: TensorSpec) -> Shape:
    """The `ShapeOf` of the run itself."""
    return tensor.shape


class View(Struct, frozen=True):
    """One execution of an operator, its arguments by name.

    A subclass has a field for each argument, which `of` fills. Structs are created several times
    faster than frozen dataclasses.
    """

    @classmethod
    def of(cls, op: Op) -> Self:
        """Read the arguments, by position or by name."""
        raise NotImplementedError

    @property
    def window(self) -> Window | None:
        """The window that it slides over the last axes."""
        return None

    @property
    def remark(self) -> str:
        """The settings in the description of a layer, in addition to the window; may be empty."""
        return ""

    @property
    def reads(self) -> tuple[TensorSpec, ...] | None:
        """The tensors that it reads from memory; None: all inputs."""
        return None

    @property
    def writes(self) -> tuple[TensorSpec, ...] | None:
        """The tensors that it writes to memory; None: all outputs."""
        return None

    def origins(self, out: TensorSpec) -> tuple[TensorSpec, ...] | None:
        """The inputs on which the values of an output depend; None: all."""
        return None

    def cost(self) -> Cost | None:
        """The cost; None where it depends on values."""
        raise NotImplementedError

    def shapes(self, shape: ShapeOf) -> Sequence[Shape]:
        """The shapes of the outputs, from those of the operands.

        Raises:
            Misfit: the operands do not fit.
            Unknown: the recorded arguments do not determine them.
        """
        raise Unknown

    def changed(self, settings: Mapping[str, Any]) -> Self:
        """The same execution by a layer with other settings (`kernel_size`, `stride`, …)."""
        return self

    def field(self, x: Field, out: TensorSpec, fields: Mapping[int, Field]) -> Field | None:
        """The receptive field of an output; None where it is not followed.

        x: the field of the first operand that has one. fields: those of all values, by number.
        """
        return None

    def field_around(self, part: Field, x: Field | None) -> Field | None:
        """Of a view: the field of the tensor that it views, after the view was written in place.

        part: the field that was written. x: that of the tensor before, None without one. None where
        it is not followed.
        """
        return None


@dataclass(frozen=True, slots=True)
class Definition:
    """The registered view or rule of an operator, or only the reason why it is free or uncounted.

    `reason_uncounted` says why its cost depends on values, always or where the rule gives None.
    """

    name: str
    traits: Trait = Trait.NONE
    view: type[View] | None = None
    rule: Rule | None = None
    reason_free: str | None = None
    reason_uncounted: str | None = None
    field: FieldRule | None = None


Rule = Callable[[Op], Cost | None]
"""None where the cost depends on values."""

FieldRule = Callable[[Op, "Field", TensorSpec, Mapping[int, "Field"]], "Field | None"]
"""The receptive field of an output of an operator without a view, as `View.field`."""

_V = TypeVar("_V", bound=View)
COMPLEX = frozenset({"complex32", "complex64", "complex128"})
_NOTHING = Cost()
DEFINITIONS: dict[str, Definition] = {}


def operator(
    *names: str, traits: Trait = Trait.NONE, reason: str | None = None
) -> Callable[[type[_V]], type[_V]]:
    """Register the decorated view for these operators, e.g. `aten.convolution`.

    reason: why they are free, if they are.

    Raises:
        ValueError: an operator is registered already.
    """

    def register(view: type[_V]) -> type[_V]:
        for name in names:
            _add(Definition(name, traits, view=view, reason_free=reason))
        return view

    return register


def rule(*names: str, traits: Trait = Trait.NONE) -> Callable[[Rule], Rule]:
    """Register the decorated function as the rule of operators that are merely counted."""

    def register(function: Rule) -> Rule:
        for name in names:
            _add(Definition(name, traits, rule=function))
        return function

    return register


def free(reason: str, *names: str, traits: Trait = Trait.NONE) -> None:
    """List operators that do no arithmetic; the reason is for people, the traits for code."""
    for name in names:
        _add(Definition(name, traits, reason_free=reason))


def uncounted(reason: str, *names: str, traits: Trait = Trait.NONE) -> None:
    """Say why operators are not counted; those that are registered have no cost in some cases."""
    for name in names:
        known = DEFINITIONS.get(name) or Definition(name, traits)
        DEFINITIONS[name] = replace(known, reason_uncounted=reason)


def follow(*names: str) -> Callable[[FieldRule], FieldRule]:
    """Register the decorated function for the receptive field of operators without a view.

    They are registered already, as free or with a rule.
    """

    def register(function: FieldRule) -> FieldRule:
        for name in names:
            DEFINITIONS[name] = replace(DEFINITIONS[name], field=function)
        return function

    return register


def field_of(op: Op, x: Field, out: TensorSpec, fields: Mapping[int, Field]) -> Field | None:
    """The receptive field of an output of an operator without a view; None: not followed."""
    known = definition_of(op.name)
    return None if known is None or known.field is None else known.field(op, x, out, fields)


def definition_of(name: str) -> Definition | None:
    """The definition of an operator or of its in-place form: `aten.add_` has that of `aten.add`.

    So has `prims.add`, into which torch decomposes some derivatives.
    """
    known = DEFINITIONS.get(name) or DEFINITIONS.get(name.removesuffix("_"))
    if known is None and name.startswith("prims."):
        known = DEFINITIONS.get(f"aten.{name.removeprefix('prims.')}")
        return known if known is not None and Trait.ELEMENTWISE in known.traits else None
    return known


def view_of(op: Op) -> View | None:
    """The view of one execution; None where the operator is not fully known."""
    known = definition_of(op.name)
    return None if known is None or known.view is None else known.view.of(op)


def traits_of(name: str) -> Trait:
    known = definition_of(name)
    return Trait.NONE if known is None else known.traits


def is_in_place(name: str) -> bool:
    return name.endswith("_")


def moves_no_data(name: str) -> bool:
    return bool(traits_of(name) & _STILL)


def cost_of(op: Op) -> Cost | None:
    """The cost of one execution; None when the operator is uncounted."""
    known = definition_of(op.name)
    if known is None:
        return None if op.flops is None else Cost(op.flops // 2)
    if known.reason_free is not None:
        return _NOTHING
    if op.rows:
        return _cost_of_rows(op)
    if known.view is not None:
        cost = known.view.of(op).cost()
    else:
        cost = None if known.rule is None else known.rule(op)
    if cost is not None and op.outputs and op.outputs[0].dtype in COMPLEX and cost.macs:
        return cost.of_complex()
    return cost


def _cost_of_rows(op: Op) -> Cost | None:
    costs = [cost for cost in map(cost_of, op.rows) if cost is not None]
    if len(costs) < len(op.rows):
        return None
    return Cost(sum(cost.macs for cost in costs), sum(cost.other_ops for cost in costs))


def reason_free(name: str) -> str | None:
    """Why the operator costs nothing; None if it costs something or is unknown."""
    known = definition_of(name)
    return None if known is None else known.reason_free


TRITON = "triton."
"""Before the name of a Triton kernel, in the name of the operator that a launch is recorded as."""


def uncounted_sentence(counts: Mapping[str, int]) -> str:
    """What is missing in a total, and why, from the uncounted operators and how often they ran."""
    unknown, reasons = [], []
    for name, count in counts.items():
        known = definition_of(name)
        if known is None and name.startswith(TRITON):
            kernel = name.removeprefix(TRITON)
            reasons.append(
                f"the Triton kernel {kernel} ({count}×) is not counted: "
                f'cnnstat.register_operator("triton::{kernel}", macs=…) gives it a cost'
            )
        elif known is None or known.reason_uncounted is None:
            unknown.append(f"{name} ({count}×)")
        else:
            reasons.append(f"{name} ({count}×) is not counted: {known.reason_uncounted}")
    return "; ".join(
        [*([f"nothing is known of {', '.join(unknown)}"] if unknown else []), *reasons]
    )


def _add(definition: Definition) -> None:
    if definition.name in DEFINITIONS:
        raise ValueError(f"{definition.name} is registered twice")
    DEFINITIONS[definition.name] = definition
