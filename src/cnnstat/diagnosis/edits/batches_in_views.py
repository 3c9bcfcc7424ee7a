"""A view that lays a whole batch out as one row: `.view(1, 1, -1)`."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from ...trace.records import Call
from ..changes import Change, Proposal, Situation
from ..failing_code import called_from
from ..syntax import Code, arguments_of, name_of_called, nodes, parameters_of
from ..weights import Features, Prior

_VIEWS = {"view", "reshape"}


def batches_in_views(situation: Situation) -> Iterator[Proposal]:
    """The batch in the place of a 1: `.view(1, x.size(0), -1)`."""
    for call in situation.failure.trace.calls:
        if call.type not in _VIEWS or not call.inputs or not call.outputs:
            continue
        before, after = call.inputs[0].shape, call.outputs[0].shape
        batch = before[0] if before else 1
        found = called_from(situation, call)
        if batch in (1, *after) or after[:1] != (1,) or found is None:
            continue
        code, node = found
        if name_of_called(node) not in _VIEWS:
            continue
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
