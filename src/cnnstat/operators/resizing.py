"""Interpolation: maps sampled at other positions, from the nearest neighbour or between several."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import floor
from typing import Any, Literal

from msgspec import structs

from ..results import Shape
from ..trace.records import Op, TensorSpec
from .costs import Cost, per_element
from .field_algebra import repeated, resized, stepped, with_positions
from .reach import DIFFERENT_SIZES, Field, distance, unknown_field
from .registry import ShapeOf, Trait, View, operator, rule
from .shape_rules import Unknown
from .views import MOVED, first_output

_NEAREST = [f"aten.{kind}{dims}d" for kind in ("upsample_nearest", "_upsample_nearest_exact")
            for dims in (1, 2, 3)]  # fmt: skip
# The number of neighbours that an output element combines, along an axis.
_PER_AXIS = {
    **dict.fromkeys(_NEAREST, 1),
    "aten.upsample_linear1d": 2,
    "aten.upsample_bilinear2d": 2,
    "aten._upsample_bilinear2d_aa": 2,
    "aten.upsample_trilinear3d": 2,
    "aten.upsample_bicubic2d": 4,
    "aten._upsample_bicubic2d_aa": 4,
}
_WEIGHTED = [name for name, neighbours in _PER_AXIS.items() if neighbours > 1]


@operator(*_WEIGHTED)
@operator(*_NEAREST, traits=Trait.COPIES, reason=MOVED)
class Interpolation(View, frozen=True):
    """`x` is [batch, channels, *sizes]; `scales` are the requested factors, if any."""

    x: TensorSpec
    neighbours: int
    antialiased: bool = False
    scales: tuple[float, ...] = ()
    out: TensorSpec | None = None
    align_corners: bool = False

    @classmethod
    def of(cls, op: Op) -> Interpolation:
        # (x, sizes, [align_corners,] a factor or None for each axis)
        scales = tuple(value for value in op.args[2:] if isinstance(value, float))
        neighbours, antialiased = _PER_AXIS[op.name], op.name.endswith("_aa")
        corners = len(op.args) > 2 and op.args[2] is True
        return cls(op.args[0], neighbours, antialiased, scales, first_output(op), corners)

    @property
    def dims(self) -> int:
        return len(self.x.shape) - 2

    def cost(self) -> Cost:
        if self.neighbours == 1 or self.out is None:
            return Cost()
        return per_element(self.out, self.neighbours**self.dims)

    def changed(self, settings: Mapping[str, Any]) -> Interpolation:
        """By a layer with one factor for all sides, or a size."""
        factor = settings.get("scale_factor")
        if not isinstance(factor, int | float):
            raise Unknown
        return structs.replace(self, scales=(float(factor),) * self.dims)

    def shapes(self, shape: ShapeOf) -> list[Shape]:
        x = shape(self.x)
        if len(self.scales) != len(x) - 2:  # the sizes may be those of another tensor
            raise Unknown
        sides = zip(x[2:], self.scales, strict=True)
        return [(*x[:2], *(floor(size * scale) for size, scale in sides))]

    def field(self, x: Field, out: TensorSpec, fields: Mapping[int, Field]) -> Field | None:
        """The neighbours, in other steps; antialiasing, which reads more, is not followed."""
        if self.antialiased:
            return None
        for dim in range(2, len(out.shape)):
            n, m = self.x.shape[dim], out.shape[dim]
            if n == m or not x.is_along(dim):
                continue
            if self.neighbours == 1 and m % n == 0:  # each position several times
                x = repeated(x, dim, m // n)
                continue
            found = with_positions(x, dim)
            if found is None:
                return None
            x, axis = found
            if axis is None:
                return None
            if x.reaches[axis].irregular or x.reaches[axis].uneven:
                return unknown_field(DIFFERENT_SIZES)
            jump = x.dims[dim][0].jump
            step, first, most = self._neighbours(n, m)
            reach = x.reaches[axis].moved(first * jump).widened((most - 1) * jump)
            if step.denominator != 1:
                reach = reach.coarse(distance(jump))
            x = stepped(x, dim, m, reach, jump * step)
        return Field(resized(x, out), x.reaches)

    def _neighbours(self, n: int, m: int) -> tuple[Fraction, int, int]:
        """The step between the places that are read, the first place, and how many are read."""
        if self.neighbours == 1:
            return Fraction(n, m), 0, 1
        step = Fraction(n - 1, m - 1) if self.align_corners and m > 1 else Fraction(n, m)
        start = Fraction(0) if self.align_corners else (step - 1) / 2
        between = any((start + p * step).denominator != 1 for p in range(min(m, step.denominator)))
        return step, floor(start), self.neighbours if between else 1


@rule(*(f"{name}_backward" for name in _WEIGHTED), traits=Trait.BACKWARD)
def interpolation_backward(op: Op) -> Cost:
    # each element of the gradient is distributed to the neighbours that it came from
    gradient: Any = op.args[0]
    neighbours = _PER_AXIS[op.name.removesuffix("_backward")]
    return per_element(gradient, neighbours ** (len(gradient.shape) - 2))


@dataclass(frozen=True)
class GridSampler:
    """`aten.grid_sampler`, which consists of the 2-d or the 3-d one: `x` is read at `grid`."""

    x: TensorSpec
    grid: TensorSpec
    interpolation: Literal["bilinear", "nearest", "bicubic"]

    @classmethod
    def of(cls, op: Op) -> GridSampler:
        x, grid, mode = op.args[:3]
        return cls(x, grid, _GRID_MODES[mode])


# GridSamplerInterpolation in ATen/native/GridSamplerUtils.h
_GRID_MODES: dict[int, Literal["bilinear", "nearest", "bicubic"]] = {
    0: "bilinear", 1: "nearest", 2: "bicubic",
}  # fmt: skip
