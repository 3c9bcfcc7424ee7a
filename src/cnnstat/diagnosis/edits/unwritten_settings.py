"""Arguments of a layer that are not written: `output_padding=1`, `batch_first=True`, `kdim=…`.

Those that are written are numbers (`layer_settings.py`) or names (`names_in_arguments.py`).
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from itertools import combinations
from typing import Any

from ...trace.records import Module
from ..changes import Change, Proposal, Situation
from ..layer_sites import LayerSite, layer_sites
from ..literals import plain
from ..mismatch import Kind
from ..ranking import WINDOW_SETTINGS, layer_surprisal, multiplies_exactly, style_of
from ..replay import fits
from ..weights import Features, Prior

_SIDES: tuple[Kind, ...] = ("join", "broadcast", "window", "features", "view")
"""What does not fit if a window is not as it should be."""
_WITH_BATCH_FIRST = {"RNN", "LSTM", "GRU", "MultiheadAttention", "TransformerEncoderLayer",
                     "TransformerDecoderLayer", "Transformer"}  # fmt: skip
_PAIRED = 4  # the last layers, of which two may lack the same argument


def unwritten_settings(situation: Situation) -> Iterator[Proposal]:
    sites = layer_sites(situation)
    if situation.mismatch.kind in _SIDES:
        yield from _windows(situation, sites)
    yield from _batch_first(situation, sites)
    for site in sites:
        if site.name == "MultiheadAttention" and _is_inside(situation, site):
            yield from _widths_of_attention(situation, site)


# The windows of convolutions and pools


def _windows(situation: Situation, sites: list[LayerSite]) -> Iterator[Proposal]:
    """Of one layer, or of several that have the same window and lack the same argument."""
    options: dict[tuple[str, Any], list[LayerSite]] = {}
    for site in sites:
        for name, value in _window_settings(site):
            options.setdefault((name, value), []).append(site)
    for (name, value), able in options.items():
        groups: list[tuple[LayerSite, ...]] = [(site,) for site in able]
        groups += combinations(able[-_PAIRED:], 2)
        if len(able) > 2:
            groups.append(tuple(able))
        others = [s for s in sites if s.name == able[0].name and _has_window(s) and s not in able]
        is_written = name == "padding" and len(others) > 1
        for group in groups:
            yield from _window_edit(situation, group, name, value, is_written)


def _window_edit(
    situation: Situation, sites: tuple[LayerSite, ...], name: str, value: Any, is_written: bool
) -> Iterator[Proposal]:
    modules = [module for site in sites for module in site.modules]
    settings = {module.path: {name: _as(module, name, value)} for module in modules}
    if not fits(situation.failure, settings, {}):
        return
    reached = situation.failure.trace.modules.values()
    style = style_of(module for module in reached if module.path not in settings)
    more = [
        layer_surprisal(m.base, {**m.settings, **settings[m.path]}, style)
        - layer_surprisal(m.base, m.settings, style)
        for m in modules
    ]
    features = Features(
        prior=_PRIORS[name],
        surprisal=sum(more) / len(more),
        is_elsewhere=situation.failed_path not in settings,
        further_layers=len(modules) - 1,
        further_places=len(sites) - 1,
        others_write_it=is_written,
        changes_window=name in WINDOW_SETTINGS and len(sites) > 1,
        overshoots=name == "output_padding"
        and any(multiplies_exactly(m.settings) for m in modules),
    )
    replacements = [r for site in sites for r in site.settings({name: str(value)})]
    yield Proposal(Change(replacements=tuple(replacements)), features, True)


_PRIORS = {
    "output_padding": Prior.OUTPUT_PADDING, "padding": Prior.UNWRITTEN_PADDING,
    "stride": Prior.UNWRITTEN_STRIDE, "ceil_mode": Prior.CEIL_MODE,
}  # fmt: skip


def _window_settings(site: LayerSite) -> Iterator[tuple[str, Any]]:
    """The arguments that the call lacks, each with values that are usual for its window."""
    settings = site.modules[0].settings
    kernel, stride = (_first(settings.get(name)) for name in ("kernel_size", "stride"))
    if kernel is None or stride is None or site.modules[0].base != site.name:
        return
    is_pool, is_transposed = "Pool" in site.name, "Transpose" in site.name
    if is_transposed and "output_padding" not in site.written:
        yield from (("output_padding", value) for value in range(1, stride))
    if "padding" not in site.written:
        padding = (kernel - stride) // 2 if is_transposed else kernel // 2
        if padding > 0:
            yield "padding", padding
    if "stride" not in site.written:
        yield from (("stride", value) for value in ((1, 2) if is_pool else (2,)) if value != stride)
    if is_pool and "ceil_mode" not in site.written and "ceil_mode" in settings:
        yield "ceil_mode", True


def _has_window(site: LayerSite) -> bool:
    return (_first(site.modules[0].settings.get("kernel_size")) or 1) > 1


def _first(setting: Any) -> int | None:
    value = plain(setting)
    value = value[0] if isinstance(value, tuple) and value else value
    return value if isinstance(value, int) else None


def _as(module: Module, name: str, value: Any) -> Any:
    """A value in the form in which the layer has it: (1, 1) for 1."""
    old = module.settings.get(name)
    return (value,) * len(old) if isinstance(old, tuple) else value


# Recurrent layers and attention


def _batch_first(situation: Situation, sites: list[LayerSite]) -> Iterator[Proposal]:
    able = [
        site for site in sites if site.name in _WITH_BATCH_FIRST
        and _is_false(site.written.get("batch_first"))
    ]  # fmt: skip
    groups = [[site] for site in able]
    if len(able) > 1:
        groups.append(able)
    for group in groups:
        replacements = [r for site in group for r in site.settings({"batch_first": "True"})]
        features = Features(
            prior=Prior.BATCH_FIRST,
            is_elsewhere=not any(_is_inside(situation, site) for site in group),
            further_places=len(group) - 1,
        )
        yield Proposal(Change(replacements=tuple(replacements)), features)


def _is_false(written: ast.expr | None) -> bool:
    return written is None or (isinstance(written, ast.Constant) and written.value is False)


def _is_inside(situation: Situation, site: LayerSite) -> bool:
    """Whether the call that failed is of a layer that the call creates, or in one."""
    open_paths = {call.path for call in situation.failure.calls}
    return any(module.path in open_paths for module in site.modules)


def _widths_of_attention(situation: Situation, site: LayerSite) -> Iterator[Proposal]:
    """`kdim` and `vdim` for keys and values of another width than the queries."""
    inputs = situation.failure.calls[-1].inputs
    if len(inputs) < 2:
        return
    query, key, value = (*inputs[:3], inputs[-1])[:3]
    width = plain(site.modules[0].settings.get("embed_dim"))
    if query.shape[-1] != width or (key.shape[-1], value.shape[-1]) == (width, width):
        return
    widths = {"kdim": key.shape[-1], "vdim": value.shape[-1]}
    texts = {name: str(size) for name, size in widths.items() if size != width}
    change = Change(replacements=site.settings(texts))
    yield Proposal(change, Features(prior=Prior.WIDTHS_OF_ATTENTION))
