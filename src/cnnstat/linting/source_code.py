"""The source of classes: their first lines, and where they assign attributes."""

from __future__ import annotations

import ast
import linecache
from collections.abc import Iterator
from functools import cache
from types import FunctionType
from typing import Any

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
    node = _definition(cls)
    if node is None:
        return None
    methods = [item for item in node.body if isinstance(item, ast.FunctionDef)]
    methods.sort(key=lambda method: method.name != "__init__")
    for method in methods:
        for statement, target in _assignments(method):
            if target.attr == attribute:
                return Frame(file_of(cls) or "", method.name, target.lineno, target.col_offset,
                             statement.end_lineno or target.lineno,
                             statement.end_col_offset or 0)  # fmt: skip
    return None


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
