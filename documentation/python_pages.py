"""The reference of the Python API in Markdown: signatures, docstrings and fields of the results."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import cnnstat
from cnnstat.results import Record, Result

from .command_pages import code

PAGE = Path(__file__).parent.parent / "docs" / "python.md"
RESULTS = PAGE.with_name("results.md")
_HEAD = """# Results

The records that the [functions](python.md) return, and that JSON has with the same names. They
are frozen, with the methods that [Python API](python.md) lists. A missing figure is `None`, never
0. This page is written by `make reports`.

## What the functions return"""
MARK = "<!-- below this line: written by make reports -->"
_SECTION = re.compile(r"^(Args|Raises|Returns|Yields):\n((?:(?:    .*)?\n)*)", re.MULTILINE)


def python_pages() -> dict[Path, str]:
    """The page of the functions, below what is written by hand, and that of their results."""
    by_hand = PAGE.read_text(encoding="utf-8").partition(MARK)[0]
    public = {name: getattr(cnnstat, name) for name in cnnstat.__all__ if name[0] != "_"}
    classes = [value for value in public.values() if inspect.isclass(value)]
    errors = [c for c in classes if issubclass(c, Exception)]
    records = [c for c in classes if c not in errors]
    inner = sorted(_inner(records), key=lambda record: str(record.__name__))
    functions = [_function(n, value) for n, value in public.items() if inspect.isfunction(value)]
    page = [by_hand.strip(), MARK, "## Functions", *functions, "## Errors", *map(_class, errors)]
    results = [_HEAD, *map(_record, records), "## Records in the results", *map(_record, inner)]
    return {PAGE: "\n\n".join(page) + "\n", RESULTS: "\n\n".join(results) + "\n"}


def _function(name: str, function: Any) -> str:
    signature = _signature(f"cnnstat.{name}", inspect.signature(function))
    return f"### {name}\n\n```python\n{signature}\n```\n\n{_docstring(function)}"


def _signature(name: str, signature: inspect.Signature) -> str:
    result = signature.return_annotation
    arrow = "" if result is inspect.Signature.empty else f" -> {result}"
    parts = list(_parameters(signature.parameters.values()))
    line = f"{name}({', '.join(parts)}){arrow}"
    if len(line) <= 88:
        return line
    return "\n".join([f"{name}(", *(f"    {part}," for part in parts), f"){arrow}"])


def _parameters(parameters: Iterable[inspect.Parameter]) -> Iterator[str]:
    is_starred = False
    for parameter in parameters:
        if parameter.kind is parameter.KEYWORD_ONLY and not is_starred:
            yield "*"
            is_starred = True
        is_starred = is_starred or parameter.kind is parameter.VAR_POSITIONAL
        default = parameter.default
        if default is not parameter.empty:
            default = _Bare(_written(default))
        yield str(parameter.replace(annotation=_Bare(parameter.annotation), default=default))


def _written(value: object) -> str:
    """A default as it is written in the source."""
    if isinstance(value, str):
        return f'"{value}"'
    return value.__qualname__ if inspect.isroutine(value) else repr(value)


class _Bare(str):
    """An annotation that is shown as it is written, not in quotation marks."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def _record(record: Any) -> str:
    text = _class(record)
    fields = getattr(record, "__struct_fields__", ())
    hidden = ("kind", "schema_version") if issubclass(record, Result) else ()
    types = {key: kind for c in reversed(record.__mro__) for key, kind in _annotations(c).items()}
    rows = [f"| `{field}` | {code(str(types[field]))} |" for field in fields if field not in hidden]
    if rows:
        text += "\n\n" + "\n".join(["| field | type |", "| --- | --- |", *rows])
    return text


def _inner(records: Iterable[Any]) -> set[Any]:
    """The records in the fields of others, to any depth, without these."""
    known = set(records)
    found: set[Any] = set()
    waiting = list(known)
    while waiting:
        record = waiting.pop()
        names = set(re.findall(r"\w+", " ".join(map(str, _annotations(record).values()))))
        module = sys.modules[record.__module__]
        for value in (getattr(module, name, None) for name in names):
            if inspect.isclass(value) and issubclass(value, Record) and value not in known | found:
                found.add(value)
                waiting.append(value)
    return found


def _annotations(cls: Any) -> dict[str, str]:
    return inspect.get_annotations(cls)


def _class(cls: Any) -> str:
    return f"### {cls.__name__}\n\n{_docstring(cls)}"


def _docstring(value: Any) -> str:
    text = inspect.cleandoc(value.__doc__ or "") + "\n"
    text = re.sub(r"^>>> .*(?:\n(?:>>>|\.\.\.) .*)*", _as_code, text, flags=re.MULTILINE)
    return re.sub(r"\n{3,}", "\n\n", _SECTION.sub(_as_list, text)).strip()


def _as_code(found: re.Match[str]) -> str:
    return f"```python\n{re.sub(r'^(>>>|[.]{3}) ', '', found[0], flags=re.MULTILINE)}\n```"


def _as_list(found: re.Match[str]) -> str:
    """A section of a docstring: a list, of which each item begins with names and a colon."""
    items: list[str] = []
    for line in inspect.cleandoc("\n" + found[2]).splitlines():
        if line.startswith(" ") and items:
            items[-1] += f" {line.strip()}"
        elif line:
            items.append(line)
    title = "Arguments" if found[1] == "Args" else found[1]
    return f"\n**{title}**\n\n" + "\n".join(f"- {_item(item)}" for item in items) + "\n"


def _item(text: str) -> str:
    names, colon, meaning = text.partition(": ")
    if not colon or not re.fullmatch(r"[\w, ]+", names):
        return text
    return f"{', '.join(f'`{name}`' for name in names.split(', '))}: {meaning}"
