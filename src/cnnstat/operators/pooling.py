"""Pools with a kernel, adaptive pools with an output size, and sampling."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace as replaced
from fractions import Fraction
from math import gcd, prod
from typing import Any

from msgspec.structs import replace

from ..results import Shape
from ..trace.records import Op, TensorSpec
from .costs import Cost, Term, dot_products, in_terms, per_element, per_window
from .field_algebra import resized, stepped, with_positions
from .field_rules import reduced_field, windowed_field
from .reach import Field
from .registry import ShapeOf, Trait, View, operator, rule
from .shape_rules import Misfit, Window, both_sides, ceil_div, fitting, per_axis, window_size

# The arguments after the input in order, named as in torch's schemas; unused ones at the end are
# left out.
_MAX = "kernel_size stride padding dilation ceil_mode"
_AVERAGE = "kernel_size stride padding ceil_mode"
_NAMES: dict[tuple[int, str], str] = {
    (1, _MAX): "max_pool1d max_pool1d_with_indices",
    (2, _MAX): "max_pool2d max_pool2d_with_indices mkldnn_max_pool2d",
    (3, _MAX): "max_pool3d max_pool3d_with_indices mkldnn_max_pool3d",
    (1, _AVERAGE): "avg_pool1d",
    (2, _AVERAGE): "avg_pool2d",
    (3, _AVERAGE): "avg_pool3d",
}
_ORDERS = {
    f"aten.{name}": (dims, tuple(enumerate(order.split(), 1)))
    for (dims, order), names in _NAMES.items()
    for name in names.split()
}


@operator(*_ORDERS, traits=Trait.WINDOW)
class Pool(View, frozen=True):
    """The largest element or the mean of each window: one operation for each element read.

    `dilation` is None for averages, which torch has without; ONNX has them with `average_dilation`.
    `padding_behind` is None if it equals `padding`.
    """

    x: TensorSpec
    kernel: Shape
    stride: Shape
    padding: Shape
    dilation: Shape | None
    ceil_mode: bool
    padding_behind: Shape | None = None
    outputs: tuple[TensorSpec, ...] = ()  # with the indices of the maxima, where they are returned
    average_dilation: Shape | None = None

    @classmethod
    def of(cls, op: Op) -> Pool:
        dims, places = _ORDERS[op.name]
        values = {name: op.arg(place, name) for place, name in places}
        kernel = per_axis(values["kernel_size"], dims)
        stride = per_axis(values["stride"] or kernel, dims)
        padding = per_axis(values["padding"] or 0, dims)
        dilation = per_axis(values["dilation"] or 1, dims) if "dilation" in values else None
        behind = op.kwargs.get("padding_behind") if op.kwargs else None
        spread = op.kwargs.get("dilation") if op.kwargs and dilation is None else None
        up = bool(values["ceil_mode"])
        return cls(op.args[0], kernel, stride, padding, dilation, up, behind, op.outputs, spread)

    @property
    def args(self) -> tuple[Any, ...]:
        """The arguments of the operator, to record one that another format describes."""
        dilation = () if self.dilation is None else (self.dilation,)
        return (self.x, self.kernel, self.stride, self.padding, *dilation, self.ceil_mode)

    @property
    def is_max(self) -> bool:
        return self.dilation is not None

    @property
    def window(self) -> Window:
        dilation = self.dilation or self.average_dilation or (1,) * len(self.kernel)
        return Window(self.kernel, self.stride, self.padding, dilation)

    def cost(self) -> Cost:
        if not self.outputs:
            return Cost()
        return per_window(self.outputs[0], self.kernel, "each output reads its window")

    def shapes(self, shape: ShapeOf) -> list[Shape]:
        window = self.window
        geometry = (window.stride, window.padding, window.dilation, self.ceil_mode)
        out = pooled(shape(self.x), window.kernel, *geometry, self.padding_behind)
        return [out] * max(1, len(self.outputs))

    def changed(self, settings: Mapping[str, Any]) -> Pool:
        one = _is_of_one_axis(self.kernel, settings["kernel_size"])

        def sizes(value: Any, recorded: Shape) -> Shape:
            return (*recorded[:-1], *per_axis(value, 1)) if one else per_axis(value, len(recorded))

        kernel = sizes(settings["kernel_size"], self.kernel)
        stride, padding = settings["stride"], settings["padding"]
        return replace(
            self,
            kernel=kernel,
            stride=sizes(stride, self.stride) if stride else kernel,
            padding=sizes(padding, self.padding),
            dilation=self.dilation and sizes(settings.get("dilation", 1), self.dilation),
            ceil_mode=settings.get("ceil_mode", self.ceil_mode),
        )

    def field(self, x: Field, out: TensorSpec, fields: Mapping[int, Field]) -> Field | None:
        return windowed_field(self.window, x, out)


def _is_of_one_axis(recorded: Shape, setting: Any) -> bool:
    """Whether a layer is 1-d and its operator 2-d: one number, which not both axes had.

    torch runs `MaxPool1d(3)` as a pool of 1×3.
    """
    return len(per_axis(setting, 1)) == 1 and len(set(recorded)) > 1


def pooled(
    x: Sequence[int],
    kernel: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    ceil_mode: bool,
    padding_behind: Sequence[int] | None = None,
) -> Shape:
    """The shape of the output, from shapes and numbers alone, those of the window for each axis.

    Raises:
        Misfit: torch would refuse the operands.
    """
    dims = len(kernel)
    geometry = (stride, padding, dilation)
    if len(x) not in (dims + 1, dims + 2) or any(len(value) != dims for value in geometry):
        raise Misfit
    sizes = []
    axes = zip(x[-dims:], kernel, *geometry, both_sides(padding, padding_behind), strict=True)
    for n, k, s, p, d, both in axes:
        # one axis after the other: of symbolic sizes each comparison is recorded as a condition
        if k < 1 or s < 1 or d < 1 or not 0 <= 2 * p <= k:
            raise Misfit
        sizes.append(window_size(n, k, s, p, d, ceil_mode, both))
    return (*x[:-dims], *fitting(sizes))


_ADAPTIVE: dict[int, str] = {
    1: "adaptive_avg_pool1d adaptive_max_pool1d",
    2: "_adaptive_avg_pool2d adaptive_avg_pool2d adaptive_max_pool2d mkldnn_adaptive_avg_pool2d",
    3: "_adaptive_avg_pool3d adaptive_avg_pool3d adaptive_max_pool3d",
}
_ADAPTIVE_DIMS = {f"aten.{name}": dims for dims, names in _ADAPTIVE.items()
                  for name in names.split()}  # fmt: skip


ADAPTIVE_POOLS = frozenset(_ADAPTIVE_DIMS)


@operator(*_ADAPTIVE_DIMS)
class AdaptivePool(View, frozen=True):
    """Output m of M combines the inputs from ⌊m·n/M⌋ up to, not including, ⌈(m+1)·n/M⌉."""

    x: TensorSpec
    size: Shape  # the last dimensions of the output
    outputs: tuple[TensorSpec, ...] = ()
    is_max: bool = False

    @classmethod
    def of(cls, op: Op) -> AdaptivePool:
        dims = _ADAPTIVE_DIMS[op.name]
        size = op.outputs[0].shape[-dims:] if op.outputs else per_axis(op.args[1], dims)
        return cls(op.args[0], size, op.outputs, is_max="max" in op.name)

    @property
    def sides(self) -> Shape:
        """The spatial sizes of the input."""
        return self.x.shape[-len(self.size) :]

    @property
    def as_window(self) -> Window | None:
        """The window of the equivalent plain pool, where the sizes divide."""
        pairs = list(zip(self.sides, self.size, strict=True))
        if any(not m or n % m for n, m in pairs):
            return None
        kernel, dims = tuple(n // m for n, m in pairs), len(pairs)
        return Window(kernel, kernel, (0,) * dims, (1,) * dims)

    def cost(self) -> Cost:
        if not self.outputs:
            return Cost()
        return _per_adaptive_window(self.x, self.outputs[0], len(self.size))

    def shapes(self, shape: ShapeOf) -> list[Shape]:
        out = (*shape(self.x)[: -len(self.size)], *self.size)
        return [out] * max(1, len(self.outputs))

    def changed(self, settings: Mapping[str, Any]) -> AdaptivePool:
        size = settings["output_size"]
        if _is_of_one_axis(self.size, size):
            return replace(self, size=(*self.size[:-1], *per_axis(size, 1)))
        return replace(self, size=per_axis(size, len(self.size)))

    def field(self, x: Field, out: TensorSpec, fields: Mapping[int, Field]) -> Field | None:
        sizes = zip(self.sides, self.size, strict=True)
        for dim, (n, m) in enumerate(sizes, len(out.shape) - len(self.size)):
            if n == m:
                continue
            if m == 1:
                x = reduced_field(x, {dim})
                if x.reason is not None:
                    return x
                continue
            found = with_positions(x, dim)
            if found is None or not m:
                return None
            x, axis = found
            if axis is not None:
                largest = max(ceil_div((i + 1) * n, m) - i * n // m for i in range(m))
                jump = x.dims[dim][0].jump
                reach = x.reaches[axis].widened((largest - 1) * jump)
                reach = replaced(reach, irregular=reach.irregular or n % m != 0)
                x = stepped(x, dim, m, reach, jump * Fraction(n, m))
        return Field(resized(x, out), x.reaches)


def _per_adaptive_window(x: TensorSpec, out: TensorSpec, dims: int) -> Cost:
    """One operation per element that the windows of an adaptive pool read."""
    pairs = list(zip(x.shape[-dims:], out.shape[-dims:], strict=True))
    if not all(isinstance(size, int) for pair in pairs for size in pair):
        return Cost()  # symbolic: formulas have MACs alone
    if all(m and n % m == 0 for n, m in pairs):
        return per_window(out, [n // m for n, m in pairs], "each output reads its window")
    read = [elements_read(n, m) for n, m in pairs]
    remark = "along an axis, m windows over n elements read n + m − gcd(n, m)"
    return in_terms(operations=[Term((*out.shape[:-dims], *read), remark=remark)])


def elements_read(n: int, m: int) -> int:
    """How many elements the m windows of an adaptive pool over n elements read.

    Neighbouring windows share one element, except at gcd(n, m) − 1 boundaries where one ends and
    the next one begins.
    """
    return n + m - gcd(n, m) if n and m else 0


_AVERAGE_BACKWARD = {"aten.avg_pool2d_backward": 2, "aten.avg_pool3d_backward": 3}
_ADAPTIVE_BACKWARD = {
    "aten._adaptive_avg_pool2d_backward": 2, "aten._adaptive_avg_pool3d_backward": 3,
}  # fmt: skip


@operator(*_AVERAGE_BACKWARD, traits=Trait.BACKWARD)
class AveragePoolBackward(View, frozen=True):
    """(dy, x, kernel, …): each element of the gradient is added to its whole window."""

    dy: TensorSpec
    kernel: Shape

    @classmethod
    def of(cls, op: Op) -> AveragePoolBackward:
        dy, _x, kernel = op.args[:3]
        return cls(dy, per_axis(kernel, _AVERAGE_BACKWARD[op.name]))

    def cost(self) -> Cost:
        return per_element(self.dy, prod(self.kernel))


@operator(*_ADAPTIVE_BACKWARD, traits=Trait.BACKWARD)
class AdaptivePoolBackward(View, frozen=True):
    """(dy, x): the same, for the windows of an adaptive pool."""

    dy: TensorSpec
    x: TensorSpec
    dims: int

    @classmethod
    def of(cls, op: Op) -> AdaptivePoolBackward:
        dy, x = op.args[:2]
        return cls(dy, x, _ADAPTIVE_BACKWARD[op.name])

    def cost(self) -> Cost:
        return _per_adaptive_window(self.x, self.dy, self.dims)


@rule("aten.fractional_max_pool2d", "aten.fractional_max_pool3d")
def fractional_pool(op: Op) -> Cost:
    # (x, kernel, output size, random numbers): windows at random places
    out = op.outputs[0]
    kernel = per_axis(op.arg(1, "kernel_size"), 2 if "2d" in op.name else 3)
    return per_window(out, kernel, "each output reads its window")


@rule("aten.affine_grid_generator", traits=Trait.PROJECTION)
def affine_grid(op: Op) -> Cost:
    # [b,p,d] = [b,p,d+1] @ [b,d,d+1]ᵀ: the map is multiplied by the positions of a grid
    return dot_products(op.outputs[0], op.args[0].shape[-1])


@rule("aten.grid_sampler_2d", "aten.grid_sampler_3d")
def grid_sampler(op: Op) -> Cost:
    return per_element(op.outputs[0], 4)
