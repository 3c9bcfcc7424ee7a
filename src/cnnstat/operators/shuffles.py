"""Operators that move elements between the channels and the sides of a map.

Pixels shuffled, maps cut into patches and joined from them, and the two halves of a glu.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import prod
from typing import Any, Self

from msgspec.structs import replace as with_fields

from ..results import Shape
from ..trace.records import Op, TensorSpec
from .costs import Cost, per_element
from .field_algebra import features, grouped, merged, repeated, with_positions
from .field_rules import along_features
from .reach import Factor, Field, distance
from .registry import ShapeOf, Trait, View, operator
from .shape_rules import Misfit, Window, fitting, per_axis, window_size
from .views import MOVED, Rearrangement, axis_in

_Fields = Mapping[int, Field]


def _divided(size: Any, parts: Any) -> Any:
    """The size of each part of an axis.

    Raises:
        Misfit: they are not equal.
    """
    if size // parts * parts != size:
        raise Misfit
    return size // parts


@operator("aten.pixel_shuffle", traits=Trait.COPIES, reason=MOVED)
class PixelShuffle(Rearrangement, frozen=True):
    """[*, C·r·r, H, W] → [*, C, H·r, W·r]"""

    x: TensorSpec
    factor: int

    @classmethod
    def of(cls, op: Op) -> Self:
        return cls(op.args[0], op.arg(1, "upscale_factor"))

    def changed(self, settings: Mapping[str, Any]) -> Self:
        return with_fields(self, factor=settings["upscale_factor"])

    def shapes(self, shape: ShapeOf) -> list[Shape]:
        *batch, c, h, w = shape(self.x)
        r = self.factor
        return [(*batch, _divided(c, r * r), h * r, w * r)]

    def field(self, x: Field, out: TensorSpec, fields: _Fields) -> Field | None:
        r = self.factor
        *batch, _, h, w = (prod(factor.size for factor in dim) for dim in x.dims)
        parts = grouped(x, (*batch, out.shape[-3], r, r, h, w))
        if parts is None:
            return None
        *outer, channels, r1, r2, rows, columns = parts.dims
        field = Field((*outer, channels, rows, columns), parts.reaches)
        if r1 == r2 == features(r):  # each position several times
            return repeated(repeated(field, len(outer) + 1, r), len(outer) + 2, r)
        dims = (*outer, channels, merged((*rows, *r1)), merged((*columns, *r2)))
        return Field(dims, parts.reaches)


@operator("aten.pixel_unshuffle", traits=Trait.COPIES, reason=MOVED)
class PixelUnshuffle(Rearrangement, frozen=True):
    """[*, C, H·r, W·r] → [*, C·r·r, H, W]"""

    x: TensorSpec
    factor: int

    @classmethod
    def of(cls, op: Op) -> Self:
        return cls(op.args[0], op.arg(1, "downscale_factor"))

    def changed(self, settings: Mapping[str, Any]) -> Self:
        return with_fields(self, factor=settings["downscale_factor"])

    def shapes(self, shape: ShapeOf) -> list[Shape]:
        *batch, c, h, w = shape(self.x)
        r = self.factor
        return [(*batch, c * r * r, _divided(h, r), _divided(w, r))]

    def field(self, x: Field, out: TensorSpec, fields: _Fields) -> Field | None:
        r = self.factor
        *batch, channels, _, _ = (prod(factor.size for factor in dim) for dim in x.dims)
        h, w = out.shape[-2:]
        parts = grouped(x, (*batch, channels, h, r, w, r))
        if parts is None:
            return None
        *outer, depth, rows, r1, columns, r2 = parts.dims
        return Field((*outer, merged((*depth, *r1, *r2)), rows, columns), parts.reaches)


@operator(
    "aten.channel_shuffle", "aten.native_channel_shuffle", traits=Trait.COPIES, reason=MOVED
)  # fmt: skip
class ChannelShuffle(Rearrangement, frozen=True):
    """[N, groups · C, …], the channels in another order."""

    x: TensorSpec
    groups: int

    @classmethod
    def of(cls, op: Op) -> Self:
        return cls(op.args[0], op.arg(1, "groups"))

    def changed(self, settings: Mapping[str, Any]) -> Self:
        return with_fields(self, groups=settings["groups"])

    def shapes(self, shape: ShapeOf) -> list[Shape]:
        x = shape(self.x)
        _divided(x[1], self.groups)
        return [x]

    def field(self, x: Field, out: TensorSpec, fields: _Fields) -> Field | None:
        return along_features(x, out, 1)


class _OfPatches(View, frozen=True):
    """A window of two sides that slides over a map, each of its places a column."""

    x: TensorSpec
    slides: Window
    size: Shape = ()  # of the map that patches are joined to

    def changed(self, settings: Mapping[str, Any]) -> Self:
        names = ("kernel_size", "stride", "padding", "dilation")
        size = per_axis(settings["output_size"], 2) if self.size else ()
        slides = Window(*(per_axis(settings[name], 2) for name in names))
        return with_fields(self, slides=slides, size=size)

    def places(self, sides: Shape) -> Shape:
        """The number of places of the window along each side."""
        w = self.slides
        return fitting(
            window_size(n, k, s, p, d) for n, k, s, p, d in
            zip(sides, w.kernel, w.stride, w.padding, w.dilation, strict=True)
        )  # fmt: skip


@operator("aten.im2col", traits=Trait.COPIES, reason=MOVED)
class Patches(_OfPatches, frozen=True):
    """[N, C, H, W] → [N, C·kh·kw, places]"""

    @classmethod
    def of(cls, op: Op) -> Self:
        kernel, dilation, padding, stride = (per_axis(value, 2) for value in op.args[1:5])
        return cls(op.args[0], Window(kernel, stride, padding, dilation))

    def cost(self) -> Cost:
        return Cost()

    def shapes(self, shape: ShapeOf) -> list[Shape]:
        *batch, channels, h, w = shape(self.x)
        elements = channels * prod(self.slides.kernel)
        return [(*batch, elements, prod(self.places((h, w))))]

    def field(self, x: Field, out: TensorSpec, fields: _Fields) -> Field | None:
        if len(x.dims) != 4:
            return None
        w = self.slides
        taps: list[Factor] = []
        places: list[Factor] = []
        for dim, k, s, p, d in zip((2, 3), w.kernel, w.stride, w.padding, w.dilation, strict=True):
            found = with_positions(x, dim)
            if found is None:
                return None
            x, axis = found
            if axis is None:
                return None
            ((size, _, jump),) = x.dims[dim]
            reach = replace(x.reaches[axis].moved(-p * jump), stride=distance(s * jump))
            x = Field(x.dims, {**x.reaches, axis: reach})
            taps.append(Factor(k, axis, d * jump))
            places.append(Factor(window_size(size, k, s, p, d), axis, s * jump))
        if prod(place.size for place in places) != out.shape[2]:
            return None
        return Field((x.dims[0], merged((*x.dims[1], *taps)), merged(places)), x.reaches)


@operator("aten.col2im")
class JoinedPatches(_OfPatches, frozen=True):
    """[N, C·kh·kw, places] → [N, C, H, W]: patches are summed where they overlap."""

    @classmethod
    def of(cls, op: Op) -> Self:
        size, kernel, dilation, padding, stride = (per_axis(value, 2) for value in op.args[1:6])
        return cls(op.args[0], Window(kernel, stride, padding, dilation), size)

    def cost(self) -> Cost:
        return per_element(self.x)  # an addition for each element that is read

    def shapes(self, shape: ShapeOf) -> list[Shape]:
        *batch, elements, places = shape(self.x)
        if prod(self.places(self.size)) != places:
            raise Misfit
        return [(*batch, _divided(elements, prod(self.slides.kernel)), *self.size)]

    def field(self, x: Field, out: TensorSpec, fields: _Fields) -> Field | None:
        """Where the windows neither overlap nor leave gaps."""
        w = self.slides
        if w.kernel != w.stride or w.padding != (0, 0) or w.dilation != (1, 1) or len(x.dims) != 3:
            return None
        (kh, kw), (n, channels, height, width) = w.kernel, out.shape
        if height % kh or width % kw:
            return None
        parts = grouped(x, (n, channels, kh, kw, height // kh, width // kw))
        if parts is None:
            return None
        batch, depth, r1, r2, rows, columns = parts.dims
        return Field((batch, depth, merged((*rows, *r1)), merged((*columns, *r2))), parts.reaches)


@operator("aten.glu")
class Gated(View, frozen=True):
    """One half of an axis, multiplied by the sigmoid of the other."""

    x: TensorSpec
    dim: int
    out: TensorSpec | None = None

    @classmethod
    def of(cls, op: Op) -> Self:
        return cls(op.args[0], op.arg(1, "dim", -1), op.outputs[0] if op.outputs else None)

    def changed(self, settings: Mapping[str, Any]) -> Self:
        return with_fields(self, dim=settings["dim"])

    def cost(self) -> Cost:
        return Cost() if self.out is None else per_element(self.out)

    def shapes(self, shape: ShapeOf) -> list[Shape]:
        x = shape(self.x)
        axis = axis_in(self.dim, len(x))
        return [(*x[:axis], _divided(x[axis], 2), *x[axis + 1 :])]

    def field(self, x: Field, out: TensorSpec, fields: _Fields) -> Field | None:
        return along_features(x, out, self.dim)
