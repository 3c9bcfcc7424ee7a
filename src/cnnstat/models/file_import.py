"""Import a Python file by its path: as a script, or as a member of its package."""

from __future__ import annotations

import ast
import functools
import importlib
import importlib.util
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from ..errors import ModelError, nearest
from .user_names import on_sys_path


def import_file(path: Path) -> ModuleType:
    """Import a file, its folder being on `sys.path`.

    A file with relative imports is imported with its package, from the folder that contains it.

    Raises:
        ModelError: there is no such file.
        BaseException: whatever its code raises.
    """
    if not os.path.isfile(path):  # unlike Path.is_file, it answers for names of any length
        siblings = path.parent.glob("*.py") if os.path.isdir(path.parent) else ()
        close = nearest(path.name, [file.name for file in siblings])
        raise ModelError(f"there is no file {path}", *filter(None, [close]))
    levels = _levels_of_relative_imports(path)
    return _import_member(path.resolve(), levels) if levels else _import_script(path)


def _import_script(path: Path) -> ModuleType:
    name = f"_cnnstat_user_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickle look up a class's module there
    with on_sys_path(path.resolve().parent):
        spec.loader.exec_module(module)
    return module


def _import_member(path: Path, levels: int) -> ModuleType:
    """Import `package/model.py` as `package.model`, the package being as deep as it needs to be."""
    root = path.parent
    for _ in range(levels - 1):
        root = root.parent
    while (root / "__init__.py").is_file() and (root.parent / "__init__.py").is_file():
        root = root.parent
    parts = path.with_suffix("").relative_to(root.parent).parts
    name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
    known = sys.modules.get(name)
    if known is not None and Path(getattr(known, "__file__", None) or "").resolve() != path:
        known = None
    if known is None:  # another package may have the name: the second checkout of a repository
        for module in [m for m in sys.modules if m == parts[0] or m.startswith(f"{parts[0]}.")]:
            del sys.modules[module]
    with on_sys_path(root.parent):
        return importlib.import_module(name)


def _levels_of_relative_imports(path: Path) -> int:
    """The largest number of dots: 1 for `from .layers import Block`; 0 without such an import."""
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError, OSError, RecursionError):  # the import itself says what it is
        return 0
    levels = [node.level for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    return max(levels, default=0)


@contextmanager
def arguments_of_script(place: str) -> Iterator[None]:
    """Code that parses the command line sees the name of its own file, and no option of ours."""
    ours = sys.argv
    sys.argv = [place]
    try:
        yield
    finally:
        sys.argv = ours


def as_script(function: Callable[..., Any], place: str) -> Callable[..., Any]:
    """The function, which sees no option of ours on the command line."""

    @functools.wraps(function, updated=())
    def called(*args: Any, **kwargs: Any) -> Any:
        with arguments_of_script(place):
            return function(*args, **kwargs)

    return called
