"""Convolutions of any number of dimensions, grouped, dilated, transposed."""

from __future__ import annotations

from math import prod

from ..trace.records import Op
from .registry import Cost, rule


@rule("aten.convolution", "aten._convolution", "aten.convolution_overrideable")
def convolution(op: Op) -> Cost:
    # out[n,o,p] = bias[o] + Σ_{i < c_in/g, k} x[n,i,p·s+k] · w[o,i,k]   weight: c_out × c_in/g × K
    # transposed: each input position meets every weight                 weight: c_in × c_out/g × K
    transposed = bool(op.arg(6, "transposed", False))
    positions = prod((op.args[0] if transposed else op.outputs[0]).shape[2:])
    return _convolution(op, positions)


@rule(
    "aten.cudnn_convolution",
    "aten.mkldnn_convolution",
    "aten._slow_conv2d_forward",
    "aten.slow_conv3d_forward",
    "aten.slow_conv_dilated2d",
    "aten.slow_conv_dilated3d",
    "aten.thnn_conv2d",
    "aten._conv_depthwise2d",
    "aten.conv_depthwise3d",
)
def convolution_on_a_device(op: Op) -> Cost:  # the same equation, under a backend's name
    return _convolution(op, prod(op.outputs[0].shape[2:]))


@rule("aten.cudnn_convolution_transpose", "aten.slow_conv_transpose2d",
      "aten.slow_conv_transpose3d")  # fmt: skip
def transposed_convolution_on_a_device(op: Op) -> Cost:
    return _convolution(op, prod(op.args[0].shape[2:]))


def _convolution(op: Op, positions: int) -> Cost:
    batch, weight = op.args[0].shape[0], op.args[1]
    # Every operand after the weight is the bias.
    bias = op.outputs[0].numel if len(op.inputs) > 2 else 0
    return Cost(batch * positions * weight.numel, bias)


@rule("aten.conv_tbc")  # out[t,n,o] = bias[o] + Σ_{k,i} x[t+k,n,i] · w[k,i,o]
def conv_tbc(op: Op) -> Cost:
    time, batch, _ = op.outputs[0].shape
    return Cost(time * batch * op.args[1].numel, op.outputs[0].numel)


@rule("torchvision.deform_conv2d")  # N · c_out·H·W · c_in/g · k·k, bilinear sampling not counted
def deform_conv2d(op: Op) -> Cost:
    out = op.outputs[0]
    return Cost(out.shape[0] * prod(out.shape[2:]) * op.args[1].numel, out.numel)
