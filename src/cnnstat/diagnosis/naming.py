"""Layers and messages as a report names them."""

from __future__ import annotations

import re

from ..operators.describe import dims_of
from ..trace.records import Call, Failure
from .literals import plain


def counted(count: int | None, unit: str) -> str:
    """`3 channels`, `1 channel`."""
    return f"{count} {unit.removesuffix('s') if count == 1 else unit}"


def first_line(failure: Failure) -> str:
    line = failure.reason.splitlines()[0]
    if failure.error in ("AssertionError", "TypeError") and line == failure.error:
        return line
    told = re.sub(r"\s*\(.*?at::.*?\)", "", line)
    return f"{failure.error}: {told}" if failure.in_model else told


def name_of(call: Call) -> str:
    """`features.3 (Conv2d 64→128 3×3)`, `cat()`."""
    if call.kind == "function":
        return f"{call.path}()"
    kind = f"{call.type} {settings_of(call)}".rstrip()
    return f"{call.path} ({kind})" if call.path else call.type


def settings_of(call: Call) -> str:
    """What distinguishes a layer, from its settings: it may not have run."""
    if call.module is None:
        return ""
    s = {name: plain(value) for name, value in call.module.settings.items()}
    base = call.module.base
    if base == "Linear":
        return f"{s['in_features']}→{s['out_features']}"
    if base.startswith("Conv"):
        kernel = "×".join(map(str, s["kernel_size"]))
        return f"{s['in_channels']}→{s['out_channels']} {kernel}"
    for names in (("num_features",), ("num_channels",), ("normalized_shape",)):
        if all(name in s for name in names):
            return (
                "×".join(map(str, s[names[0]]))
                if isinstance(s[names[0]], tuple)
                else str(s[names[0]])
            )
    if "Pool" in base and "kernel_size" in s and "Adaptive" not in base:
        kernel = s["kernel_size"]
        sides = kernel if isinstance(kernel, tuple) else (kernel,) * (dims_of(call) or 1)
        return "×".join(map(str, sides))
    if base in ("LSTM", "GRU", "RNN"):
        return f"{s['input_size']}→{s['hidden_size']}"
    return ""
