"""Layers of a model replaced by others, created with the same arguments or with changed ones."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from .changes import Change


def with_layers_replaced(model: nn.Module, change: Change) -> nn.Module:
    """The model with the layers that a change replaces."""
    for (path, name), value in change.settings.items():
        _replace_module(model, path, {name: value})
    for path, name in change.layers.items():
        _replace_module(model, path, {}, name)
    return model


def _replace_module(
    model: nn.Module, path: str, changed: Mapping[str, Any], layer: str = ""
) -> None:
    """Replace the layer at `path` by one with other constructor arguments, or of another class."""
    old = model.get_submodule(path)
    parent = model.get_submodule(path.rpartition(".")[0])
    cls = getattr(nn, layer) if layer else type(old)
    is_meta = any(tensor.is_meta for tensor in old.parameters())
    with torch.device("meta" if is_meta else "cpu"):
        new = cls(**{**constructor_arguments(old, cls), **changed})
    parent._modules[path.rpartition(".")[2]] = new.train(old.training)


def constructor_arguments(module: nn.Module, cls: type[nn.Module] | None = None) -> dict[str, Any]:
    """The arguments that a layer of torch was created with, read from its attributes.

    For `cls`, a layer of the same kind for another number of axes, one number is passed where all
    axes have the same.
    """
    arguments: dict[str, Any] = {}
    for name, parameter in constructor_parameters(cls or type(module)).items():
        value = getattr(module, name, None)
        if name == "bias" and value is None and getattr(module, "weight", None) is None:
            continue  # a norm without parameters
        if name == "bias":
            arguments[name] = value if isinstance(value, bool) else value is not None
        elif hasattr(module, name) and parameter.kind is not parameter.VAR_KEYWORD:
            is_uniform = isinstance(value, tuple) and len(set(value)) == 1
            arguments[name] = value[0] if cls and isinstance(value, tuple) and is_uniform else value
    return arguments


def constructor_parameters(cls: type[nn.Module]) -> Mapping[str, inspect.Parameter]:
    """The named parameters of a layer's constructor.

    Recurrent layers pass all arguments on to their base class, after its `mode`.
    """
    parameters = inspect.signature(cls).parameters
    if not issubclass(cls, nn.RNNBase):
        return parameters
    named = dict(inspect.signature(nn.RNNBase).parameters)
    del named["mode"]
    if not issubclass(cls, nn.LSTM):
        del named["proj_size"]
    if issubclass(cls, nn.RNN):
        kind = inspect.Parameter.KEYWORD_ONLY
        named["nonlinearity"] = inspect.Parameter("nonlinearity", kind, default="tanh")
    return named
