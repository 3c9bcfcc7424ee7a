"""Reload the user's files from changed source, without touching the modules already imported.

Modules below the folder of a file (or of a package) are imported again; on exit, `sys.modules` has
the original ones.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import os
import sys
import sysconfig
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from ..input_files import source_of
from .user_names import registrations_restored

_CNNSTAT = Path(__file__).parent.parent
_LIBRARY = sysconfig.get_path("stdlib")
Compile = Callable[[str, str], CodeType]
"""Compiles the text of a file, given its name."""


def root_of(place: str) -> Path | None:
    """The folder with the modules that `FILE.py` or `package.module` may import from the user.

    None for an installed package, which is not reloaded.
    """
    if place.endswith(".py"):
        root = Path(os.path.realpath(place)).parent  # which knows circles of links
    else:
        top = sys.modules.get(place.partition(".")[0])
        file = getattr(top, "__file__", None)
        if file is None:
            return None
        root = Path(file).resolve().parent
    return None if "site-packages" in root.parts or "dist-packages" in root.parts else root


@cache
def is_in(root: Path, file: str | None) -> bool:
    """Whether a source file is below `root`, and neither installed nor part of cnnstat."""
    if not file or not file.endswith(".py") or "-packages" in file or file.startswith(_LIBRARY):
        return False
    path = Path(file).resolve()
    return path.is_relative_to(root) and not path.is_relative_to(_CNNSTAT)


@contextmanager
def reloaded(
    place: str, root: Path, compile_text: Compile, names: Mapping[str, Any]
) -> Iterator[ModuleType]:
    """Reload the module at `place`, with `names` as globals of each module under `root`.

    Raises:
        BaseException: whatever the code raises.
    """
    # The modules are removed from sys.modules and found by our finder first, so that imports among
    # them reach the changed source; on exit, the new ones go and the original ones return.
    finder = _Finder(root, compile_text, names)
    folder = str(root if place.endswith(".py") else root.parent)
    before = dict(sys.modules)
    for name, module in before.items():
        if is_in(root, getattr(module, "__file__", None)):
            del sys.modules[name]
    sys.meta_path.insert(0, finder)
    sys.path.insert(0, folder)
    try:
        with registrations_restored():
            yield _module(place, finder)
    finally:
        with suppress(ValueError):
            sys.path.remove(folder)
        sys.meta_path.remove(finder)
        for name, module in list(sys.modules.items()):
            if name not in before and is_in(root, getattr(module, "__file__", None)):
                del sys.modules[name]
        sys.modules.update(before)


def _module(place: str, finder: _Finder) -> ModuleType:
    if not place.endswith(".py"):
        return importlib.import_module(place)
    path = Path(place)
    name = f"_cnnstat_user_{path.stem}"
    loader = _Loader(name, str(path), finder)
    spec = importlib.util.spec_from_file_location(name, path, loader=loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    loader.exec_module(module)
    return module


class _Finder(importlib.abc.MetaPathFinder):
    def __init__(self, root: Path, compile_text: Compile, names: Mapping[str, Any]) -> None:
        self.root = root
        self.compile_text = compile_text
        self.names = names

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is None or not is_in(self.root, spec.origin):
            return None
        assert spec.origin is not None
        spec.loader = _Loader(name, spec.origin, self)
        return spec


class _Loader(importlib.machinery.SourceFileLoader):
    def __init__(self, name: str, path: str, finder: _Finder) -> None:
        super().__init__(name, path)
        self.finder = finder

    def exec_module(self, module: ModuleType) -> None:
        text = source_of(self.get_data(self.path)).text
        vars(module).update(self.finder.names)
        execute(self.finder.compile_text(text, self.path), vars(module))


def execute(code: CodeType, names: dict[str, Any]) -> None:
    """Run the code of a module: in a stack, the frames above are not the user's."""
    exec(code, names)
