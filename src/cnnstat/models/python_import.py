"""Import the user's Python code: a file by its path, as a script or as a member of its package, or
a module by its name.
"""

from __future__ import annotations

import ast
import builtins
import functools
import importlib
import importlib.util
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import Any

from ..errors import CnnstatError, ModelError, NotFound, closest, message_of
from ..fast_meta import import_rules
from ..tracing.places import marked_line, shown_path
from ..tracing.process.global_state import preserve_rng_state
from ..tracing.process.isolation import at_the_end
from ..units import format_bytes
from . import torchvision_import as vision_operators
from .import_path import on_sys_path
from .model_sources import SOURCES
from .suggestions import check_exists, missing_comma, suggestions
from .unreadable_source import check_readable, file_of


def import_place(place: str, name: str = "") -> ModuleType:
    """Import a file or a module; `name` is the requested object in it, for messages.

    Raises:
        NotFound: it does not exist.
        ModelError: it cannot be imported.
    """
    with suppress(Exception):  # the file may not use torchvision; if it does, its import fails
        vision_operators.make_importable()
    try:
        try:
            module = _imported(place)
        except NotImplementedError:  # by torch, perhaps for a rule whose import was postponed
            if not import_rules():
                raise
            module = _imported(place)
        vision_operators.make_traceable()
        return module
    except (CnnstatError, KeyboardInterrupt):
        raise
    except SyntaxError as error:
        check_readable(file_of(error) or Path(place), error)
        marked = (
            [error.text.rstrip("\n"), " " * ((error.offset or 1) - 1) + "^"] if error.text else []
        )
        comma = missing_comma(error)
        failed = ModelError(
            f"{_syntax_place(error, place)}{error.msg}",
            *marked,
            *filter(None, [comma]),
        )
        failed.phase, failed.advice = "import", tuple(filter(None, [comma]))
        raise failed from error
    except BaseException as error:  # a file may do anything, sys.exit() included
        if isinstance(error, LookupError) and (file := file_of(error)):  # a codec, as rot13
            check_readable(file, error)
        reason, advice = reason_of(error, place)
        advice += _misspelt_source(error, place, name)
        if isinstance(error, SystemExit) and _parses_arguments(error):
            advice.append("it parses the command line, which has no arguments for it here: do "
                          'that under if __name__ == "__main__"')  # fmt: skip
        if isinstance(error, ModuleNotFoundError) and _is_part(error.name, place):
            raise NotFound(f"there is no module {place!r}", *advice) from error
        failed = ModelError(f"{place} cannot be imported", *reason, *advice)
        failed.phase, failed.advice = "import", tuple(advice)
        raise failed from error


def _is_part(name: str | None, place: str) -> bool:
    """Whether a module that does not exist is the requested one, or a package that contains it."""
    return name is not None and not place.endswith(".py") and f"{place}.".startswith(f"{name}.")


_imported_once: dict[Path, ModuleType] = {}


def import_once(place: str, module: ModuleType) -> None:
    """The next import of the file in this analysis finds `module`.

    For a file with a function that returns inputs: a second import, for the model, would make other
    classes than those of the inputs.
    """
    _imported_once[Path(os.path.realpath(place))] = module
    at_the_end(_imported_once.clear)


def _imported(place: str) -> ModuleType:
    functions = dict(vars(builtins))
    try:
        with preserve_rng_state(), arguments_of_script(place):
            return _import(place)
    finally:  # these end code of cnnstat and of torch, not only the model's
        vars(builtins).update(functions)


def _import(place: str) -> ModuleType:
    if place.endswith(".py"):
        known = _imported_once.pop(Path(os.path.realpath(place)), None)
        return _import_file(Path(place)) if known is None else known
    with on_sys_path(""):
        return importlib.import_module(place)


_LARGEST = 16 * 2**20  # bytes of a file of code; the largest in torch is 1.3 MiB


def _import_file(path: Path) -> ModuleType:
    """Import a file, its folder being on `sys.path`.

    A file with relative imports is imported with its package, from the folder that contains it.

    Raises:
        NotFound: there is no such file.
        ModelError: it is too large for source code.
        BaseException: whatever its code raises.
    """
    check_exists(path)
    size = os.path.getsize(path)
    if size > _LARGEST:
        raise ModelError(
            f"{path} is too large for source code",
            f"its size is {format_bytes(size)}, at most {format_bytes(_LARGEST)} are read",
        )
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


_members: set[str] = set()
"""The modules of packages that were imported here, not by the user's own code."""


def _import_member(path: Path, levels: int) -> ModuleType:
    """Import `package/model.py` as `package.model`, the package being as deep as it needs to be."""
    root = path.parent
    for _ in range(levels - 1):
        root = root.parent
    while (root / "__init__.py").is_file() and (root.parent / "__init__.py").is_file():
        root = root.parent
    parts = path.with_suffix("").relative_to(root.parent).parts
    name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
    known = sys.modules.get(name) if parts[0] in sys.modules else None
    if known is not None and Path(getattr(known, "__file__", None) or "").resolve() != path:
        known = None
    if known is None:  # another package may have the name: the second checkout of a repository
        for module in [m for m in sys.modules if m == parts[0] or m.startswith(f"{parts[0]}.")]:
            del sys.modules[module]
    with on_sys_path(root.parent):
        if known is not None and name in _members:  # the file may have changed since
            return importlib.reload(known)
        if known is None:
            _members.add(name)
        return importlib.import_module(name)


def _levels_of_relative_imports(path: Path) -> int:
    """The largest number of dots: 1 for `from .layers import Block`; 0 without such an import."""
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError, OSError, MemoryError, RecursionError):  # as the import
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


# Messages


def _syntax_place(error: SyntaxError, place: str) -> str:
    """The file and line; neither is known of a file with null bytes."""
    if error.filename is None:
        return f"{place}: "
    return f"{shown_path(error.filename)}:{error.lineno}: "


def _parses_arguments(error: BaseException) -> bool:
    return any(
        Path(frame.filename).name == "argparse.py"
        for frame in traceback.extract_tb(error.__traceback__)
    )


def _misspelt_source(error: BaseException, place: str, name: str) -> list[str]:
    """The hint for `torchvison:resnet50`: no such module, but a source with a close name."""
    if not isinstance(error, ModuleNotFoundError) or error.name != place:
        return []
    return [f"did you mean {source}:{name}?" for source in closest(place, SOURCES, cutoff=0.6)[:1]]


def reason_of(error: BaseException, place: str) -> tuple[list[str], list[str]]:
    """The innermost line of the user's code that raised an exception and its text, and advice."""
    frames = traceback.extract_tb(error.__traceback__)
    of_user = [frame for frame in frames if Path(frame.filename).name == Path(place).name]
    if not of_user:  # a module by name, or code that it imports
        of_user = [
            f for f in frames if "importlib" not in f.filename and "cnnstat" not in f.filename
        ]
    reason = ": ".join(filter(None, [type(error).__name__, message_of(error)]))
    if not of_user:
        return [reason], suggestions(error, None)
    return [*marked_line(of_user[-1]), reason], suggestions(error, of_user[-1].filename)
