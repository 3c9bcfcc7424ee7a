"""Suggestions for a user's file that does not parse or uses names that do not exist."""

from __future__ import annotations

import ast
import importlib
import io
import keyword
import os
import pkgutil
import sys
import tokenize
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from ..errors import NotFound, closest
from ..input_files import read_source
from .missing_files import in_circle, no_file

_MAX_SUGGESTIONS = 8
_SHORTEST = 2  # letters; most names are close to one so short


def check_exists(path: Path) -> None:
    """Raise NotFound unless the file exists, with what is there."""
    if os.path.isfile(path):  # unlike Path.is_file, it answers for names of any length
        return
    if os.path.lexists(path) and not in_circle(path):
        is_link = os.path.islink(path) and not os.path.exists(path)
        raise NotFound(f"{path} is {'a link that leads to no' if is_link else 'no regular'} file")
    raise no_file(path)


_OF_NOTEBOOKS = {"get_ipython", "display"}


def suggestions(error: BaseException, file: str | None) -> list[str]:
    """Existing names close to the misspelt one; if the file has several, all of them by line."""
    if not isinstance(error, AttributeError | NameError | ImportError):
        return []
    found = (
        list(islice(_misspelt(Path(file)), _MAX_SUGGESTIONS))
        if file and file.endswith(".py")
        else []
    )
    if len(found) > 1:
        return [f"line {x.line}: {x.written} — {x.hint}" for x in found]
    close = close_names(error)
    if isinstance(error, NameError) and error.name in _OF_NOTEBOOKS:
        return [f"a notebook's export: delete the lines with {error.name}"]
    return [f"did you mean {', '.join(close)}?"] if close else []


def close_names(error: BaseException) -> list[str]:
    """Existing names close to the one that an exception is about, the closest first."""
    name = getattr(error, "name", None)
    if isinstance(error, AttributeError) and name and getattr(error, "obj", None) is not None:
        return _of_object(name, error.obj)
    if isinstance(error, NameError) and name:
        step = error.__traceback__
        known: set[str] = set()
        while step is not None:
            known = {*step.tb_frame.f_locals, *step.tb_frame.f_globals}
            step = step.tb_next
        words = [word for word in keyword.kwlist if word.lower() == name.lower()]
        others = sorted(n for n in known if not n.startswith("_") and n != name)
        return words or (_near(name, others) if len(name) > _SHORTEST else [])
    if isinstance(error, ImportError) and "cannot import name" in str(error) and error.name:
        missing = str(error).split("'")[1]
        try:
            return _near(missing, _public(importlib.import_module(error.name)))
        except Exception:  # a module that cannot be imported has no names to suggest
            return []
    if isinstance(error, ModuleNotFoundError) and name:
        return _modules_near(name)
    return []


def _of_object(name: str, owner: Any) -> list[str]:
    """Those that the model's own code gave the object come first."""
    if isinstance(owner, ModuleType):
        return _near(name, _public(owner))
    near = [*_near(name, attributes_of(owner)), *_near(name, _public(owner), 0.7)]
    return list(dict.fromkeys(near))


def attributes_of(owner: Any) -> list[str]:
    """The modules, parameters and other attributes that code set on an object."""
    fields = getattr(owner, "__dict__", {})
    found = [key for part in _PARTS_OF_MODULES for key in fields.get(part) or ()]
    return found + [key for key in fields if not key.startswith("_") and key != "training"]


_PARTS_OF_MODULES = ("_modules", "_parameters", "_buffers")


def _modules_near(name: str) -> list[str]:
    """Modules that can be imported in the place of a missing one."""
    parent, _, last = name.rpartition(".")
    if not parent:
        known = {m.name for m in pkgutil.iter_modules()} | set(sys.stdlib_module_names)
        return _near(last, sorted(n for n in known if not n.startswith("_")), 0.8)
    package = sys.modules.get(parent)
    paths = getattr(package, "__path__", None)
    return [] if paths is None else [
        f"{parent}.{near}" for near in _near(last, [m.name for m in pkgutil.iter_modules(paths)])
    ]  # fmt: skip


def _near(name: str, known: list[str], cutoff: float = 0.5) -> list[str]:
    """The closest known names; only one if it differs in case alone."""
    same = [other for other in known if other.lower() == name.lower()]
    return same[:1] or closest(name, known, cutoff)


def _public(value: Any) -> list[str]:
    return [name for name in dir(value) if not name.startswith("_")]


class Misspelt(NamedTuple):
    """An attribute that does not exist in its module, as written; `near` are existing names."""

    line: int
    column: int
    written: str
    near: list[str]
    module: str

    @property
    def hint(self) -> str:
        if not self.near:
            return f"{self.module} has no such name"
        return f"did you mean {', '.join(self.near)}?"


def _misspelt(path: Path) -> Iterator[Misspelt]:
    try:
        yield from misspelt_in(read_source(path).text)
    except (OSError, SyntaxError, ValueError, MemoryError, RecursionError):
        return


def misspelt_in(text: str) -> Iterator[Misspelt]:
    """Every attribute in a source that does not exist in its module, which the source imports.

    The column is that of the attribute's end, in bytes from 0.
    """
    program = ast.parse(text)
    modules = dict(_imported(program))
    for node in ast.walk(program):
        if not isinstance(node, ast.Attribute) or not isinstance(node.value, ast.Name):
            continue
        module = modules.get(node.value.id)
        if module is not None and not hasattr(module, node.attr):
            written = f"{node.value.id}.{node.attr}"
            near = _near(node.attr, _public(module))
            end = node.end_col_offset or 0
            yield Misspelt(node.end_lineno or node.lineno, end, written, near, module.__name__)


def _imported(program: ast.Module) -> Iterator[tuple[str, ModuleType]]:
    """The modules of torch that a file imports, with the names they are bound to.

    Only torch's: they are imported already, others might have side effects.
    """
    for node in ast.walk(program):
        if isinstance(node, ast.Import):
            for alias in node.names:
                # import a.b binds a, import a.b as c binds a.b
                path = alias.name if alias.asname else alias.name.partition(".")[0]
                yield from _torch_module(alias.asname or path, path)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                yield from _torch_module(alias.asname or alias.name, f"{node.module}.{alias.name}")


def _torch_module(name: str, path: str) -> Iterator[tuple[str, ModuleType]]:
    if path.partition(".")[0] != "torch":
        return
    try:
        yield name, importlib.import_module(path)
    except ImportError:  # a class or function, not a module
        return


def missing_comma(error: SyntaxError) -> str | None:
    """Where one more comma makes the file parse, found by trying each token; None if none does."""
    if error.filename is None or error.lineno is None:
        return None
    try:
        text = read_source(error.filename).text
    except (OSError, ValueError):
        return None
    lines = text.splitlines(keepends=True)
    last = error.end_lineno or error.lineno
    for row, column in _token_ends(text, error.lineno, last):
        line = lines[row - 1]
        changed = [*lines[: row - 1], f"{line[:column]},{line[column:]}", *lines[row:]]
        try:
            ast.parse("".join(changed))
        except (SyntaxError, MemoryError, RecursionError):  # the latter two for deep nesting
            continue
        return f"a comma is missing at line {row}, behind {line[:column].strip()[-40:]}"
    return None


def _token_ends(text: str, first: int, last: int) -> Iterator[tuple[int, int]]:
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            inside = first <= token.end[0] <= last
            if inside and token.type in (tokenize.OP, tokenize.NAME, tokenize.NUMBER):
                yield token.end
    except (tokenize.TokenError, SyntaxError):
        return
