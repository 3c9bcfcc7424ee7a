"""Unpooling does not know whether a side was odd: `self.unpool(x, indices, output_size=…)`.

The size is that of the next indices, which are unpooled with what it returns.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from itertools import pairwise

from ..changes import Change, Proposal, Situation
from ..failing_code import FailingCode, failing_code
from ..source_text import Replacement
from ..syntax import argument, keywords_of, nodes
from ..weights import Features, Prior


def unpooled_sizes(situation: Situation) -> Iterator[Proposal]:
    """The sizes of all calls of unpooling in a function but the last, which ends the network."""
    site = failing_code(situation)
    call = situation.failure.calls[-1] if situation.failure.calls else None
    if site is None or site.function is None or call is None or call.module is None:
        return
    if not call.module.base.startswith("MaxUnpool"):
        return
    replacements = tuple(_sizes(situation, site))
    if replacements:
        yield Proposal(Change(replacements=replacements), Features(prior=Prior.UNPOOLED_SIZE))


def _sizes(situation: Situation, site: FailingCode) -> Iterator[Replacement]:
    modules = situation.failure.trace.modules
    parent = situation.failed_path.rpartition(".")[0]
    unpooling = {
        f"self.{path.removeprefix(parent).lstrip('.')}" for path, module in modules.items()
        if module.base.startswith("MaxUnpool")
    }  # fmt: skip
    assert site.function is not None
    calls = [
        node for node in nodes(site.function, ast.Call)
        if site.code.text_of(node.func) in unpooling
    ]  # fmt: skip
    for one, following in pairwise(calls):
        indices = argument(following, 1, "indices")
        if "output_size" in keywords_of(one) or not isinstance(indices, ast.Name | ast.Attribute):
            continue
        last = argument(one, 1, "indices")
        if last is not None:
            size = f"{site.code.text_of(indices)}.shape[2:]"
            yield site.code.inserted_behind(last, f", output_size={size}")
