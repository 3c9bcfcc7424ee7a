"""Traced variants of a model: another head, another input size.

A variant is a copy on `meta`; the original model is not changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..analysis.results import Layer
from ..choices import Mode
from ..errors import ModelError, PassedThrough
from ..run_config import RunConfig
from ..trace.records import Trace
from ..tracing.recording.open_calls import OpenCall
from ..tracing.recording.recorder import Observer
from ..tracing.run.copies import meta_copy
from ..tracing.run.trace import trace

Inputs = tuple[Sequence[Any], Mapping[str, Any]]
"""Positional and named."""


class _Reached(PassedThrough):
    """Ends a forward pass at a tensor. It is not an Exception, so that an `except Exception` in
    the model does not catch it."""

    def __init__(self, tensor: Tensor) -> None:
        super().__init__()
        self.tensor = tensor


class NinHead(nn.Sequential):
    """1×1 convolution to the classes, then global average pooling: N×C×H×W → N×classes."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, classes, kernel_size=1, device="meta")
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()


class _WithHead(nn.Module):
    """A model cut off after its features, with another head on them."""

    def __init__(self, body: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.body = body
        self.head = head

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        try:
            result = self.body(*args, **kwargs)
        except _Reached as reached:
            result = reached.tensor
        return self.head(result)


def with_nin_head(
    model: nn.Module, inputs: Inputs, mode: Mode, features: Layer, classes: int
) -> Trace:
    """Trace `model` with everything after the layer `features` replaced by a `NinHead`.

    The replaced modules are still registered, but do not run.
    """
    variant = _WithHead(meta_copy(model), NinHead(features.outputs[0][1], classes))
    stop = _stop_at(f"body.{features.path}", features)
    return trace(variant, *inputs, RunConfig(mode), on_return=stop)


def _stop_at(path: str, features: Layer) -> Observer:
    def stop(call: OpenCall, result: Any) -> None:
        if (call.path, call.call) == (path, features.call):
            raise _Reached(result)

    return stop


def resized(model: nn.Module, inputs: Inputs, mode: Mode, linear: str) -> Trace:
    """Trace `model` on other inputs, with its linear layer `linear` resized to fit.

    Raises:
        ModelError: the layer is not an nn.Linear that can be replaced, or the model does not run.
    """
    variant = meta_copy(model)
    layer = dict(variant.named_modules()).get(linear)
    if not isinstance(layer, nn.Linear) or not linear:
        raise ModelError(f"{linear or 'the model'} is no nn.Linear inside it")
    features = _features_at(variant, layer, inputs, mode)
    with torch.device("meta"):
        wider = nn.Linear(features, layer.out_features, bias=layer.bias is not None)
    parent, _, name = linear.rpartition(".")
    variant.get_submodule(parent).register_module(name, wider.to(layer.weight.dtype))
    return trace(variant, *inputs, RunConfig(mode))


def _features_at(model: nn.Module, layer: nn.Linear, inputs: Inputs, mode: Mode) -> int:
    def stop(_: nn.Module, args: tuple[Tensor, ...]) -> None:
        raise _Reached(args[0])

    hook = layer.register_forward_pre_hook(stop)
    try:
        trace(model, *inputs, RunConfig(mode))
    except _Reached as reached:
        return reached.tensor.shape[-1]
    finally:
        hook.remove()
    raise ModelError("the linear layer is not reached")
