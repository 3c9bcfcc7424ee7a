"""The place in the user's source where a run failed, and the calls that lead from there."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from ..trace.records import Call, Frame
from .changes import Situation
from .creation import Scope
from .literals import Literal
from .source_text import Replacement, span_of
from .syntax import (
    Code,
    Evaluated,
    argument,
    arguments_of,
    code_of,
    keywords_of,
    name_of_called,
)
from .uses import uses_of

_KEEPING_SHAPE = {
    "Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "Identity", "ReLU", "GELU", "SiLU", "ELU",
    "LeakyReLU", "Tanh", "Sigmoid",
}  # fmt: skip


_ADDING = {"append", "add_module"}


@dataclass(frozen=True)
class FailingCode:
    """An expression of the user's source that failed, or the statement of an `+=`.

    `entered` is the module that it calls, None if it calls none; `failed` the innermost call inside
    it, which is the same if the user calls the layer itself. `before` are the layers that it ran.
    """

    code: Code
    node: Evaluated
    entered: Call | None
    failed: Call | None
    before: tuple[Call, ...] = ()

    def is_same_input(self, call: Call) -> bool:
        """Whether the argument of the expression is what a call inside it gets, but for layers that
        keep its shape.
        """
        entered = self.entered
        if entered is None:
            return call is self.failed and call.module is None
        if not entered.inputs or not call.inputs:
            return False
        if entered.inputs[0].value == call.inputs[0].value:
            return True
        are_passed = all(c.module and c.module.base in _KEEPING_SHAPE for c in self.before)
        return are_passed and entered.inputs[0].shape == call.inputs[0].shape

    @property
    def function(self) -> ast.FunctionDef | None:
        return self.code.around(self.node, ast.FunctionDef)

    @property
    def operand(self) -> ast.expr | None:
        """The first argument of the failing call, the object of a method, or the left operand."""
        if isinstance(self.node, ast.BinOp):
            return self.node.left
        if isinstance(self.node, ast.Attribute):
            return self.node.value
        if not isinstance(self.node, ast.Call):
            return None
        if self.entered is None and isinstance(self.node.func, ast.Attribute):
            is_method = not isinstance(self.node.func.value, ast.Name) or (
                self.node.func.value.id not in self.code.imports.values()
            )
            if is_method:
                return self.node.func.value
        first = [*arguments_of(self.node), *keywords_of(self.node).values()][:1]
        return None if not first or isinstance(first[0], ast.Starred) else first[0]


def failing_code(situation: Situation) -> FailingCode | None:
    """None if no expression of the user's files failed."""
    failure = situation.failure
    frames = [frame for frame in failure.frames if frame.file in situation.texts]
    if not frames:
        return None
    code = code_of(frames[-1].file, situation.texts[frames[-1].file])
    node = code.at(frames[-1])
    if node is None:
        return None
    modules = [call for call in failure.calls if call.module is not None]
    entered = next(
        (c for c in modules if _innermost(situation, failure.called_at.get(c.index, ())) ==
         frames[-1]), None
    )  # fmt: skip
    failed = failure.calls[-1] if failure.calls else None
    before = tuple(
        call for call in failure.trace.calls
        if entered is not None and call.index > entered.index and call.index not in failure.open
    )  # fmt: skip
    return FailingCode(code, node, entered, failed, before)


def _innermost(situation: Situation, frames: tuple[Frame, ...]) -> Frame | None:
    return next((frame for frame in reversed(frames) if frame.file in situation.texts), None)


def called_from(situation: Situation, call: Call) -> tuple[Code, ast.Call] | None:
    """The expression of the user's source that makes a call."""
    frame = _innermost(situation, situation.failure.called_at.get(call.index, ()))
    return None if frame is None else call_at(situation, frame)


def call_at(situation: Situation, frame: Frame) -> tuple[Code, ast.Call] | None:
    """The call that a frame evaluates; None for anything else, and outside of the user's files."""
    if frame.file not in situation.texts:
        return None
    code = code_of(frame.file, situation.texts[frame.file])
    node = code.call_at(frame)
    return None if node is None else (code, node)


def creations(situation: Situation, path: str) -> Iterator[tuple[Code, ast.Call]]:
    """The calls that lead to the creation of a module, the innermost first."""
    return (found for _, found in scoped_creations(situation, path))


def scoped_creations(
    situation: Situation, path: str
) -> Iterator[tuple[Scope, tuple[Code, ast.Call]]]:
    """Likewise, each with what names mean where it is."""
    for scope in situation.scopes.get(path, ()):
        found = call_at(situation, scope.frame)
        if found is not None:
            yield scope, found


def layer_in_sequence(situation: Situation, path: str) -> tuple[Code, ast.expr] | None:
    """The element of a list or of the arguments of a call that creates a layer of a Sequential.

    It is the pair of a name and a layer in `OrderedDict([("fc", nn.Linear(3, 4))])`, and the call
    of `append` or `add_module` where the layer is added by that.
    """
    parent = situation.failure.trace.modules.get(path.rpartition(".")[0])
    if parent is None or parent.base != "Sequential":
        return None
    found = (
        (code, element) for code, node in creations(situation, path)
        if (element := sequence_element(code, node)) is not None
    )  # fmt: skip
    return next(found, None)


def sequence_element(code: Code, layer: ast.expr) -> ast.expr | None:
    """The element of a list, or of the arguments of a call, that creates a layer: see above."""
    element, above = layer, code.parents[layer]
    if isinstance(above, ast.Tuple) and isinstance(above.elts[0], ast.Constant):
        element, above = above, code.parents[above]
    if isinstance(above, ast.List):
        return element
    if isinstance(above, ast.Call) and element in arguments_of(above):
        return above if name_of_called(above) in _ADDING else element
    return None


def inserted_layers(code: Code, element: ast.expr, *layers: str) -> Replacement:
    """Layers in front of another one of a list, each on a line of its own where that is."""
    if isinstance(element, ast.Call) and name_of_called(element) in _ADDING:
        added = (_named(layer) if name_of_called(element) == "add_module" else layer
                 for layer in layers)  # fmt: skip
        called = code.text_of(element.func)
        statement = code.statement(element)
        return code.line_before(statement, "\n".join(f"{called}({layer})" for layer in added))
    if isinstance(element, ast.Tuple):
        layers = tuple(f"({_named(layer)})" for layer in layers)
    line = code.text.split("\n")[element.lineno - 1].encode()
    before = line[: element.col_offset].decode()
    between = f",\n{before}" if not before.strip() else ", "
    return code.inserted_before(element, "".join(f"{layer}{between}" for layer in layers))


def _named(layer: str) -> str:
    """`"flatten", nn.Flatten()`"""
    return f'"{layer.partition("(")[0].rpartition(".")[2].lower()}", {layer}'


def size_replaced(
    situation: Situation, path: str, name: str, value: int, factor: str = ""
) -> Replacement | None:
    """The replacement with which a layer is created with another first argument.

    `factor` is what the present value is multiplied with, as ` * 7 * 7`; it is used where the
    argument is a name that others depend on.
    """
    origins = {
        use.origin: len(uses) for uses in uses_of(situation.failure).values() for use in uses
        if use.module.path == path and use.name == name
    }  # fmt: skip
    for origin, count in origins.items():
        if isinstance(origin, Literal) and count == 1 and not origin.span.argument:
            return Replacement(origin.span, str(value))
    for code, node in creations(situation, path):
        written = argument(node, 0, name)
        if written is None:
            return None
        is_name = isinstance(written, ast.Name | ast.Attribute)
        text = f"{code.text_of(written)}{factor}" if factor and is_name else str(value)
        return Replacement(span_of(written, code.file), text)
    return None
