"""Results that no name gets: `x.view(-1, 400)` on a line of its own, `x - self.fc(x)` for `=`."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from ..changes import Change, Proposal, Situation
from ..failing_code import failing_code
from ..literals import Span
from ..source_text import Replacement, span_of
from ..syntax import Code, arguments_of, nodes
from ..weights import Features, Prior


def dropped_results(situation: Situation) -> Iterator[Proposal]:
    """The result assigned to the tensor that it is computed from, in the function that failed."""
    site = failing_code(situation)
    if site is None or site.function is None:
        return
    last = site.code.statement(site.node)
    found = [
        replacement for statement in nodes(site.function, ast.Expr)
        if statement.lineno <= last.lineno
        and (replacement := _assigned(site.code, statement)) is not None
    ]  # fmt: skip
    for replacements in dict.fromkeys([tuple(found), *((one,) for one in found)]):
        if replacements:
            change = Change(replacements=replacements)
            yield Proposal(change, Features(prior=Prior.DROPPED_RESULT))


def _assigned(code: Code, statement: ast.Expr) -> Replacement | None:
    """None for a call that is made for what it does, as `print(x)`."""
    value = statement.value
    operands = {ast.BinOp: ("left", "right"), ast.Compare: ("left", "comparators")}
    if type(value) in operands:
        left, right = (getattr(value, name) for name in operands[type(value)])
        right = right[0] if isinstance(right, list) else right
        if not isinstance(left, ast.Name):
            return None
        begin, end = span_of(left, code.file), span_of(right, code.file)
        between = Span(code.file, begin.line, begin.column, end.line, end.column)
        return Replacement(between, f"{left.id} = ")
    if not isinstance(value, ast.Call):
        return None
    operand = _operand(value)
    return None if operand is None else code.inserted_before(value, f"{operand} = ")


def _operand(call: ast.Call) -> str | None:
    """`x` of `x.view(…)`, `torch.flatten(x, 1)` and `self.fc(x)`."""
    function, written = call.func, arguments_of(call)
    if isinstance(function, ast.Attribute) and function.attr.endswith("_"):
        return None  # in place
    names = [node.id for node in written[:1] if isinstance(node, ast.Name)]
    if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name):
        owner = function.value.id
        return names[0] if names and owner in _OF_FUNCTIONS else owner
    is_of_self = isinstance(function, ast.Attribute)
    return names[0] if names and is_of_self else None


_OF_FUNCTIONS = {"torch", "F", "self", "nn"}
