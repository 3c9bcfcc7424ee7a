"""The configuration of a layer as a person would say it: `11×11/4`, `9216→4096`, `p=0.5`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from ..trace.records import Call, Op
from .window import Window

_POOLS = ("max_pool", "avg_pool")


def window_of(ops: Sequence[Op], dims: int | None = None) -> Window | None:
    """The kernel of the first convolution or pooling op, None if there is neither.

    `dims` is the number of spatial dimensions of the layer where it is known: torch runs some 1-d
    layers as 2-d operators.
    """
    for op in ops:
        if op.name == "aten.convolution":
            kernel = op.args[1].shape[2:]
            stride, padding, dilation = (_sizes(op.args[i], len(kernel)) for i in (3, 4, 5))
        elif (pooled := pool_dims(op.name)) is not None:
            kernel = _sizes(op.args[1], pooled)
            stride = _sizes(op.arg(2, "stride") or kernel, pooled)
            padding = _sizes(op.arg(3, "padding", 0), pooled)
            dilation = _sizes(op.arg(4, "dilation", 1) if "max" in op.name else 1, pooled)
        else:
            continue
        last = slice(-(dims or len(kernel)), None)
        return Window(kernel[last], stride[last], padding[last], dilation[last])
    return None


def dims_of(call: Call) -> int | None:
    """2 for a Conv2d and for a conv2d: the digit in the name of a layer or function."""
    return _digit_in(call.module.base if call.module else call.type)


@cache
def _digit_in(name: str) -> int | None:
    return next((int(c) for c in name if c.isdigit()), None)


@cache
def pool_dims(name: str) -> int | None:
    """2 for `aten.max_pool2d_with_indices`; None for what is no pooling with a kernel."""
    if any(f".{pool}" in name for pool in _POOLS):
        return int(name.split("pool")[1][0])
    return None


def config_of(call: Call, ops: Sequence[Op]) -> str:
    """What distinguishes the call from others of its type; may be empty."""
    if any("local_response" in name or "LocalResponse" in name for name in _kinds(call)):
        return _local_response_norm(call)
    for op in ops:
        if op.name == "aten.convolution":
            return _convolution(op, dims_of(call))
        if pool_dims(op.name) is not None:
            return _strided(window_of([op], dims_of(call)))
        if op.name in ("aten.addmm", "aten.mm", "aten.linear") and _kind(call) == "linear":
            return _product(op)
    settings = call.module.settings if call.module else {}
    for name in _kinds(call):
        if name in _BY_SETTINGS:
            return str(_BY_SETTINGS[name](settings))
    if call.type.startswith(("adaptive_", "Adaptive")) and call.outputs:
        return "→" + "×".join(map(str, _spatial(call)))
    return ""


def _kinds(call: Call) -> tuple[str, ...]:
    return (call.module.base, call.type) if call.module else (call.type,)


def _kind(call: Call) -> str:
    return (call.module.base if call.module else call.type).lower().removeprefix("lazy")


def _spatial(call: Call) -> tuple[int, ...]:
    return call.outputs[0].shape[-(dims_of(call) or 2) :]


def _convolution(op: Op, dims: int | None) -> str:
    groups = op.args[8]
    text = _strided(window_of([op], dims))
    if groups > 1:
        text += " depthwise" if groups == op.args[0].shape[1] else f" groups {groups}"
    return text


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


def _product(op: Op) -> str:
    x, out = op.args[1 if op.name == "aten.addmm" else 0], op.outputs[0]
    return f"{x.shape[-1]}→{out.shape[-1]}"


def _local_response_norm(call: Call) -> str:
    size = call.module.settings.get("size") if call.module else None
    return f"size {size}" if size else ""


def _recurrent(settings: dict[str, Any]) -> str:
    text = f"{settings.get('input_size')}→{settings.get('hidden_size')}"
    layers = settings.get("num_layers", 1)
    text += f" ×{layers}" if layers > 1 else ""
    return text + (" both ways" if settings.get("bidirectional") else "")


def _attention(settings: dict[str, Any]) -> list[str]:
    """A graph does not tell the number of heads."""
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


def _sizes(value: Any, dims: int) -> tuple[int, ...]:
    """A size given once holds for all dimensions, as in torch."""
    sizes = value if isinstance(value, tuple) else (value,)
    return sizes * dims if len(sizes) == 1 else sizes
