"""The models that Python files define, found without running them.

A class counts as a model if a base of it is one of torch.nn or of the usual libraries, by its name,
or another model of the file. Importing this file imports no torch.
"""

from __future__ import annotations

import ast
import json
import os
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

_BASE = re.compile(
    r"\w*Module|Sequential|ModuleList|ModuleDict|PreTrainedModel|\w*PreTrainedModel|_BaseModel"
)
_MOST_FILES = 200  # of a folder
_LARGEST = 1_000_000  # bytes; a file of data is larger


def classes_in(tree: ast.Module) -> list[ast.ClassDef]:
    """The classes of a file that are models, in their order."""
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    bases = {c.name: [_last_name(base) for base in c.bases] for c in classes}

    def is_model(name: str, visited: frozenset[str] = frozenset()) -> bool:
        return any(
            base not in visited and is_model(base, visited | {name})
            if base in bases
            else _BASE.fullmatch(base) is not None
            for base in bases[name]
        )

    return [c for c in classes if is_model(c.name)]


def models_of(file: Path) -> list[str]:
    """The names of the models in a file: those that build the others of the file first.

    `class Net` comes before the `class Block` that it uses. Empty for a file that does not parse.
    """
    tree = tree_of(file)
    if tree is None:
        return []
    found = classes_in(tree)
    names = [node.name for node in found]
    used = {
        part.id
        for node in found
        for statement in node.body  # not the bases: a subclass does not contain its base
        for part in ast.walk(statement)
        if isinstance(part, ast.Name) and part.id in names and part.id != node.name
    }
    return [n for n in names if n not in used] + [n for n in names if n in used]


def functions_of(file: Path) -> list[str]:
    """The public functions of a file that need no arguments: one of them may return a model."""
    tree = tree_of(file)
    return [
        node.name
        for node in (tree.body if tree else [])
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
        and len(node.args.args) <= len(node.args.defaults) and not node.args.posonlyargs
        and any(isinstance(part, ast.Return) and part.value for part in ast.walk(node))
    ]  # fmt: skip


def parameters_of(file: Path, name: str) -> list[str]:
    """The parameters of a function of a file, or of the constructor of a class, by position."""
    tree = tree_of(file)
    defined = [
        node for node in (tree.body if tree else [])
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == name
    ]  # fmt: skip
    for node in defined:
        if isinstance(node, ast.FunctionDef):
            return [arg.arg for arg in node.args.args]
        for part in node.body:
            if isinstance(part, ast.FunctionDef) and part.name == "__init__":
                return [arg.arg for arg in part.args.args[1:]]
    return []


def specs_of(file: Path) -> list[str]:
    """`FILE.py:NAME` of each model in a file."""
    return [f"{_shown(file)}:{name}" for name in models_of(file)]


def models_of_notebook(file: Path) -> list[tuple[str, int]]:
    """The models that the cells of a notebook define, each with the number of its cell from 1."""
    try:
        cells = json.loads(file.read_bytes())["cells"] if file.is_file() else []
        found = []
        for number, cell in enumerate(cells, start=1):
            if cell.get("cell_type") == "code":
                tree = _parsed("".join(cell["source"]))
                found += [(c.name, number) for c in classes_in(tree)] if tree is not None else []
        return found
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return []


def _parsed(cell: str) -> ast.Module | None:
    """The code of a cell without the lines for IPython: `%matplotlib inline`, `!pip install`."""
    lines = ("" if line.lstrip().startswith(("%", "!", "?")) else line for line in cell.split("\n"))
    try:
        return ast.parse("\n".join(lines))
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return None


def names_bound(tree: ast.Module) -> Iterator[str]:
    """The names that the statements of a file bind, also inside `if` and `try`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.alias):
            yield node.asname or node.name


def tree_of(file: Path) -> ast.Module | None:
    try:
        if not file.is_file() or file.stat().st_size > _LARGEST:
            return None
        return ast.parse(file.read_bytes())
    except (SyntaxError, ValueError, OSError, MemoryError, RecursionError):
        return None


def specs_in(folder: Path) -> list[str]:
    """`FILE.py:NAME` of each model in the Python files of a folder, in the order of the files."""
    return [spec for file in python_files(folder) for spec in specs_of(file)]


def specs_named(name: str, folder: Path) -> list[str]:
    """`FILE.py:NAME` of the models in a folder that have the name, capitals aside."""
    return [s for s in specs_in(folder) if s.rpartition(":")[2].lower() == name.lower()]


def python_files(folder: Path) -> list[Path]:
    try:
        return sorted(islice(_files(folder), _MOST_FILES))
    except OSError:  # no permission, or the folder is gone
        return []


def _files(folder: Path) -> Iterator[Path]:
    yield from (Path(entry) for entry in os.scandir(folder) if entry.name.endswith(".py"))


def _last_name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    if isinstance(node, ast.Subscript):  # Generic[T]
        return _last_name(node.value)
    return node.id if isinstance(node, ast.Name) else ""


def _shown(path: Path) -> str:
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative
