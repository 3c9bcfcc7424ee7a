"""From a failure to changes of the settings of a layer, without its source."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..trace.records import Failure, Module
from .changes import Change, Proposal
from .costs import BLIND, cost_of, use_value
from .likeness import CHOSEN, TAKEN, style_of
from .literals import Literal, Span, plain
from .mismatch import Mismatch, mismatch_of
from .resizing import fits
from .uses import Use
from .wanted import SMALL, values_wanted

_NOWHERE = Span("", 0, 0, 0, 0)


def setting_proposals(failure: Failure) -> list[Proposal]:
    """Other constructor arguments of one layer, for a model whose source is not to be changed."""
    mismatch = mismatch_of(failure)
    here = failure.calls[-1].path if failure.calls else ""
    found = []
    paths = dict.fromkeys(call.path for call in failure.trace.calls if call.module)
    modules = [failure.trace.modules[path] for path in paths if path in failure.trace.modules]
    for module in modules:
        path = module.path
        if not module.library:
            continue
        style = style_of(other for other in modules if other is not module)
        for name in (CHOSEN | TAKEN | set(SMALL)) & module.settings.keys():
            for setting, value in _other_settings(module, name, mismatch, failure):
                fit = fits(failure, {path: {name: setting}}, {})
                if fit is False or (fit is None and path != here):
                    continue
                settings = {path: {name: setting}}
                use = Use(module, name, None, value)
                now = Literal(_NOWHERE, use_value(module.settings[name]))
                cost = cost_of(now, value, [use], settings, style, failure)
                change = Change(settings={(path, name): setting})
                found.append(Proposal(change, cost + BLIND * (fit is None), fit))
    return sorted(found, key=lambda proposal: proposal.cost)


def _other_settings(
    module: Module, name: str, mismatch: Mismatch, failure: Failure
) -> Iterator[tuple[Any, int]]:
    held = plain(module.settings[name])
    if isinstance(held, str | bool) or held is None:
        return
    now = use_value(held)
    for wanted in values_wanted(name, now, mismatch, failure, module):
        if wanted != now:
            whole = (
                (*held[:-1], wanted)
                if name == "normalized_shape"
                else (wanted,) * len(held)
                if isinstance(held, tuple)
                else wanted
            )
            yield whole, wanted
