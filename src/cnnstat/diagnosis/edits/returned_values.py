"""Values that are no tensor where one is needed: a tuple, a dict, None.

An LSTM returns its outputs and its last states, attention its output and weights, a `forward`
without `return` returns None.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

from ...trace.records import Call, TensorSpec
from ..changes import Change, Proposal, Situation
from ..failing_code import (
    called_from,
    failing_code,
    inserted_layers,
    layer_in_sequence,
)
from ..source_text import Replacement
from ..syntax import Code, assigned_name, code_of, nodes
from ..weights import Features, Prior

_PAIRS = {"RNN", "LSTM", "GRU", "MultiheadAttention"}
_RECENT = 4  # calls that returned several tensors, and are tried
_FIRST_OUTPUT = """class First(nn.Module):
    def forward(self, outputs):
        return outputs[0]


"""


def _proposal(prior: Prior, *replacements: Replacement | None) -> Iterator[Proposal]:
    if None not in replacements:
        done = tuple(replacement for replacement in replacements if replacement is not None)
        yield Proposal(Change(replacements=done), Features(prior=prior))


# Tuples and dicts


def first_of_several(situation: Situation) -> Iterator[Proposal]:
    """The first of the values that a call returned: in its statement, or where it is used."""
    failure = situation.failure
    if failure.error not in ("TypeError", "AttributeError", "ValueError"):
        return
    several = [c for c in failure.trace.calls if _returns_pair(c)]
    for call in several[: -_RECENT - 1 : -1]:
        found = called_from(situation, call)
        yield from _in_sequence(situation, call)
        if found is not None:
            yield from _of_call(*found, call)
    yield from _of_operand(situation)


def _parent(call: Call) -> str:
    return call.path.rpartition(".")[0]


def _returns_pair(call: Call) -> bool:
    return len(call.outputs) > 1 or (call.module is not None and call.module.base in _PAIRS)


def _of_call(code: Code, node: ast.Call, call: Call) -> Iterator[Proposal]:
    statement = code.statement(node)
    name = assigned_name(statement, node)
    is_pair = call.module is not None and call.module.base in _PAIRS
    if name is not None and (is_pair or len(call.outputs) == 2):
        target = statement.targets[0]  # type: ignore[attr-defined]  # an assignment, as it has a name
        yield from _proposal(Prior.UNPACKED, code.replacement(target, f"{name}, _"))
    else:
        yield from _proposal(Prior.UNPACKED, code.wrapped(node, "", "[0]"))


def _in_sequence(situation: Situation, call: Call) -> Iterator[Proposal]:
    """A module behind an LSTM of a Sequential that returns the first of its values."""
    parent = situation.failure.trace.modules.get(_parent(call))
    if parent is None or parent.base != "Sequential":
        return
    following = f"{parent.path}.{_next(call.path)}".removeprefix(".")
    found = layer_in_sequence(situation, following)
    if found is None:
        return
    code, element = found
    module = code.layer("Module")
    if module is None:
        return
    first = next((
        node for node in code.tree.body if node.lineno <= element.lineno <= (node.end_lineno or 0)
    ), None)  # fmt: skip
    if first is not None:
        cls = _FIRST_OUTPUT.replace("nn.Module", module)
        yield from _proposal(Prior.UNPACKED, inserted_layers(code, element, "First()"),
                             code.line_before(first, cls.rstrip("\n") + "\n\n"))  # fmt: skip


def _next(path: str) -> str:
    name = path.rpartition(".")[2]
    return str(int(name) + 1) if name.isdigit() else ""


def _of_operand(situation: Situation) -> Iterator[Proposal]:
    """An item of a tuple or dict that the failing call got."""
    site, failure = failing_code(situation), situation.failure
    if site is None or site.operand is None or not failure.open:
        return
    if isinstance(site.node, ast.Attribute):  # 'tuple' object has no attribute …
        yield from _proposal(Prior.ITEM, site.code.wrapped(site.operand, "", "[0]"))
        return
    value = _first_argument(failure.arguments.get(failure.open[-1]))
    for item, prior in _items(value):
        yield from _proposal(prior, site.code.wrapped(site.operand, "", item))


def _first_argument(arguments: Any) -> Any:
    """Of the recorded arguments of a call: positional ones, then perhaps those by name."""
    while isinstance(arguments, tuple) and arguments:
        first = arguments[0]
        if isinstance(first, tuple) and len(arguments) == 2 and isinstance(arguments[1], dict):
            arguments = first
            continue
        return first
    return None


def _items(value: Any) -> Iterator[tuple[str, Prior]]:
    if isinstance(value, dict):
        tensors = [name for name, item in value.items() if isinstance(item, TensorSpec)]
        yield from ((f'["{name}"]', Prior.ITEM) for name in tensors)
    elif isinstance(value, tuple) and value:
        yield "[0][0]" if isinstance(value[0], tuple) else "[0]", Prior.ITEM
        shapes = [item.shape for item in value if isinstance(item, TensorSpec)]
        if len(shapes) == len(value) == 2 and len(shapes[0]) == 3 and shapes[0] == shapes[1]:
            yield "[0][-1]", Prior.LAST_STATE


def unpacked_values(situation: Situation) -> Iterator[Proposal]:
    """Other targets for what a call returns: `out, (h, c)` of an LSTM, two halves of a tensor."""
    frame = situation.failure.frames[-1] if situation.failure.frames else None
    if situation.failure.error != "ValueError" or frame is None:
        return
    for file, text in situation.texts.items():
        code = code_of(file, text) if file == frame.file else None
        for statement in nodes(code.tree, ast.Assign) if code is not None else ():
            target = statement.targets[0]
            is_here = statement.lineno <= frame.line <= (statement.end_lineno or 0)
            if code is not None and is_here and isinstance(target, ast.Tuple):
                yield from _unpacked(code, target, statement.value)


def _unpacked(code: Code, target: ast.Tuple, value: ast.expr) -> Iterator[Proposal]:
    names = [code.text_of(node) for node in target.elts]
    if len(names) == 3:
        text = f"{names[0]}, ({names[1]}, {names[2]})"
        yield from _proposal(Prior.UNPACKED, code.replacement(target, text))
    if len(names) == 2 and isinstance(target.elts[1], ast.Tuple):  # a GRU has one state
        text = f"{names[0]}, {code.text_of(target.elts[1].elts[0])}"
        yield from _proposal(Prior.UNPACKED, code.replacement(target, text))
    if len(names) == 2:
        yield from _proposal(Prior.HALVES, code.wrapped(value, "", ".chunk(2, dim=1)"))


# None


def missing_returns(situation: Situation) -> Iterator[Proposal]:
    """A `return` in a function that has none."""
    if situation.failure.error not in ("TypeError", "AttributeError"):
        return
    for file, text in situation.texts.items():
        code = code_of(file, text)
        for function in nodes(code.tree, ast.FunctionDef):
            if function.name != "__init__" and not _returns_something(function):
                yield from _returning(code, function)


def _returns_something(function: ast.FunctionDef) -> bool:
    found = [node for node in nodes(function, ast.Return) if node.value is not None]
    return bool(found or nodes(function, ast.Yield))


def _returning(code: Code, function: ast.FunctionDef) -> Iterator[Proposal]:
    for replacement in returning(code, function):
        yield from _proposal(Prior.RETURN, replacement)


def returning(code: Code, function: ast.FunctionDef) -> Iterator[Replacement | None]:
    """The value of the last statement returned, or else the name that was assigned last."""
    last = function.body[-1]
    name = assigned_name(last)
    if isinstance(last, ast.Assign) and name is not None:
        yield code.replacement(last, f"return {code.text_of(last.value)}")
        return
    if isinstance(last, ast.Expr) and isinstance(last.value, ast.Call | ast.BinOp):
        yield code.inserted_before(last.value, "return ")
    names = [n for s in nodes(function, ast.stmt) if (n := assigned_name(s)) is not None]
    if names:
        yield code.line_after(last, f"return {names[-1]}")
