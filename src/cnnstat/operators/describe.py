"""The configuration of a layer in short: `11×11/4`, `9216→4096`, `p=0.5`."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from ..trace.records import Call, Module, Op, TensorSpec
from .linear import Matmul
from .registry import Trait, View, traits_of, view_of
from .shape_rules import Window


def window_of(ops: Sequence[Op], dims: int | None = None) -> Window | None:
    """The window of the first convolution or pooling operator, None if there is neither.

    `dims` is the number of spatial dimensions of the layer where it is known: torch runs some 1-d
    layers as 2-d operators.
    """
    view = next(_sliding(ops), None)
    return None if view is None else _last_axes(view, dims)


def _last_axes(view: View, dims: int | None) -> Window | None:
    return None if view.window is None else view.window.last_axes(dims)


def _sliding(ops: Sequence[Op]) -> Iterator[View]:
    for op in ops:
        view = view_of(op) if slides_a_window(op.name) else None
        if view is not None:
            yield view


@cache
def slides_a_window(name: str) -> bool:
    """Whether the operator is a convolution or a pool with a kernel."""
    return Trait.WINDOW in traits_of(name)


def dims_of(call: Call) -> int | None:
    """2 for a Conv2d and for a conv2d: the digit in the name of a layer or function."""
    return _digit_in(call.module.base if call.module else call.type)


@cache
def _digit_in(name: str) -> int | None:
    return next((int(c) for c in name if c.isdigit()), None)


def identity_of(op: Op, value_of: Callable[[TensorSpec], Hashable]) -> Hashable:
    """What determines the results of an operator that draws nothing: its name and arguments.

    value_of: what identifies the values of a tensor.
    """

    def plain(value: Any) -> Hashable:
        if isinstance(value, TensorSpec):
            return value_of(value)
        if isinstance(value, tuple):
            return tuple(plain(item) for item in value)
        return value if isinstance(value, int | float | str | None) else repr(value)

    named = tuple((name, plain(value)) for name, value in sorted(op.kwargs.items()))
    return op.name, op.overload, plain(op.args), named


def config_of(call: Call, ops: Sequence[Op]) -> str:
    """The settings that distinguish the call from others of its type; may be empty."""
    if any("local_response" in name or "LocalResponse" in name for name in _kinds(call)):
        return _local_response_norm(call)
    for op in ops:
        for view in _sliding([op]):
            return _strided(_last_axes(view, dims_of(call))) + view.remark
        if op.name in ("aten.addmm", "aten.mm", "aten.linear") and _kind(call) == "linear":
            return f"{Matmul.of(op).inner}→{op.outputs[0].shape[-1]}"
    for name in _kinds(call):
        if name in _BY_SETTINGS:
            return _by_settings(name, call.module.settings if call.module else {})
    if call.type.startswith(("adaptive_", "Adaptive")) and call.outputs:
        return "→" + "×".join(map(str, _spatial(call)))
    return ""


def static_config(module: Module) -> str:
    """The settings of a module that was not run; may be empty."""
    settings = module.settings
    try:
        if module.base == "Linear":
            return f"{settings['in_features']}→{settings['out_features']}"
        if module.base.startswith("Conv"):
            kernel, stride, dilation = (settings[n] for n in ("kernel_size", "stride", "dilation"))
            return _strided(Window(kernel, stride, (0,) * len(kernel), dilation))
    except (KeyError, TypeError, ValueError):  # a subclass may do without an attribute
        return ""
    name = module.base if module.base in _BY_SETTINGS else module.type
    return _by_settings(name, settings) if name in _BY_SETTINGS else ""


def _by_settings(name: str, settings: Mapping[str, Any]) -> str:
    """The text of a type from its settings; empty if user code replaced one of them."""
    try:
        return str(_BY_SETTINGS[name](settings))
    except (KeyError, TypeError, ValueError):
        return ""


def _kinds(call: Call) -> tuple[str, ...]:
    return (call.module.base, call.type) if call.module else (call.type,)


def _kind(call: Call) -> str:
    return (call.module.base if call.module else call.type).lower().removeprefix("lazy")


def _spatial(call: Call) -> tuple[int, ...]:
    return call.outputs[0].shape[-(dims_of(call) or 2) :]


def _strided(window: Window | None) -> str:
    if window is None:
        return ""
    text = "×".join(map(str, window.kernel))
    if any(stride != 1 for stride in window.stride):
        text += "/" + _short(window.stride)
    if any(dilation != 1 for dilation in window.dilation):
        text += f" dilated {_short(window.dilation)}"
    return text


def _short(sizes: Sequence[int]) -> str:
    return str(sizes[0]) if len(set(sizes)) == 1 else "×".join(map(str, sizes))


def _local_response_norm(call: Call) -> str:
    size = call.module.settings.get("size") if call.module else None
    return f"size {size}" if size else ""


def _recurrent(settings: dict[str, Any]) -> str:
    text = f"{settings.get('input_size')}→{settings.get('hidden_size')}"
    layers = settings.get("num_layers", 1)
    text += f" ×{layers}" if layers > 1 else ""
    return text + (" both ways" if settings.get("bidirectional") else "")


def _attention(settings: dict[str, Any]) -> list[str]:
    """The width and the number of heads; a graph has no number of heads."""
    heads = settings.get("num_heads")
    width = settings.get("embed_dim")
    return [str(width)] * (width is not None) + [f"{heads} heads"] * (heads is not None)


def _setting(name: str, prefix: str = "") -> Any:
    return lambda settings: f"{prefix}{settings[name]}" if name in settings else ""


_NORMS = "BatchNorm1d BatchNorm2d BatchNorm3d InstanceNorm1d InstanceNorm2d InstanceNorm3d"
_DROPOUTS = "Dropout Dropout1d Dropout2d Dropout3d AlphaDropout"
_BY_SETTINGS: dict[str, Any] = {
    **dict.fromkeys(_NORMS.split(), _setting("num_features")),
    **dict.fromkeys(_DROPOUTS.split(), _setting("p")),
    "LayerNorm": lambda s: "×".join(map(str, s.get("normalized_shape", ()))),
    "RMSNorm": lambda s: "×".join(map(str, s.get("normalized_shape", ()))),
    "GroupNorm": lambda s: f"{s['num_channels']} in {s['num_groups']}" if s else "",
    "Embedding": lambda s: f"{s.get('num_embeddings')}×{s.get('embedding_dim')}",
    "MultiheadAttention": lambda s: ", ".join(_attention(s)),
    **dict.fromkeys(["RNN", "LSTM", "GRU", "RNNCell", "LSTMCell", "GRUCell"], _recurrent),
}
