"""The order of edits that all work, by the surprisal of the network that each leaves.

Several edits may make a network run; the one that was meant leaves a network like others. Sizes
of inputs (`in_features`) follow from what flows into the layer and show nothing. Chosen sizes do:
widths are round numbers, kernels are odd, padding is none or keeps the size. The surprisal of a
setting is -log2 of its probability, in bits, estimated by the rows of `weights.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import isqrt, log2
from typing import Any

from ..trace.records import Failure, Module
from . import weights
from .literals import Expression, Literal, plain
from .uses import Use
from .weights import Features, Prior, Window, total
from .width_steps import block_of, grows, is_shortcut, more_in_steps, number_in

CHOSEN_SIZES = {
    "out_features", "out_channels", "hidden_size", "embedding_dim", "num_embeddings", "embed_dim",
    "num_heads", "num_groups", "groups", "num_layers", "proj_size", "d_model", "nhead",
    "dim_feedforward", "output_size",
}  # fmt: skip
INPUT_SIZES = {"in_features", "in_channels", "num_features", "num_channels", "input_size",
               "normalized_shape", "kdim", "vdim"}  # fmt: skip
WINDOW_SETTINGS = {"kernel_size", "stride", "padding", "dilation"}


@dataclass(frozen=True)
class Style:
    """The widths and windows of the layers that an edit leaves as they are.

    Another layer with one of them is less of a surprise.
    """

    widths: frozenset[int] = frozenset()
    windows: frozenset[Any] = frozenset()


def style_of(modules: Iterable[Module]) -> Style:
    widths: set[int] = set()
    windows: set[Any] = set()
    for module in modules:
        for name in CHOSEN_SIZES & module.settings.keys():
            value = plain(module.settings[name])
            if isinstance(value, int):
                widths.add(value)
        windows.add(_window_key(module.base, module.settings))
    return Style(frozenset(widths), frozenset(windows))


def setting_features(
    literal: Literal, value: int, uses: list[Use], settings: Mapping[str, Mapping[str, Any]],
    style: Style, failure: Failure, *, is_undecided: bool,
) -> Features:  # fmt: skip
    """Of an edit of `literal` to `value`; `settings` are those that it changes, by module path."""
    here = failure.calls[-1].path if failure.calls else ""
    modules = {use.module.path: use.module for use in uses}
    chosen = _chosen(settings, uses)
    more = [
        layer_surprisal(module.base, {**module.settings, **chosen[path]}, style)
        - layer_surprisal(module.base, module.settings, style)
        for path, module in modules.items()
    ]
    becomes_pointwise = value == 1 < literal.value and any(
        use.name == "kernel_size" for use in uses
    )
    projects = becomes_pointwise and any(is_shortcut(path, failure) for path in modules)
    follows = all(use.name in INPUT_SIZES for use in uses)
    multiplies = [
        (multiplies_exactly(module.settings),
         multiplies_exactly({**module.settings, **settings[path]}))
        for path, module in modules.items() if "Transpose" in module.base
    ]  # fmt: skip
    return Features(
        prior=Prior.LAYER_SETTING,
        surprisal=sum(more) / len(more) + more_in_steps(chosen, failure),
        is_elsewhere=here not in modules,
        further_layers=len({block_of(path, failure) for path in modules}) - 1,
        becomes_pointwise=becomes_pointwise and not projects,
        projects_shortcut=becomes_pointwise and projects,
        stride_and_width=_stride_and_width(uses, value, failure),
        loses_padding=value == 0 and any(use.name == "padding" for use in uses),
        gains_padding=literal.value == 0 and any(use.name == "padding" for use in uses),
        changes_window=any(use.name in WINDOW_SETTINGS for use in uses),
        is_largest_padding=any(_is_largest_padding(use, value) for use in uses),
        multiplies_again=any(after and not before for before, after in multiplies),
        overshoots=any(before and not after for before, after in multiplies),
        was_planned=follows and was_planned(failure, uses),
        is_chosen=not follows,
        change=relative_change(literal.value, value),
        is_undecided=is_undecided,
    )


def _stride_and_width(uses: list[Use], value: int, failure: Failure) -> bool:
    """Whether a map loses its sides and gains no channels, or gains channels with all its sides."""
    strides = [use for use in uses if use.name == "stride" and use.module.base.startswith("Conv")]
    growths = [grows(use.module.path, failure) for use in strides
               if "Transpose" not in use.module.base]  # fmt: skip
    return any(growth is not None and (value > 1) is not growth for growth in growths)


def _chosen(
    settings: Mapping[str, Mapping[str, Any]], uses: list[Use]
) -> dict[str, dict[str, Any]]:
    """The settings without widths that are computed: 6 * width is as round as width is."""
    computed = {(use.module.path, use.name) for use in uses if isinstance(use.origin, Expression)}
    return {
        path: {name: value for name, value in changed.items()
               if name not in CHOSEN_SIZES or (path, name) not in computed}
        for path, changed in settings.items()
    }  # fmt: skip


def _is_largest_padding(use: Use, value: int) -> bool:
    """Whether a pool had more padding than half its kernel, which torch refuses, and gets that."""
    if use.name != "padding" or "Pool" not in use.module.base:
        return False
    return use.value > value == number_in(use.module.settings["kernel_size"]) // 2


def multiplies_exactly(settings: Mapping[str, Any]) -> bool:
    """Whether a transposed convolution makes s·n of n, without output padding."""
    try:
        kernel, stride, padding = (
            number_in(settings[name]) for name in ("kernel_size", "stride", "padding")
        )
    except (KeyError, TypeError, ValueError):
        return False
    return kernel - 2 * padding == stride


def relative_change(old: float, new: float) -> float:
    """A tenth of the octaves between two numbers: it only breaks ties."""
    return 0.1 * abs(log2((abs(new) + 1) / (abs(old) + 1)))


def was_planned(failure: Failure, uses: list[Use]) -> bool:
    """Whether the input size of a linear layer is that of another square map of its channels.

    Then it was computed, and the mistake may be in the layers before.
    """
    call = failure.calls[-1] if failure.calls else None
    producer = next((op for op in reversed(failure.trace.ops) if call and call.inputs and any(
        out.value == call.inputs[0].value for out in op.outputs)), None)  # fmt: skip
    source = producer.inputs[0].shape if producer is not None and producer.inputs else ()
    sizes = [use.value for use in uses if use.name == "in_features"]
    if len(source) != 4 or not sizes or sizes[0] % max(1, source[1]):
        return False
    area = sizes[0] // source[1]
    return isqrt(area) ** 2 == area > 1


# The surprisal of a layer


def layer_surprisal(base: str, settings: Mapping[str, Any], style: Style) -> float:
    """Of one layer among others; `base` is its class."""
    bits = 0.0
    for name in settings:
        value = plain(settings[name]) if name in CHOSEN_SIZES - {"output_size"} else None
        if isinstance(value, int) and not isinstance(value, bool):
            bits += width_surprisal(value, style.widths)
    key = _window_key(base, settings)
    if key is not None:
        windows = _windows_surprisal(base, settings)
        is_known = key in style.windows
        bits += min(windows, weights.KNOWN_WINDOW) if is_known else windows + weights.NEW
    if "output_size" in settings:
        size = plain(settings["output_size"])
        is_unequal = isinstance(size, tuple) and len(set(size)) > 1
        bits += weights.OUTPUT_SIZES.get(size, weights.OTHER_OUTPUT_SIZE)
        bits += weights.UNEQUAL_OUTPUT_SIZES * is_unequal
    return bits


def width_surprisal(width: int, known: Collection[int]) -> float:
    """0 for a power of two and for 96, 4.4 for 63; less for a width that another layer has."""
    if width < 1:
        return weights.IMPOSSIBLE
    # A round number has a small factor after division by powers of two, or of ten: 24, 1000.
    without_twos, without_tens = width, width
    while without_twos % 2 == 0:
        without_twos //= 2
    while without_tens % 10 == 0:
        without_tens //= 10
    bits = max(0.0, min(log2(without_twos), log2(without_tens) + 1) - weights.ODD_FACTOR)
    if width in known:
        return min(bits, weights.KNOWN_WIDTH)
    return bits + weights.NEW * (not {2 * width, width / 2} & set(known))


def _windows_surprisal(base: str, settings: Mapping[str, Any]) -> float:
    """The mean over the axes; 0 where the settings do not define it."""
    try:
        windows = list(_windows(base, settings))
    except (KeyError, TypeError, IndexError):
        return 0.0
    if any(window.kernel < 1 or window.padding < 0 for window in windows):
        return weights.IMPOSSIBLE
    table = weights.POOLING if "Pool" in base else weights.CONVOLUTION
    bits = 0.0
    for window in windows:
        bits += total(table, window)
    return bits / len(windows) + weights.AXES_DIFFER * (len(set(windows)) > 1)


def _windows(base: str, settings: Mapping[str, Any]) -> Iterator[Window]:
    kernels = settings["kernel_size"]
    dilation = 1 if "AvgPool" in base else _along(settings.get("dilation", 1), 0)
    for axis in range(len(kernels) if isinstance(kernels, tuple | list) else 1):
        kernel, stride, padding = (
            _along(settings[name], axis) for name in ("kernel_size", "stride", "padding")
        )
        reach = dilation * (kernel - 1)
        yield Window(kernel, stride or kernel, padding, reach, "Transpose" in base)


def _along(value: Any, axis: int) -> int:
    """A setting along one axis, which may be one number for all.

    Raises:
        TypeError: it is a word, as padding may be.
    """
    value = plain(value)
    if isinstance(value, str):
        raise TypeError
    return int(value[min(axis, len(value) - 1)] if isinstance(value, tuple | list) else value)


def _window_key(base: str, settings: Mapping[str, Any]) -> Any:
    """Equal for layers with the same window; None for a layer without one."""
    names = ("kernel_size", "stride", "padding")
    if any(name not in settings for name in names):
        return None
    kind = "Pool" if "Pool" in base else "Conv"
    return kind, *(str(_pair(settings[name])) for name in names)


def _pair(value: Any) -> Any:
    value = plain(value)
    return value if isinstance(value, tuple | list | str) else (value, value)
