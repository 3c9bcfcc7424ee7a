"""Importing transformers: the plain way, or the quick way in a process of our own.

The plain import takes twice the time of torch's. It reads the files of 600 models for the names of
their classes, and it imports torch's compiler and most of torch.distributed, of which building and
running a model without data uses nothing. The quick way leaves that out: the list of classes stays
empty, and the modules below are stand-ins, whose classes have no instances. Whatever a stand-in is
used for beyond that ends the attempt, and all is done again after a plain import; so the quick way
decides nothing, and a test holds the results of both equal.

transformers keeps its stand-ins while the process lasts. So only the command line asks for them.
"""

from __future__ import annotations

import gc
import importlib
import importlib.abc
import importlib.machinery
import importlib.metadata
import importlib.util
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any, NoReturn, TypeVar

from ...errors import ModelError
from ..vision_operators import make_importable

_T = TypeVar("_T")
_AUTO = "transformers.models.auto.modeling_auto"
_VERSIONS = ("5.",)
"""Of transformers, for which the quick way was tried; others are imported the plain way."""

_ABSENT = (
    "torch._dynamo", "torch.distributed.tensor", "torch.distributed.checkpoint",
    "torch.distributed.fsdp", "torch.distributed._composable", "torch.distributed.pipelining",
    "torch.nn.attention.flex_attention",
)  # fmt: skip
_INERT = {"Replicate", "Shard", "Partial"}
"""How a parameter would be spread over devices: noted in tables at import, read by nobody here."""

_MARKING = {"disable", "allow_in_graph", "assume_constant_result"}
"""What torch._dynamo marks a function with for compilation: without one they change nothing."""


class Missing(BaseException):
    """The quick import did not do. Not an Exception: no model's code is to take it for its own."""


_quick = {"wanted": False, "used": False}


def import_transformers() -> Any:
    """Import what building a model from a configuration needs: the tables of its classes.

    Raises:
        ModelError: transformers is not installed, or cannot be imported.
    """
    if _quick["wanted"] and "transformers" not in sys.modules and _was_tried():
        _quick["used"] = True
    try:
        if not _quick["used"]:
            make_importable()  # transformers imports torchvision where it is installed
        with importing():
            return importlib.import_module(_AUTO)
    except Exception as error:  # beside a torch or hub that does not fit, its import fails anyhow
        raise ModelError(
            "transformers is needed for its models", f"{type(error).__name__}: {error}",
            hint="pip install 'cnnstat[transformers]'",
        ) from error  # fmt: skip


def quickly(action: Callable[[], _T]) -> _T:
    """What `action` returns; it may import transformers the quick way, and is repeated if that
    does not do. What it raises on a model is what it raises after a plain import.
    """
    _quick["wanted"] = True
    try:
        return action()
    except (Missing, ModelError) as error:
        if not _quick["used"]:
            raise
        reason = error
    finally:
        _quick["wanted"] = False
    del reason  # with its traceback, and so the model that was tried
    _quick["used"] = False
    for name in [name for name in sys.modules if name.partition(".")[0] == "transformers"]:
        del sys.modules[name]
    return action()


def attribute(name: str) -> Any:
    """A class of transformers by its name, wherever it is defined; None if there is none."""
    if _quick["used"]:
        raise Missing(name)
    return getattr(importlib.import_module("transformers"), name, None)


@contextmanager
def importing() -> Iterator[None]:
    """Inside, modules of transformers may be imported; with stand-ins if this is the quick way."""
    if not _quick["used"]:
        yield
        return
    finder = _Absent()
    hidden = "torchvision" not in sys.modules  # only its image processors need it
    collecting = gc.isenabled()
    gc.disable()
    sys.meta_path.insert(0, finder)
    if hidden:
        sys.modules["torchvision"] = None  # type: ignore[assignment]
    try:
        _skip_the_list()
        yield
    finally:
        sys.meta_path.remove(finder)
        if hidden:
            del sys.modules["torchvision"]
        finder.remove()
        if collecting:
            gc.enable()


def _was_tried() -> bool:
    try:
        return importlib.metadata.version("transformers").startswith(_VERSIONS)
    except importlib.metadata.PackageNotFoundError:
        return False


def _skip_the_list() -> None:
    """Import transformers with an empty list of the classes of its models."""
    if "transformers" in sys.modules:
        return
    spec = importlib.util.find_spec("transformers")
    assert spec is not None
    # Its __init__ makes the list with a function from a module of its own: that one first.
    sys.modules["transformers"] = importlib.util.module_from_spec(spec)
    sys.modules["transformers"].__version__ = importlib.metadata.version("transformers")  # type: ignore[attr-defined]
    listing: Any = importlib.import_module("transformers.utils.import_utils")
    original = listing.define_import_structure

    def define_import_structure(path: Any, prefix: str | None = None) -> Any:
        folder = str(path).removesuffix("/__init__.py")
        return {frozenset(): {}} if folder.endswith("models") else original(path, prefix)

    listing.define_import_structure = define_import_structure
    del sys.modules["transformers"]
    importlib.import_module("transformers")


class _Absent(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds a stand-in for each module that is left out and not imported yet."""

    def __init__(self) -> None:
        self.made: list[str] = []

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if not any(name == absent or name.startswith(f"{absent}.") for absent in _ABSENT):
            return None
        return importlib.machinery.ModuleSpec(name, self, is_package=True)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        self.made.append(spec.name)
        return _StandIn(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        pass

    def remove(self) -> None:
        """Let others import the real modules."""
        for name in self.made:
            module = sys.modules.pop(name, None)
            parent, _, child = name.rpartition(".")
            if vars(sys.modules.get(parent, module)).get(child) is module:
                delattr(sys.modules[parent], child)


class _StandIn(ModuleType):
    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if name in _MARKING:
            return _mark
        value = _StandInClass(name, (), {"__module__": self.__name__})
        setattr(self, name, value)
        return value


def _mark(function: Any = None, *args: Any, **kwargs: Any) -> Any:
    return function if function is not None else _mark


class _StandInClass(type):
    """Of which there are no objects: `isinstance` says so, everything else is `Missing`."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        own = cls.__module__.startswith("transformers")  # a class derived from a stand-in
        if own or cls.__name__ in _INERT:
            return super().__call__(*(args if own else ()), **(kwargs if own else {}))
        raise Missing(f"{cls.__module__}.{cls.__name__}")

    def __getattr__(cls, name: str) -> NoReturn:
        if name.startswith("__"):
            raise AttributeError(name)
        raise Missing(f"{cls.__module__}.{cls.__name__}.{name}")
