"""A number in the place of an argument of the same name: `nn.PixelShuffle(2)` in a constructor that
takes an `upscale_factor`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

from ...trace.records import Module
from ..changes import Change, Proposal, Situation
from ..layer_sites import LayerSite, layer_sites
from ..literals import plain
from ..replay import fits
from ..weights import Features, Prior


def namesakes(situation: Situation) -> Iterator[Proposal]:
    """Names in scope that are called like the argument, with another value than is written."""
    for site in layer_sites(situation):
        for name, node in site.written.items():
            if not isinstance(node, ast.Constant) or type(node.value) is not int:
                continue
            for other in _called_like(site, name):
                if plain(site.scope.numbers[other]) == node.value:
                    continue
                settings = _settings(situation, site, name, other)
                fit = None if settings is None else fits(situation.failure, settings, {})
                if fit is False:
                    continue
                features = Features(
                    prior=Prior.NAMESAKE,
                    is_elsewhere=all(m.path != situation.failed_path for m in site.modules),
                    is_undecided=fit is None,
                )
                yield Proposal(Change(replacements=site.settings({name: other})), features, fit)


def _called_like(site: LayerSite, name: str) -> Iterator[str]:
    """The arguments of the function around a call whose name is that of an argument of the layer.

    `factor` and `scale` are like `upscale_factor`; `in_channels` and `out_channels` are not alike.
    """
    for other in site.scope.numbers:
        short = other.rpartition(".")[2]
        if short == name or (name.endswith("_factor") and ("factor" in short or "scale" in short)):
            yield other


def _settings(
    situation: Situation, site: LayerSite, name: str, other: str
) -> dict[str, dict[str, Any]] | None:
    """The settings of the layers, each with the value that the name has where it is created."""
    found: dict[str, dict[str, Any]] = {}
    for module in site.modules:
        value = plain(situation.scopes[module.path][0].numbers.get(other))
        if value is None or module.base != site.name:
            return None
        found[module.path] = {name: _like(module, name, value)}
    return found


def _like(module: Module, name: str, value: int) -> Any:
    """A value in the form in which the layer has it: (2, 2) for 2."""
    old = module.settings.get(name)
    return (value,) * len(old) if isinstance(old, tuple) else value
