"""Edits of statements: what an attribute is assigned, a comment, a missing `return`."""

from __future__ import annotations

import ast
from collections.abc import Sequence, Set

from ...diagnosis.changes import Change
from ...diagnosis.class_syntax import method_named
from ...diagnosis.edits.returned_values import returning
from ...diagnosis.literals import Span
from ...diagnosis.source_text import Replacement
from ...diagnosis.syntax import Code, arguments_of, keywords_of, name_of_called, parameters_of
from ...trace.records import Frame
from ..places import Places
from ..registry import Plan


def in_module_list(owner: str, attribute: str, container: str) -> Plan:
    """Wrap the value of an attribute in `nn.ModuleList`, or another container of torch.nn."""

    def planned(places: Places, paths: Set[str]) -> Change | None:
        found = places.value(owner, attribute)
        if found is None:
            return None
        code, value = found
        name = code.layer(container)
        if name is None:
            return None
        text = f"{name}({code.text_of(value)})"
        return Change(replacements=(code.replacement(value, text),))

    return planned


def as_buffer(owner: str, attribute: str) -> Plan:
    """`self.register_buffer("name", value)` instead of `self.name = value`."""

    def planned(places: Places, paths: Set[str]) -> Change | None:
        found = places.value(owner, attribute)
        if found is None:
            return None
        code, value = found
        statement = code.statement(value)
        this = code.text_of(statement.targets[0].value)  # type: ignore[attr-defined]
        text = f'{this}.register_buffer("{attribute}", {code.text_of(value)})'
        return Change(replacements=(code.replacement(statement, text),))

    return planned


def created_each(owner: str, attribute: str) -> Plan:
    """`[nn.Linear(8, 8) for _ in range(3)]` for `[nn.Linear(8, 8)] * 3`."""

    def planned(places: Places, paths: Set[str]) -> Change | None:
        found = places.value(owner, attribute)
        if found is None:
            return None
        code, value = found
        replacements = tuple(
            code.replacement(node, text) for node in ast.walk(value)
            if isinstance(node, ast.BinOp) and (text := _created_each(code, node)) is not None
        )  # fmt: skip
        return Change(replacements=replacements) if replacements else None

    return planned


def _created_each(code: Code, node: ast.BinOp) -> str | None:
    layers = node.left
    if not isinstance(node.op, ast.Mult) or not isinstance(layers, ast.List):
        return None
    if not layers.elts or not all(isinstance(item, ast.Call) for item in layers.elts):
        return None  # names of layers that were created before
    texts = [code.text_of(item) for item in layers.elts]
    times = f"for _ in range({code.text_of(node.right)})"
    if len(texts) == 1:
        return f"[{texts[0]} {times}]"
    return f"[layer {times} for layer in ({', '.join(texts)})]"


def in_constructor(frame: Frame) -> Plan:
    """An attribute that the constructor creates, for a layer that `forward` creates at `frame`."""

    def planned(places: Places, paths: Set[str]) -> Change | None:
        code = places.code(frame.file)
        node = None if code is None else code.at(frame)
        cls = None if code is None or node is None else code.around(node, ast.ClassDef)
        if code is None or cls is None or not isinstance(node, ast.Call):
            return None
        constructor = method_named(cls, "__init__")
        values = [*arguments_of(node), *keywords_of(node).values()]
        if constructor is None or not all(_is_known_there(value) for value in values):
            return None
        this = next(iter(parameters_of(constructor)), "self")
        name = _free_name(name_of_called(node).lower(), code.text_of(cls))
        line = code.line_after(constructor.body[-1], f"{this}.{name} = {code.text_of(node)}")
        if line is None:
            return None
        return Change(replacements=(line, code.replacement(node, f"self.{name}")))

    return planned


def _is_known_there(node: ast.expr) -> bool:
    """Whether an argument is a constant or an attribute of `self`, as the constructor has them."""
    if isinstance(node, ast.Attribute):
        return isinstance(node.value, ast.Name) and node.value.id == "self"
    return isinstance(node, ast.Constant)


def _free_name(name: str, text: str) -> str:
    names = (f"{name}{number or ''}" for number in range(100))
    return next(name for name in names if f".{name}" not in text)


def with_return(frame: Frame) -> Plan:
    """A `return` at the end of the function whose last statement is at `frame`."""

    def planned(places: Places, paths: Set[str]) -> Change | None:
        code = places.code(frame.file)
        last = None if code is None else next(
            (node for node in ast.walk(code.tree) if isinstance(node, ast.stmt)
             and (node.lineno, node.col_offset) == (frame.line, frame.column)), None,
        )  # fmt: skip
        function = None if code is None or last is None else code.around(last, ast.FunctionDef)
        if code is None or function is None:
            return None
        replacement = next(filter(None, returning(code, function)), None)
        return None if replacement is None else Change(replacements=(replacement,))

    return planned


def without_codes(frame: Frame, left: Sequence[str]) -> Plan:
    """A comment `# cnnstat: ignore[…]` with these codes only, or without any, removed."""

    def planned(places: Places, paths: Set[str]) -> Change | None:
        code = places.code(frame.file)
        line = "" if code is None else code.text.split("\n")[frame.line - 1]
        before = line.encode()[: frame.column].decode()
        comment = line.encode()[frame.column : frame.end_column].decode()
        if code is None or line.rstrip() != before + comment:
            return None  # a reason follows
        column, end, text = frame.column, frame.end_column, ""
        if left:
            text = f"{comment.partition('[')[0]}[{', '.join(left)}]"
        elif before.strip():
            column = len(before.rstrip().encode())
        else:  # the whole line
            return _replaced(Span(frame.file, frame.line, 0, frame.line + 1, 0), "")
        return _replaced(Span(frame.file, frame.line, column, frame.line, end), text)

    return planned


def _replaced(span: Span, text: str) -> Change:
    return Change(replacements=(Replacement(span, text),))
