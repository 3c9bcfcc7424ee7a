"""How unlike the networks that people write a setting is: what ranks edits that all work.

Several edits may make a network run; the one that was meant leaves a network like others. Sizes
that a layer takes (`in_features`) follow from what flows into it and say nothing. Sizes that are
chosen do: widths are round numbers, kernels are odd, padding keeps the size or is none. The scale
is that of bits: a setting that is one point odder is about half as likely.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from math import log2
from typing import Any

from ..trace.records import Module
from .literals import plain

CHOSEN = {
    "out_features", "out_channels", "hidden_size", "embedding_dim", "num_embeddings", "embed_dim",
    "num_heads", "num_groups", "groups", "num_layers", "proj_size", "d_model", "nhead",
    "dim_feedforward", "output_size",
}  # fmt: skip
TAKEN = {"in_features", "in_channels", "num_features", "num_channels", "input_size",
         "normalized_shape", "kdim", "vdim"}  # fmt: skip
_FREE = 1.6  # the odd factor 3 costs nothing: 6, 12, 24, 96, 192
_NEW = 0.5  # a width or window that no other layer has
WINDOW = {"kernel_size", "stride", "padding", "dilation"}


@dataclass(frozen=True)
class Style:
    """What the layers are like that a change leaves alone: what they have is less odd elsewhere."""

    widths: frozenset[int] = frozenset()
    windows: frozenset[Any] = frozenset()


def style_of(modules: Iterable[Module]) -> Style:
    widths: set[int] = set()
    windows: set[Any] = set()
    for module in modules:
        for name in CHOSEN & module.settings.keys():
            value = plain(module.settings[name])
            if isinstance(value, int):
                widths.add(value)
        windows.add(_window(module.base, module.settings))
    return Style(frozenset(widths), frozenset(windows))


_KERNELS = {1: 0.2, 2: 0.8, 3: 0.0, 4: 0.8, 5: 0.5, 7: 0.8}
# To one value per channel is usual; 7×7 and 6×6 are VGG's and AlexNet's.
_OUTPUTS: dict[Any, float] = {1: 0.0, (1, 1): 0.0, 7: 0.7, (7, 7): 0.7, 6: 1.0, (6, 6): 1.0}


def oddness(base: str, settings: Mapping[str, Any], style: Style) -> float:
    """Of one layer beside others."""
    total = 0.0
    for name in (CHOSEN - {"output_size"}) & settings.keys():
        value = plain(settings[name])
        if isinstance(value, int) and not isinstance(value, bool):
            total += width_oddness(value, style.widths)
    window = _window(base, settings)
    if window is not None:
        odd = _window_oddness(base, settings)
        total += min(odd, 0.3) if window in style.windows else odd + _NEW
    if "output_size" in settings:
        size = plain(settings["output_size"])
        total += _OUTPUTS.get(size, 1.5) + (isinstance(size, tuple) and len(set(size)) > 1)
    return total


def step_oddness(before: int | None, width: int, after: int | None) -> float:
    """Of a width between two others: mostly it is theirs, its double or its half, and on the way
    from one to the other.
    """
    steps = [log2(b / a) for a, b in ((before, width), (width, after)) if a and b]
    odd = sum(0.2 * abs(step - round(step)) + 0.2 * min(max(abs(step) - 1, 0), 2) for step in steps)
    turns = len(steps) == 2 and steps[0] * steps[1] < 0
    return odd + 0.4 * turns


def taken_by(settings: Mapping[str, Any]) -> int | None:
    """The size that a layer takes."""
    for name in ("in_channels", "in_features", "input_size"):
        if name in settings:
            value = plain(settings[name])
            return value if isinstance(value, int) and value > 0 else None
    return None


def width_of(settings: Mapping[str, Any]) -> int | None:
    """The size that a layer makes."""
    for name in ("out_channels", "out_features", "hidden_size", "embedding_dim"):
        if name in settings:
            value = plain(settings[name])
            return value if isinstance(value, int) and value > 0 else None
    return None


def _window(base: str, settings: Mapping[str, Any]) -> Any:
    names = ("kernel_size", "stride", "padding")
    if any(name not in settings for name in names):
        return None
    kind = "Pool" if "Pool" in base else "Conv"
    return kind, *(str(_pair(settings[name])) for name in names)


def _pair(value: Any) -> Any:
    value = plain(value)
    return value if isinstance(value, tuple | list | str) else (value, value)


def width_oddness(width: int, known: Collection[int]) -> float:
    """0 for a power of two and for 96, 4.4 for 63; less for a width that another layer has."""
    if width < 1:
        return 20.0
    two, ten = width, width
    while two % 2 == 0:
        two //= 2
    while ten % 10 == 0:
        ten //= 10
    odd = max(0.0, min(log2(two), log2(ten) + 1) - _FREE)
    if width in known:
        return min(odd, 0.5)
    return odd + _NEW * (not {2 * width, width / 2} & set(known))


def _window_oddness(base: str, settings: Mapping[str, Any]) -> float:
    try:
        windows = [
            tuple(_axis(settings[name], axis) for name in ("kernel_size", "stride", "padding"))
            for axis in range(_axes(settings["kernel_size"]))
        ]
    except (KeyError, TypeError, IndexError):
        return 0.0
    odd = 0.0
    for kernel, stride, padding in windows:
        dilation = 1 if "AvgPool" in base else _axis(settings.get("dilation", 1), 0)
        reach = dilation * (kernel - 1)
        stride = stride or kernel
        if kernel < 1 or padding < 0:
            return 20.0
        if "Pool" in base:
            odd += 3.0 * (stride > kernel) + 1.0 * (kernel > 3) + 1.0 * (stride == 1 != kernel)
            odd += 2.0 * (padding not in (0, reach // 2)) + 1.0 * (kernel == 1)
            odd += 1.5 * ((kernel, stride) not in ((2, 2), (3, 2), (3, 1)))
        else:
            odd += 3.0 * (kernel % 2 == 0 and kernel != stride and "Transpose" not in base)
            odd -= 0.5 * (kernel == stride > 1)  # patches are of any size
            odd += 3.0 * (padding not in (0, reach // 2) and "Transpose" not in base)
            odd += 2.0 * (stride > 2 and kernel < 7 and kernel != stride)
            odd += 1.0 * (kernel > 5 and stride == 1)  # so large a kernel begins a network
            odd += 3.0 * (stride > kernel and "Transpose" in base)  # it would leave holes
            odd += 2.0 * (stride > kernel != 1) + _KERNELS.get(kernel, 1.5)
            # a 1×1 kernel needs no padding, a larger one mostly has it
            odd += 0.4 * (padding == 0 and kernel > 1 and stride == 1)
    return odd / len(windows) + 1.5 * (len(set(windows)) > 1)


def _axes(value: Any) -> int:
    return len(value) if isinstance(value, tuple | list) else 1


def _axis(value: Any, axis: int) -> int:
    value = plain(value)
    if isinstance(value, str):
        raise TypeError
    return int(value[min(axis, len(value) - 1)] if isinstance(value, tuple | list) else value)
