"""Convolutions of any number of dimensions, grouped, dilated, transposed, and their gradients."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import prod
from typing import Any

from msgspec.structs import replace

from ..results import Shape
from ..trace.records import Op, TensorSpec
from .costs import Cost, dot_products, per_element
from .field_algebra import combined
from .field_rules import windowed_field
from .reach import Field
from .registry import ShapeOf, Trait, View, operator
from .shape_rules import Misfit, Window, both_sides, fitting, per_axis, transposed_size, window_size

# The arguments of each operator in order, named as in torch's schemas. The first two are always the
# input and the weight; unused arguments at the end are left out.
_ORDERS = {
    **dict.fromkeys(
        ("aten.convolution", "aten._convolution", "aten.convolution_overrideable"),
        "input weight bias stride padding dilation transposed output_padding groups",
    ),
    "aten.cudnn_convolution": "self weight padding stride dilation groups",
    "aten.mkldnn_convolution": "self weight bias padding stride dilation groups",
    "aten.cudnn_convolution_transpose": "self weight padding output_padding stride dilation groups",
    **dict.fromkeys(
        ("aten.thnn_conv2d", "aten._slow_conv2d_forward", "aten.slow_conv3d_forward"),
        "self weight kernel_size bias stride padding",
    ),
    **dict.fromkeys(
        ("aten.slow_conv_dilated2d", "aten.slow_conv_dilated3d", "aten._conv_depthwise2d",
         "aten.conv_depthwise3d"),
        "self weight kernel_size bias stride padding dilation",
    ),
    **dict.fromkeys(
        ("aten.slow_conv_transpose2d", "aten.slow_conv_transpose3d"),
        "self weight kernel_size bias stride padding output_padding dilation",
    ),
}  # fmt: skip
_PLACES = {name: tuple(enumerate(order.split())) for name, order in _ORDERS.items()}
_GEOMETRY = (("stride", 1), ("padding", 0), ("dilation", 1), ("output_padding", 0))

CONVOLUTIONS = frozenset(_ORDERS)


@operator(*_ORDERS, traits=Trait.WINDOW | Trait.PROJECTION)
class Convolution(View, frozen=True):
    """out[n,o,p] = bias[o] + Σ_{i < c_in/g, k} x[n,i,p·s+k] · w[o,i,k], under every backend's name.

    The weight is c_out × c_in/g × K; transposed it is c_in × c_out/g × K, and each position of the
    input is multiplied by all of it. `padding_behind` is None if it equals `padding`.
    """

    x: TensorSpec
    weight: TensorSpec
    bias: TensorSpec | None
    stride: Shape
    padding: Shape
    dilation: Shape
    transposed: bool
    output_padding: Shape
    groups: int
    padding_behind: Shape | None = None
    out: TensorSpec | None = None  # None where the operator was refused

    @classmethod
    def of(cls, op: Op) -> Convolution:
        out = op.outputs[0] if op.outputs else None
        behind = op.kwargs.get("padding_behind") if op.kwargs else None
        if op.name == "aten.convolution" and len(op.args) == 9:  # nearly all
            x, weight, bias, *geometry = op.args
            stride, padding, dilation, transposed, extra, groups = geometry
            if len(stride) == len(padding) == len(dilation) == len(weight.shape) - 2:
                return cls(x, weight, bias, stride, padding, dilation, transposed, extra, groups,
                           behind, out)  # fmt: skip
        x, weight = op.args[:2]
        values = {name: op.arg(place, name) for place, name in _PLACES[op.name]}
        dims = len(weight.shape) - 2
        stride, padding, dilation, extra = (
            per_axis(default if values.get(name) is None else values[name], dims)
            for name, default in _GEOMETRY
        )
        transposed = bool(values.get("transposed", "transpose" in op.name))
        groups = values.get("groups") or _groups(x, weight, transposed)
        return cls(x, weight, values.get("bias"), stride, padding, dilation, transposed, extra,
                   groups, behind, out)  # fmt: skip

    @property
    def args(self) -> tuple[Any, ...]:
        """The arguments of `aten.convolution`, to record one that another format describes."""
        return (self.x, self.weight, self.bias, self.stride, self.padding, self.dilation,
                self.transposed, self.output_padding, self.groups)  # fmt: skip

    @property
    def window(self) -> Window:
        return Window(self.weight.shape[2:], self.stride, self.padding, self.dilation)

    @property
    def remark(self) -> str:
        if self.groups <= 1:
            return ""
        return " depthwise" if self.groups == self.x.shape[1] else f" groups {self.groups}"

    @property
    def positions(self) -> Shape:
        """The sizes of the map whose positions are each multiplied by the whole kernel."""
        return (self.x if self.transposed or self.out is None else self.out).shape[2:]

    @property
    def in_channels(self) -> int:
        """The input channels that the weight expects."""
        return in_channels(self.weight.shape, self.transposed, self.groups)

    def cost(self) -> Cost:
        macs = self.x.shape[0] * prod(self.positions) * self.weight.numel
        if self.bias is None or self.out is None:
            return Cost(macs)
        return Cost(macs) + per_element(self.out, name="bias")

    def shapes(self, shape: ShapeOf) -> list[Shape]:
        bias = None if self.bias is None else shape(self.bias)
        geometry = (*self.args[3:], self.padding_behind)
        return [convolved(shape(self.x), shape(self.weight), bias, *geometry)]

    def changed(self, settings: Mapping[str, Any]) -> Convolution:
        dims = len(self.weight.shape) - 2
        sizes = {
            name: per_axis(settings[name], dims)
            for name in ("stride", "padding", "dilation", "output_padding")
        }
        return replace(self, groups=settings["groups"], **sizes)

    def field(self, x: Field, out: TensorSpec, fields: Mapping[int, Field]) -> Field | None:
        if self.x.value not in fields:
            return None
        channels = len(x.dims) - len(self.stride) - 1
        if x.is_along(channels):  # as after a space to depth
            if self.groups > 1:
                return None
            x = combined(x, {channels})
        if x.reason is not None:
            return x
        return windowed_field(self.window, x, out, transposed=self.transposed)


def _groups(x: TensorSpec, weight: TensorSpec, transposed: bool) -> int:
    """Derived from the channels, for backends without the argument; transposed ones have none."""
    return 1 if transposed else x.shape[1] // weight.shape[1]


def in_channels(weight: Sequence[int], transposed: bool, groups: int) -> int:
    """The input channels that a weight of this shape expects."""
    return weight[0] if transposed else weight[1] * groups


def impossible_window(
    stride: Sequence[int], padding: Sequence[int], dilation: Sequence[int]
) -> str | None:
    """Why torch refuses the window of a convolution; None if it does not."""
    if any(step <= 0 for step in stride):
        return f"the stride {'×'.join(map(str, stride))} must be at least 1"
    if any(size < 0 for size in padding):
        return f"the padding {'×'.join(map(str, padding))} must not be negative"
    if any(step <= 0 for step in dilation):
        return f"the dilation {'×'.join(map(str, dilation))} must be at least 1"
    return None


def wide_output_padding(
    output_padding: Sequence[int], stride: Sequence[int], dilation: Sequence[int]
) -> str | None:
    """Why torch refuses the output padding of a transposed convolution; None if it does not."""
    axes = zip(output_padding, stride, dilation, strict=False)
    if all(extra < max(step, spread) for extra, step, spread in axes):
        return None
    sizes = ("×".join(map(str, value)) for value in (output_padding, stride, dilation))
    return "the output padding {} must be smaller than the stride {} or the dilation {}".format(
        *sizes
    )


def convolved(
    x: Sequence[int],
    weight: Sequence[int],
    bias: Sequence[int] | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    transposed: bool,
    output_padding: Sequence[int],
    groups: int,
    padding_behind: Sequence[int] | None = None,
) -> Shape:
    """The shape of the output, from shapes and numbers alone.

    Raises:
        Misfit: torch would refuse the operands.
    """
    # The order of the comparisons matters: of symbolic sizes each is recorded as a condition.
    dims = len(weight) - 2
    fits = (
        len(x) == len(weight)
        and len(stride) == len(padding) == len(dilation) == dims
        and min(stride) > 0
        and min(padding) >= 0
        and min(dilation) > 0
        and groups > 0
        and x[1] == in_channels(weight, transposed, groups)
        and weight[0] % groups == 0
    )
    if not fits:
        raise Misfit
    out_channels = weight[1] * groups if transposed else weight[0]
    if bias is not None and tuple(bias) != (out_channels,):
        raise Misfit
    both = both_sides(padding, padding_behind)
    axes = list(zip(x[2:], weight[2:], stride, padding, dilation, strict=True))
    if transposed:
        if wide_output_padding(output_padding, stride, dilation):
            raise Misfit
        ends = zip(axes, output_padding, both, strict=True)
        sizes = [transposed_size(*axis, a, q) for axis, a, q in ends]
    else:
        sizes = [window_size(*axis, both=q) for axis, q in zip(axes, both, strict=True)]
    return (x[0], out_channels, *fitting(sizes))


class _Gradients(View, frozen=True):
    """dx[n,i,p·s+k] += dy[n,o,p] · w[o,i,k], dw[o,i,k] += dy[n,o,p] · x[n,i,p·s+k], db[o] = Σ dy.

    Both products run over the triples (n, p, weight) of the forward pass, within each group.
    `output_mask`: whether dx, dw and db are computed.
    """

    dy: TensorSpec
    x: TensorSpec
    weight: TensorSpec
    transposed: bool
    output_mask: tuple[bool, bool, bool]

    def cost(self) -> Cost:
        positions = prod((self.x if self.transposed else self.dy).shape[2:])
        products = self.x.shape[0] * positions * self.weight.numel
        of_input, of_weight, of_bias = self.output_mask
        return Cost(products * (of_input + of_weight), self.dy.numel * of_bias)

    @property
    def reads(self) -> tuple[TensorSpec, ...]:  # dx from dy and w, dw from dy and x
        of_input, of_weight, _ = self.output_mask
        return tuple(self._read(of_input, of_weight))

    def _read(self, of_input: bool, of_weight: bool) -> Iterator[TensorSpec]:
        yield self.dy
        if of_weight:
            yield self.x
        if of_input:
            yield self.weight


@operator("aten.convolution_backward", traits=Trait.BACKWARD)
class ConvolutionBackward(_Gradients, frozen=True):
    @classmethod
    def of(cls, op: Op) -> ConvolutionBackward:
        dy, x, weight, _bias_sizes, _stride, _padding, _dilation, transposed, *rest = op.args
        return cls(dy, x, weight, transposed, rest[-1])


@operator("aten.convolution_backward_overrideable", traits=Trait.BACKWARD)
class ConvolutionBackwardOverrideable(_Gradients, frozen=True):
    """The same, without the argument bias_sizes."""

    @classmethod
    def of(cls, op: Op) -> ConvolutionBackwardOverrideable:
        dy, x, weight, _stride, _padding, _dilation, transposed, *rest = op.args
        return cls(dy, x, weight, transposed, rest[-1])


@operator("aten.conv_tbc", traits=Trait.PROJECTION)
class TimeFirstConvolution(View, frozen=True):
    """out[t,n,o] = bias[o] + Σ_{k,i} x[t+k,n,i] · w[k,i,o], padded with `pad` on both sides."""

    x: TensorSpec
    weight: TensorSpec
    pad: int
    out: TensorSpec | None = None

    @classmethod
    def of(cls, op: Op) -> TimeFirstConvolution:
        x, weight = op.args[:2]
        return cls(x, weight, op.arg(3, "pad", 0), op.outputs[0] if op.outputs else None)

    def cost(self) -> Cost | None:
        if self.out is None:
            return None
        products = dot_products(self.out, prod(self.weight.shape[:2]))
        return products + per_element(self.out, name="bias")

    def shapes(self, shape: ShapeOf) -> list[Shape]:
        (time, batch, channels), (kernel, c_in, c_out) = shape(self.x), shape(self.weight)
        if channels != c_in:
            raise Misfit
        return [(*fitting([window_size(time, kernel, 1, self.pad)]), batch, c_out)]


@operator("aten.conv_tbc_backward", traits=Trait.BACKWARD)
class TimeFirstConvolutionBackward(View, frozen=True):
    """(dy, x, w, bias, pad) → dx, dw, db."""

    dy: TensorSpec
    weight: TensorSpec

    @classmethod
    def of(cls, op: Op) -> TimeFirstConvolutionBackward:
        dy, _x, weight = op.args[:3]
        return cls(dy, weight)

    def cost(self) -> Cost:
        time, batch, _ = self.dy.shape
        return Cost(2 * time * batch * self.weight.numel, self.dy.numel)


@operator("torchvision.deform_conv2d", traits=Trait.PROJECTION)
class DeformableConvolution(View, frozen=True):
    """A convolution whose taps are moved by learnt offsets; sampling between pixels is not counted.

    It has no window: its receptive field depends on the offsets.
    """

    x: TensorSpec
    weight: TensorSpec
    bias: TensorSpec
    stride: Shape
    padding: Shape
    dilation: Shape
    groups: int
    out: TensorSpec | None = None

    @classmethod
    def of(cls, op: Op) -> DeformableConvolution:
        x, weight, _offset, _mask, bias, *sizes = op.args
        stride, padding, dilation = (tuple(sizes[i : i + 2]) for i in (0, 2, 4))
        out = op.outputs[0] if op.outputs else None
        return cls(x, weight, bias, stride, padding, dilation, sizes[6], out)

    def cost(self) -> Cost | None:  # N · c_out·H·W · c_in/g · k·k
        if self.out is None:
            return None
        products = dot_products(self.out, prod(self.weight.shape[1:]))
        return products + per_element(self.out, name="bias")

    def shapes(self, shape: ShapeOf) -> list[Shape]:
        return [
            convolved(shape(self.x), shape(self.weight), shape(self.bias), self.stride,
                      self.padding, self.dilation, False, (0, 0), self.groups)
        ]  # fmt: skip


@operator("torchvision._deform_conv2d_backward", traits=Trait.BACKWARD)
class DeformableConvolutionBackward(View, frozen=True):
    """(dy, x, w, …): columns wᵀ·dy, and dw = dy·columnsᵀ."""

    dy: TensorSpec
    weight: TensorSpec

    @classmethod
    def of(cls, op: Op) -> DeformableConvolutionBackward:
        dy, _x, weight = op.args[:3]
        return cls(dy, weight)

    def cost(self) -> Cost:
        positions = prod(self.dy.shape[2:])
        return Cost(2 * self.dy.shape[0] * positions * self.weight.numel, self.dy.numel)
