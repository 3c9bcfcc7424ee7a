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
from ..syntax import argument, keywords_of, nodes, parameters_of
from ..weights import Features, Prior


def unpooled_sizes(situation: Situation) -> Iterator[Proposal]:
    """The sizes of all calls of unpooling in a function; of the last one that of its input."""
    site = failing_code(situation)
    call = situation.failure.calls[-1] if situation.failure.calls else None
    if site is None or site.function is None or call is None or call.module is None:
        return
    if not call.module.base.startswith("MaxUnpool"):
        return
    calls = _calls(situation, site)
    inner = tuple(_sizes(site, calls))
    if inner:
        features = Features(prior=Prior.UNPOOLED_SIZE)
        yield Proposal(Change(replacements=(*inner, *_of_input(situation, site, calls))), features)


def _calls(situation: Situation, site: FailingCode) -> list[ast.Call]:
    """The calls of layers that unpool, in the function that failed."""
    modules = situation.failure.trace.modules
    parent = situation.failed_path.rpartition(".")[0]
    unpooling = {
        f"self.{path.removeprefix(parent).lstrip('.')}" for path, module in modules.items()
        if module.base.startswith("MaxUnpool")
    }  # fmt: skip
    assert site.function is not None
    return [
        node for node in nodes(site.function, ast.Call)
        if site.code.text_of(node.func) in unpooling
    ]  # fmt: skip


def _sizes(site: FailingCode, calls: list[ast.Call]) -> Iterator[Replacement]:
    """Each but the last as large as the next indices."""
    for one, following in pairwise(calls):
        indices = argument(following, 1, "indices")
        if isinstance(indices, ast.Name | ast.Attribute):
            yield from _with_size(site, one, f"{site.code.text_of(indices)}.shape[2:]")


def _with_size(site: FailingCode, call: ast.Call, size: str) -> Iterator[Replacement]:
    last = argument(call, 1, "indices")
    if last is not None and "output_size" not in keywords_of(call):
        yield site.code.inserted_behind(last, f", output_size={size}")


def _of_input(
    situation: Situation, site: FailingCode, calls: list[ast.Call]
) -> tuple[Replacement, ...]:
    """The last as large as the input, if that is what was pooled first."""
    failure, function = situation.failure, site.function
    around = failure.calls[-2] if len(failure.calls) > 1 else None
    pooled = next((call for call in failure.trace.calls if len(call.outputs) == 2
                   and call.module is not None and "Pool" in call.module.base), None)  # fmt: skip
    if function is None or around is None or pooled is None or len(around.inputs) != 1:
        return ()
    names = parameters_of(function)
    is_same = around.inputs[0].shape[2:] == pooled.inputs[0].shape[2:]
    if not is_same or len(names) != 2 or any(n.id == "size" for n in nodes(function, ast.Name)):
        return ()
    size = site.code.line_before(function.body[0], f"size = {names[1]}.shape[2:]")
    return (size, *_with_size(site, calls[-1], "size"))
