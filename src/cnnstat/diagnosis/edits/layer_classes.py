"""The same layer for another number of axes: BatchNorm1d for BatchNorm2d behind a linear layer."""

from __future__ import annotations

import re
from collections.abc import Iterator

from torch import nn

from ...trace.records import Module, TensorSpec
from ..changes import Change, Proposal, Situation
from ..layer_sites import LayerSite, layer_sites
from ..literals import plain
from ..replay import INPUT_AXES
from ..weights import Features, Prior

_FOR_AXES = re.compile(r"(?P<kind>[A-Z]\w*?)(?P<axes>[123])d")


def layer_classes(situation: Situation) -> Iterator[Proposal]:
    """In the source: of one call, or of all calls of the class."""
    module, name = _class_that_fits(situation)
    if module is None:
        return
    same = [site for site in layer_sites(situation) if site.name == module.base]
    here = [site for site in same if any(m.path == module.path for m in site.modules)]
    for sites in [here, same] if len(same) > len(here) else [here]:
        if sites:
            yield _replacing(sites, name)


def _replacing(sites: list[LayerSite], name: str) -> Proposal:
    replacements = tuple(site.of_class(name) for site in sites)
    features = Features(prior=Prior.LAYER_CLASS, further_places=len(sites) - 1)
    return Proposal(Change(replacements=replacements), features)


def classes_of_layers(situation: Situation) -> Iterator[Proposal]:
    """Of a live layer."""
    module, name = _class_that_fits(situation)
    if module is not None and module.library and module.path:
        yield Proposal(Change(layers={module.path: name}), Features(prior=Prior.LAYER_CLASS))


def _class_that_fits(situation: Situation) -> tuple[Module | None, str]:
    """The layer that failed and the class that takes its input; none where the axes fit."""
    call = situation.failure.calls[-1] if situation.failure.calls else None
    if call is None or call.module is None or not call.inputs:
        return None, ""
    found = _FOR_AXES.fullmatch(call.module.base)
    if found is None or not _channels_fit(call.module, call.inputs[0]):
        return None, ""
    rank = len(call.inputs[0].shape)
    axes = 1 if rank == 2 and found["kind"] == "BatchNorm" else rank - 2
    name = f"{found['kind']}{axes}d"
    if axes == int(found["axes"]) or not hasattr(nn, name):
        return None, ""
    return call.module, name


def _channels_fit(module: Module, x: TensorSpec) -> bool:
    """Whether the second axis is that of the channels, as far as the layer has a number of them."""
    name, _ = INPUT_AXES.get(module.base, ("", 0))
    expected = plain(module.settings.get(name))
    return len(x.shape) > 1 and (expected is None or x.shape[1] == expected)
