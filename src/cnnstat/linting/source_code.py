"""The source of classes: their first lines, and where they assign attributes."""

from __future__ import annotations

import ast
import linecache
from collections.abc import Iterator
from functools import cache
from types import FunctionType
from typing import Any

from ..diagnosis.class_syntax import method_named
from ..diagnosis.literals import Span
from ..diagnosis.source_text import span_of
from ..trace.records import Frame


def file_of(cls: type) -> str | None:
    """The file that defines a class, by its methods; None for one without a method in Python."""
    for value in vars(cls).values():
        function = getattr(value, "__func__", value)
        function = getattr(function, "__wrapped__", function)
        if isinstance(function, FunctionType) and function.__module__ == cls.__module__:
            return function.__code__.co_filename
    return None


def class_line(cls: type) -> Frame | None:
    """`class Net(nn.Module):`"""
    node = _definition(cls)
    if node is None:
        return None
    return Frame(file_of(cls) or "", cls.__name__, node.lineno, node.col_offset, node.lineno, 0)


def assignment_of(cls: type, attribute: str) -> Frame | None:
    """The first statement of a class that assigns `self.attribute`; that of `__init__` first."""
    for function, statement, target in _assigning(cls, attribute):
        end = statement.end_lineno or target.lineno
        return Frame(
            file_of(cls) or "", function, target.lineno, target.col_offset, end,
            statement.end_col_offset or 0,
        )  # fmt: skip
    return None


def value_of(cls: type, attribute: str) -> Span | None:
    """The expression that is assigned there; None if it is one of several targets."""
    for _, statement, target in _assigning(cls, attribute):
        is_plain = isinstance(statement, ast.Assign) and statement.targets == [target]
        return span_of(statement.value, file_of(cls) or "") if is_plain else None  # type: ignore[attr-defined]
    return None


def last_statement(cls: type, method: str) -> Frame | None:
    """The last statement of a method that a class defines."""
    definition = _definition(cls)
    node = None if definition is None else method_named(definition, method)
    if node is None:
        return None
    last = node.body[-1]
    return Frame(file_of(cls) or "", method, last.lineno, last.col_offset,
                 last.end_lineno or last.lineno, last.end_col_offset or 0)  # fmt: skip


def _assigning(cls: type, attribute: str) -> Iterator[tuple[str, ast.stmt, ast.Attribute]]:
    node = _definition(cls)
    methods = [item for item in node.body if isinstance(item, ast.FunctionDef)] if node else []
    methods.sort(key=lambda method: method.name != "__init__")
    for method in methods:
        for statement, target in _assignments(method):
            if target.attr == attribute:
                yield method.name, statement, target


def _assignments(method: ast.FunctionDef) -> Iterator[tuple[ast.stmt, ast.Attribute]]:
    if not method.args.args:
        return
    this = method.args.args[0].arg
    for node in ast.walk(method):
        targets: list[Any] = []
        if isinstance(node, ast.Assign):
            targets = node.targets
        elif isinstance(node, ast.AnnAssign | ast.AugAssign):
            targets = [node.target]
        for target in targets:
            for part in target.elts if isinstance(target, ast.Tuple) else [target]:
                value = part.value if isinstance(part, ast.Attribute) else None
                if isinstance(value, ast.Name) and value.id == this:
                    yield node, part  # type: ignore[misc]  # a statement, by its targets


def _definition(cls: type) -> ast.ClassDef | None:
    file = file_of(cls)
    if file is None:
        return None
    found = [n for n in _classes(file) if n.name == cls.__name__]
    first = min((_first_line(v) for v in vars(cls).values()), default=0)
    within = [n for n in found if n.lineno <= first <= (n.end_lineno or 0)]
    return next(iter(within or found), None)


def _first_line(value: Any) -> Any:
    code = getattr(getattr(value, "__func__", value), "__code__", None)
    return getattr(code, "co_firstlineno", float("inf"))


@cache
def _classes(file: str) -> list[ast.ClassDef]:
    try:
        tree = ast.parse("".join(linecache.getlines(file)))
    except (SyntaxError, ValueError, RecursionError):
        return []
    return [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
