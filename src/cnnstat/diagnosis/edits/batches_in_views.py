"""A view that lays a whole batch out as one row: `.view(1, 1, -1)`."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from ...trace.records import Call
from ..changes import Change, Proposal, Situation
from ..failing_code import called_from
from ..provenance import batches_as_rows
from ..syntax import Code, arguments_of, name_of_called, nodes, parameters_of
from ..weights import Features, Prior


def batches_in_views(situation: Situation) -> Iterator[Proposal]:
    """The batch in the place of a 1: `.view(1, x.size(0), -1)`."""
    for call, batch in batches_as_rows(situation.failure):
        found = called_from(situation, call)
        if found is None or name_of_called(found[1]) != call.type:
            continue
        code, node = found
        for size in arguments_of(node):
            if isinstance(size, ast.Constant) and size.value == 1:
                for text in _sizes(situation, code, node, call, batch):
                    change = Change(replacements=(code.replacement(size, text),))
                    yield Proposal(change, Features(prior=Prior.BATCH_IN_VIEW))


def _sizes(
    situation: Situation, code: Code, node: ast.Call, call: Call, batch: int
) -> Iterator[str]:
    """`x.size(0)`, for a name in what is laid out."""
    assert isinstance(node.func, ast.Attribute)
    laid_out = node.func.value
    if isinstance(laid_out, ast.Name):
        yield f"{laid_out.id}.size(0)"
        return
    function = code.around(node, ast.FunctionDef)
    around = next((c for c in situation.failure.trace.calls if c.index == call.parent), None)
    if function is None or around is None:
        return
    shapes = dict(zip(parameters_of(function)[1:], (x.shape for x in around.inputs), strict=False))
    for name in dict.fromkeys(name.id for name in nodes(laid_out, ast.Name)):
        axes = [axis for axis, size in enumerate(shapes.get(name, ())[:2]) if size == batch]
        if axes:
            yield f"{name}.size({axes[0]})"
