"""Padding: sizes grow or shrink on both sides of the last axes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..results import Shape
from ..trace.records import Op, TensorSpec
from .joins import MOVED
from .misfit import Misfit, Unknown
from .reach import Field, resized
from .registry import ShapeOf, Trait, operator
from .views import Rearrangement, first_output


@operator(
    "aten.constant_pad_nd",
    *(f"aten.{kind}_pad{dims}d" for kind in ("reflection", "replication") for dims in (1, 2, 3)),
    traits=Trait.COPIES, reason=MOVED,
)  # fmt: skip
class Pad(Rearrangement, frozen=True):
    """`amounts` start at the last axis: before, after, before, after, … Negative ones cut."""

    x: TensorSpec
    amounts: Shape
    out: TensorSpec | None = None

    @classmethod
    def of(cls, op: Op) -> Pad:
        amounts = op.arg(1, "pad", op.kwargs.get("padding"))
        return cls(op.args[0], amounts, first_output(op))

    @property
    def args(self) -> tuple[Any, ...]:
        return self.x, self.amounts

    def added(self, axis: int) -> int:
        """How much the size of an axis of `x` grows."""
        place = 2 * (len(self.x.shape) - 1 - axis)
        return sum(self.amounts[place : place + 2])

    def shapes(self, shape: ShapeOf) -> list[Shape]:
        if (
            self.out is not None
        ):  # the amounts often follow from sizes, and the record has their values
            raise Unknown
        return [padded(shape(self.x), self.amounts)]

    def field(self, x: Field, out: TensorSpec, fields: Mapping[int, Field]) -> Field | None:
        """Padding in front moves position 0 to the left of the input."""
        reaches = dict(x.reaches)
        for number, before in enumerate(self.amounts[::2]):
            axis = x.axis_of(len(out.shape) - 1 - number)
            if axis is not None:
                reaches[axis] = reaches[axis].slide(1, 1, before, 1)
        return Field(resized(x, out), reaches)


def padded(x: Sequence[int], amounts: Sequence[int]) -> Shape:
    """The sizes with the amounts around them; sizes may be ints or carry letters."""
    if len(amounts) % 2 or len(amounts) > 2 * len(x):
        raise Misfit
    sizes = list(x)
    for place in range(0, len(amounts), 2):
        sizes[-1 - place // 2] += amounts[place] + amounts[place + 1]
    # only a cut is compared: with letters, each comparison is noted as a condition
    if min(amounts, default=0) < 0 and any(size < 0 for size in sizes):
        raise Misfit
    return tuple(sizes)
