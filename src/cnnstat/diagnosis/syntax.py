"""The syntax of the user's source around a place, and replacements in its style.

Kinds of edits that insert or wrap text find here the expression that failed, the statement,
function and class around it, and the names by which the file imports torch.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TypeVar

from ..trace.records import Frame
from .literals import Span
from .source_text import Replacement, parsed, piece, span_of

N = TypeVar("N", bound=ast.AST)
Evaluated = ast.expr | ast.AugAssign
_PRIMARY = (ast.Name, ast.Attribute, ast.Call, ast.Subscript, ast.List, ast.Tuple)
_FUNCTIONAL = "torch.nn.functional"


@dataclass(frozen=True)
class Code:
    """A source file with its syntax."""

    file: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        return parsed(self.text)

    @cached_property
    def parents(self) -> dict[ast.AST, ast.AST]:
        return {child: node for node in ast.walk(self.tree) for child in ast.iter_child_nodes(node)}

    @cached_property
    def _by_end(self) -> dict[tuple[int | None, int | None], list[Evaluated]]:
        found: dict[tuple[int | None, int | None], list[Evaluated]] = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.expr | ast.AugAssign):
                found.setdefault((node.end_lineno, node.end_col_offset), []).append(node)
        return found

    # Nodes

    def at(self, frame: Frame) -> Evaluated | None:
        """The expression that a frame evaluates, or the statement of an `+=`."""
        ending = self._by_end.get((frame.end_line, frame.end_column), [])
        exact = [n for n in ending if (n.lineno, n.col_offset) == (frame.line, frame.column)]
        # The position of a call of a method on a line of its own begins at the method's name.
        calls = [n for n in ending if isinstance(n, ast.Call)]
        return next(iter([*exact, *calls]), None)

    def call_at(self, frame: Frame) -> ast.Call | None:
        """The call that a frame evaluates; None if it is in no call, as in an operator."""
        node = self.at(frame)
        return node if isinstance(node, ast.Call) else None

    def around(self, node: ast.AST, kind: type[N]) -> N | None:
        """The nearest node of a kind around another."""
        above = self.parents.get(node)
        while above is not None and not isinstance(above, kind):
            above = self.parents.get(above)
        return above

    def statement(self, node: ast.AST) -> ast.stmt:
        found = node if isinstance(node, ast.stmt) else self.around(node, ast.stmt)
        assert found is not None
        return found

    def text_of(self, node: ast.AST) -> str:
        return piece(self.text, span_of(node, self.file))

    def calls_of(self, name: str, within: ast.AST) -> list[ast.Call]:
        """The calls of a function or method of this name, in their order."""
        return [node for node in nodes(within, ast.Call) if name_of_called(node) == name]

    # Names of torch

    @cached_property
    def imports(self) -> dict[str, str]:
        """The full name of each name that the file imports at its top level → the name."""
        found: dict[str, str] = {}
        for node in self.tree.body:
            if isinstance(node, ast.Import):
                for alias in node.names:
                    short = alias.asname or alias.name.partition(".")[0]
                    found.setdefault(alias.name if alias.asname else short, short)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                for alias in node.names:
                    found.setdefault(f"{node.module}.{alias.name}", alias.asname or alias.name)
        return found

    def named(self, full: str) -> str | None:
        """A name of torch as the file can write it: `nn.ReLU` for torch.nn.ReLU."""
        head, rest = full, ""
        while head:
            if head in self.imports:
                return self.imports[head] + rest
            head, _, tail = head.rpartition(".")
            rest = f".{tail}{rest}"
        return None

    def layer(self, name: str) -> str | None:
        """`nn.Flatten` for "Flatten"."""
        return self.named(f"torch.nn.{name}")

    def layer_and_import(self, name: str) -> tuple[str, tuple[Replacement, ...]] | None:
        """Likewise; the name is added to `from torch.nn import …` where the file has only that."""
        written = self.layer(name)
        if written is not None:
            return written, ()
        for node in self.tree.body:
            if isinstance(node, ast.ImportFrom) and node.module == "torch.nn" and not node.level:
                return name, (self.inserted_behind(node.names[-1], f", {name}"),)
        return None

    def function(self, name: str) -> str | None:
        """`F.pad` for "pad"."""
        return self.named(f"{_FUNCTIONAL}.{name}")

    # Replacements

    def replacement(self, node: ast.AST, text: str) -> Replacement:
        return Replacement(span_of(node, self.file), text)

    def wrapped(self, node: ast.expr, before: str, after: str) -> Replacement:
        """An expression between two texts; before one that begins with a dot it is in parentheses
        where necessary.
        """
        if not before and isinstance(node, _PRIMARY) and node.lineno != node.end_lineno:
            return self.inserted_behind(node, after)  # so that one line is shown
        text = self.text_of(node)
        if after[:1] in (".", "[") and not before and not isinstance(node, _PRIMARY):
            text = f"({text})"
        return self.replacement(node, f"{before}{text}{after}")

    def inserted_before(self, node: ast.expr, text: str) -> Replacement:
        """Text directly in front of an expression."""
        place = span_of(node, self.file)
        return Replacement(
            Span(self.file, place.line, place.column, place.line, place.column), text
        )

    def inserted_behind(self, node: ast.AST, text: str) -> Replacement:
        place = span_of(node, self.file)
        line, column = place.end_line, place.end_column
        return Replacement(Span(self.file, line, column, line, column), text)

    def line_before(self, statement: ast.stmt, lines: str) -> Replacement:
        """Lines, with the indentation of a statement, in front of it."""
        decorators = getattr(statement, "decorator_list", None)
        first = decorators[0].lineno if decorators else statement.lineno
        return self._lines_at(first, self.indentation(statement), lines)

    def line_after(self, statement: ast.stmt, lines: str) -> Replacement | None:
        """Likewise behind it; None at the end of a file without a last line break."""
        assert statement.end_lineno is not None
        if statement.end_lineno >= len(self.text.split("\n")):
            return None
        return self._lines_at(statement.end_lineno + 1, self.indentation(statement), lines)

    def indentation(self, statement: ast.stmt) -> str:
        line = self.text.split("\n")[statement.lineno - 1]
        return line[: len(line) - len(line.lstrip())]

    def _lines_at(self, number: int, indentation: str, lines: str) -> Replacement:
        indented = "".join(f"{indentation * bool(line)}{line}\n" for line in lines.split("\n"))
        return Replacement(Span(self.file, number, 0, number, 0), indented)


@lru_cache(maxsize=16)
def code_of(file: str, text: str) -> Code:
    return Code(file, text)


def nodes(within: ast.AST, kind: type[N]) -> list[N]:
    """All nodes of a kind inside another, in the order of the source."""
    found = [node for node in ast.walk(within) if isinstance(node, kind)]
    return sorted(found, key=lambda n: (getattr(n, "lineno", 0), getattr(n, "col_offset", 0)))


def name_of_called(call: ast.Call) -> str:
    """The last part of the name of a call's function: `view` of `x.view(1)`."""
    return last_name(call.func)


def last_name(node: ast.expr) -> str:
    """The last part of a dotted name; empty for any other expression."""
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def arguments_of(call: ast.Call) -> list[ast.expr]:
    """The positional arguments of a call, with those that are unpacked from a sequence."""
    return call.args


def arguments_by_place(call: ast.Call) -> list[ast.expr]:
    """Likewise up to the first that is unpacked: the place of each is that of its parameter."""
    unpacked = [place for place, node in enumerate(call.args) if isinstance(node, ast.Starred)]
    return call.args[: unpacked[0]] if unpacked else call.args


def last_argument(call: ast.Call) -> ast.expr | ast.keyword | None:
    """With its name; None for a call without arguments."""
    arguments: list[ast.expr | ast.keyword] = [*call.args, *call.keywords]
    return max(arguments, key=lambda a: (a.end_lineno or 0, a.end_col_offset or 0), default=None)


def keywords_of(call: ast.Call) -> dict[str, ast.expr]:
    return {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}


def keyword_name(keyword: ast.keyword) -> str | None:
    return keyword.arg


def argument(call: ast.Call, position: int, name: str) -> ast.expr | None:
    """An argument, by position or by name; None if it is not written or unpacked from a list."""
    named = keywords_of(call).get(name)
    by_place = arguments_by_place(call)
    return by_place[position] if named is None and position < len(by_place) else named


def parameters_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    return [a.arg for a in (*function.args.posonlyargs, *function.args.args)]


def is_simple(node: ast.expr) -> bool:
    """Whether an expression is a name, an attribute or an item, which may be evaluated twice."""
    return not any(isinstance(n, ast.Call | ast.NamedExpr | ast.Await) for n in ast.walk(node))


def assigned_name(statement: ast.stmt, value: ast.expr | None = None) -> str | None:
    """`x` in `x = …`; None if several names are assigned, or something else than `value`."""
    if not isinstance(statement, ast.Assign) or len(statement.targets) != 1:
        return None
    target = statement.targets[0]
    if value is not None and statement.value is not value:
        return None
    return target.id if isinstance(target, ast.Name) else None


def lines_of_node(code: Code, node: ast.stmt) -> list[str]:
    """The lines of a statement, without its decorators."""
    return code.text.split("\n")[node.lineno - 1 : node.end_lineno]
