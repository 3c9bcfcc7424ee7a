"""Mistakes in the definition of a class: a constructor that does not call that of nn.Module,
methods without `self`, under another name or inside of another method, and values that a comma
makes tuples.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from ..changes import Change, Proposal, Situation
from ..class_syntax import (
    functions_without_self,
    methods_misnamed,
    nested_methods,
    statements_with_comma,
    wrong_constructors,
)
from ..literals import Span
from ..source_text import Replacement, span_of
from ..syntax import Code, code_of, lines_of_node, nodes
from ..weights import Features, Prior

_ERRORS = {"AttributeError", "TypeError", "NotImplementedError", "NameError", "RuntimeError"}
_CALL = "super().__init__()"


def class_definitions(situation: Situation) -> Iterator[Proposal]:
    if situation.failure.error not in _ERRORS:
        return
    for file, text in situation.texts.items():
        code = code_of(file, text)
        for replacement in _edits(code):
            yield Proposal(
                Change(replacements=(replacement,)), Features(prior=Prior.CLASS_DEFINITION)
            )
        for replacements in _constructors_first(code):
            yield Proposal(
                Change(replacements=replacements), Features(prior=Prior.CLASS_DEFINITION)
            )
        commas = tuple(_comma(code, s) for s in statements_with_comma(code))
        if commas:
            yield Proposal(Change(replacements=commas), Features(prior=Prior.TRAILING_COMMA))


def _edits(code: Code) -> Iterator[Replacement]:
    for constructor, wrong in wrong_constructors(code):
        if wrong is not None:
            yield code.replacement(wrong, _CALL)
        else:
            yield code.line_before(constructor.body[_after_docstring(constructor)], _CALL)
    for function in functions_without_self(code):
        yield _self(code, function)
    for function, name in methods_misnamed(code):
        yield Replacement(_name_span(code, function), name)
    for function, cls in nested_methods(code):
        yield _dedented(code, function, function.col_offset - cls.body[0].col_offset)


def _constructors_first(code: Code) -> Iterator[tuple[Replacement, ...]]:
    """`super().__init__()` in front of what a constructor assigns."""
    for constructor in nodes(code.tree, ast.FunctionDef):
        if constructor.name != "__init__":
            continue
        first = _after_docstring(constructor)
        for statement in constructor.body[first + 1 :]:
            text = code.text_of(statement)
            if text.startswith("super(") and ".__init__(" in text:
                end = statement.end_lineno or statement.lineno
                removed = Span(code.file, statement.lineno, 0, end + 1, 0)
                yield code.line_before(constructor.body[first], text), Replacement(removed, "")


def _after_docstring(function: ast.FunctionDef) -> int:
    first = function.body[0]
    is_docstring = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    return 1 if is_docstring and len(function.body) > 1 else 0


def _name_span(code: Code, function: ast.FunctionDef) -> Span:
    line = lines_of_node(code, function)[0].encode()
    column = line.index(function.name.encode(), function.col_offset + len("def "))
    end = column + len(function.name.encode())
    return Span(code.file, function.lineno, column, function.lineno, end)


def _self(code: Code, function: ast.FunctionDef) -> Replacement:
    line = lines_of_node(code, function)[0].encode()
    place = line.index(b"(", function.col_offset) + 1
    span = Span(code.file, function.lineno, place, function.lineno, place)
    return Replacement(span, "self" if line[place:].lstrip().startswith(b")") else "self, ")


def _dedented(code: Code, function: ast.FunctionDef, columns: int) -> Replacement:
    first = min([function.lineno, *(d.lineno for d in function.decorator_list)])
    end = function.end_lineno or function.lineno
    lines = code.text.split("\n")[first - 1 : end]
    text = "\n".join(line[columns:] if not line[:columns].strip() else line for line in lines)
    return Replacement(Span(code.file, first, 0, end, len(lines[-1].encode())), text)


def _comma(code: Code, statement: ast.Assign | ast.Return) -> Replacement:
    """The value without the comma that makes it a tuple."""
    assert isinstance(statement.value, ast.Tuple)
    element = span_of(statement.value.elts[0], code.file)
    value = span_of(statement.value, code.file)
    behind = Span(code.file, element.end_line, element.end_column, value.end_line, value.end_column)
    return Replacement(behind, "")
