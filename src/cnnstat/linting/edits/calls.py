"""Edits of calls in `forward`: of functions, of methods of tensors, of layers."""

from __future__ import annotations

import ast
from collections.abc import Callable, Set

from ...diagnosis.changes import Change
from ...diagnosis.source_text import Replacement
from ...diagnosis.syntax import (
    Code,
    Evaluated,
    argument,
    arguments_of,
    keywords_of,
    last_argument,
    last_name,
    name_of_called,
    parameters_of,
)
from ...results import Shape
from ...trace.records import Call
from ..places import Places
from ..registry import Plan
from .layers import settings

Edited = Callable[[Code, ast.Call], Replacement | None]


def at_call(path: str, call: int, edited: Edited) -> Plan:
    """An edit of the call in the user's source: see `at_expression`."""

    def edited_call(code: Code, node: Evaluated) -> Replacement | None:
        return edited(code, node) if isinstance(node, ast.Call) else None

    return at_expression(path, call, edited_call)


def at_expression(
    path: str,
    call: int,
    edited: Callable[[Code, Evaluated], Replacement | None],
    everywhere: bool = False,
) -> Plan:
    """An edit of the expression that is a call, or of the statement of an `+=`.

    None if a Sequential calls the layer. A class may run it in several instances: all must have a
    finding, unless the change is right `everywhere`.
    """

    def planned(places: Places, paths: Set[str]) -> Change | None:
        found = places.expression(path, call)
        if found is None:
            return None
        with_finding = {_around(other) for other in paths}
        together = {_around(other) for other in places.called_together(path, call)}
        if not (everywhere or with_finding >= together):
            return None
        replacement = edited(*found)
        return None if replacement is None else Change(replacements=(replacement,))

    return planned


def all_of(*plans: Plan) -> Plan:
    """The changes of all plans; None if one has none."""

    def planned(places: Places, paths: Set[str]) -> Change | None:
        replacements: list[Replacement] = []
        for plan in plans:
            change = plan(places, paths)
            if change is None:
                return None
            replacements += change.replacements
        return Change(replacements=tuple(replacements))

    return planned


def first_of(*plans: Plan) -> Plan:
    """The change of the first plan that has one."""

    def planned(places: Places, paths: Set[str]) -> Change | None:
        changes = (plan(places, paths) for plan in plans)
        return next((change for change in changes if change is not None), None)

    return planned


# Arguments


def along(call: Call, axis: int) -> Plan:
    """Another `dim` of a softmax, a layer or a function."""
    by_call = at_call(call.path, call.call, with_argument("dim", str(axis), 0))
    return settings(call.path, {"dim": axis}) if call.module is not None else by_call


def with_argument(name: str, text: str, position: int) -> Edited:
    """An argument with this text; `position` is that behind the operand, which a method has not."""

    def edited(code: Code, node: ast.Call) -> Replacement | None:
        place = position if is_method(code, node) else position + 1
        written = argument(node, place, name)
        if written is not None:
            return code.replacement(written, text)
        last = last_argument(node)
        if last is None:
            return code.replacement(node, f"{code.text_of(node).removesuffix(')')}{name}={text})")
        return code.inserted_behind(last, f", {name}={text}")

    return edited


def usual_axis(shape: Shape) -> int:
    """The axis of a softmax: the classes of N×C and N×C×H×W, and the last one of a sequence, unless
    that is one score a step.
    """
    return -1 if len(shape) == 3 and shape[-1] > 1 else 1


def in_training_only(name: str, position: int) -> Edited:
    """An argument that is 0 unless the module is in train mode."""

    def edited(code: Code, node: ast.Call) -> Replacement | None:
        written, this = argument(node, position, name), _self_around(code, node)
        if written is None or this is None:
            return None
        text = f"{code.text_of(written)} if {this}.training else 0.0"
        return code.replacement(written, text)

    return edited


def following_mode(code: Code, node: ast.Call) -> Replacement | None:
    """`F.dropout(x, training=self.training)` for a function, or for a layer created here."""
    this = _self_around(code, node)
    if this is None:
        return None
    mode = f"{this}.training"
    if not isinstance(node.func, ast.Call):
        return with_argument("training", mode, 1)(code, node)
    function = code.function(name_of_called(node.func).lower())
    written = [*arguments_of(node), *arguments_of(node.func)]
    if function is None or len(arguments_of(node)) != 1 or keywords_of(node):
        return None
    texts = [code.text_of(part) for part in written]
    texts += [f"{name}={code.text_of(value)}" for name, value in keywords_of(node.func).items()]
    return code.replacement(node, f"{function}({', '.join(texts)}, training={mode})")


# The call itself


def operand_alone(code: Code, node: ast.Call) -> Replacement | None:
    """The operand in the place of the call."""
    operand = operand_of(code, node)
    return None if operand is None else code.replacement(node, code.text_of(operand))


def with_relu(code: Code, node: ast.Call) -> Replacement | None:
    return code.wrapped(node, "", ".relu()")


def flattened(code: Code, node: ast.Call) -> Replacement | None:
    """The first argument flattened, or the operand of a view instead of that view."""
    operand = operand_of(code, node)
    if operand is None:
        return None
    place = node if name_of_called(node) in _VIEWS and is_method(code, node) else operand
    return code.replacement(place, f"{primary(code, operand)}.flatten(1)")


_VIEWS = ("view", "reshape")


def log_softmax(code: Code, node: ast.Call) -> Replacement | None:
    """`x.log_softmax(1)` for `x.softmax(1).log()`."""
    inner = operand_of(code, node)
    if isinstance(inner, ast.BinOp) and isinstance(inner.op, ast.Add):
        inner = inner.left  # with a constant against log(0)
    if not isinstance(inner, ast.Call) or not isinstance(inner.func, ast.Attribute):
        return None
    text, function = code.text_of(inner), code.text_of(inner.func)
    if last_name(inner.func) != "softmax":
        return None
    name = f"{function.removesuffix('softmax')}log_softmax"
    return code.replacement(node, name + text[len(function) :])


def plus_constant(code: Code, node: ast.Call) -> Replacement | None:
    """A small constant added to the operand."""
    operand = operand_of(code, node)
    if operand is None:
        return None
    text = f"{code.text_of(operand)} + 1e-8"
    return code.replacement(operand, f"({text})" if is_method(code, node) else text)


def out_of_place(code: Code, node: Evaluated) -> Replacement | None:
    """`x = x + 1` for `x += 1`, and `x = x.relu()` for `x.relu_()`."""
    if isinstance(node, ast.AugAssign):
        target, value = code.text_of(node.target), code.text_of(node.value)
        operator = code.text_of(node)[len(target) : -len(value)].strip().rstrip("(").strip()
        if isinstance(node.value, ast.BinOp | ast.IfExp | ast.BoolOp | ast.Compare):
            value = f"({value})"
        return code.replacement(node, f"{target} = {target} {operator.removesuffix('=')} {value}")
    if not isinstance(node, ast.Call):
        return None
    in_place = keywords_of(node).get("inplace")
    if in_place is not None:
        return code.replacement(in_place, "False")
    operand, function = operand_of(code, node), code.text_of(node.func)
    if operand is None or not function.endswith("_"):
        return None
    text = function.removesuffix("_") + code.text_of(node)[len(function) :]
    is_statement = isinstance(code.parents[node], ast.Expr)
    return code.replacement(node, f"{code.text_of(operand)} = {text}" if is_statement else text)


def _around(path: str) -> str:
    return path.rpartition(".")[0]


def is_method(code: Code, node: ast.Call) -> bool:
    """Whether a call is that of a method of a tensor, not of a function of a module."""
    value = node.func.value if isinstance(node.func, ast.Attribute) else None
    while isinstance(value, ast.Attribute):
        value = value.value
    if isinstance(value, ast.Name):
        is_layer = isinstance(node.func, ast.Attribute) and _is_self(code, node, node.func.value)
        return value.id not in code.imports.values() and not is_layer
    return value is not None


def primary(code: Code, node: ast.expr) -> str:
    """The text of an expression, in parentheses where a method could not follow it."""
    text = code.text_of(node)
    is_primary = isinstance(node, ast.Name | ast.Attribute | ast.Call | ast.Subscript)
    return text if is_primary else f"({text})"


def operand_of(code: Code, node: ast.Call) -> ast.expr | None:
    """The tensor that a method or the first argument of a function is about."""
    if is_method(code, node):
        return node.func.value if isinstance(node.func, ast.Attribute) else None
    return next(iter([*arguments_of(node), *keywords_of(node).values()]), None)


def _is_self(code: Code, node: ast.AST, value: ast.expr) -> bool:
    return isinstance(value, ast.Name) and value.id == _self_around(code, node)


def _self_around(code: Code, node: ast.AST) -> str | None:
    """The first parameter of the method around a node; None in a function."""
    function = code.around(node, ast.FunctionDef)
    if function is None or code.around(function, ast.ClassDef) is None:
        return None
    return next(iter(parameters_of(function)), None)
