"""Importing other libraries without torch's compiler, in a process of our own.

torchvision, timm and transformers import torch._dynamo for a decorator or two, and with it sympy
and most of torch.distributed: about as long as importing torch, and nothing of it is used for
building and running a model without data. `left_out` puts stand-ins there while a library is
imported. A function of a stand-in is the real one as soon as it is called (torchvision, timm); or
what a stand-in is used for ends the attempt, and `quickly` does all again after a plain import
(transformers, which derives classes from them). So the quick way decides nothing, and tests hold
the results of both equal.

The libraries keep their stand-ins while the process lasts. So only the command line asks for them.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any, NoReturn, TypeVar

from . import Missing

_T = TypeVar("_T")
_INERT = {"Replicate", "Shard", "Partial"}
"""How a parameter would be spread over devices: noted in tables at import, read by nobody here."""

_MARKING = {"disable", "allow_in_graph", "assume_constant_result"}
"""What torch._dynamo marks a function with for compilation: without one they change nothing."""


_wanted = False
_imported: set[str] = set()  # libraries with stand-ins whose use ends the attempt


def quickly(action: Callable[[], _T], in_doubt: type[Exception]) -> _T:
    """What `action` returns; it may import libraries the quick way, and is repeated after a plain
    import if that does not do: a stand-in was used, or there was an error `in_doubt`.
    """
    global _wanted
    _wanted = True
    try:
        return action()
    except Missing:
        pass
    except in_doubt:
        if not _imported:
            raise
    finally:
        _wanted = False
    for name in [name for name in sys.modules if name.partition(".")[0] in _imported]:
        del sys.modules[name]
    _imported.clear()
    return action()


def is_wanted(library: str) -> bool:
    """Whether a library that is not imported yet may be imported the quick way."""
    return _wanted and library not in sys.modules


def was_used_for(library: str) -> bool:
    return library in _imported


@contextmanager
def left_out(*modules: str, by: str | None = None) -> Iterator[None]:
    """Inside, these modules have stand-ins.

    Those imported `by` a library end the attempt where they are used; others are the real thing
    then.
    """
    if by is not None:
        _imported.add(by)
    finder = _Absent(modules, _StandIn if by is not None else _Deferred)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        finder.remove()


class _Absent(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds a stand-in for each module that is left out and not imported yet."""

    def __init__(self, absent: Sequence[str], stand_in: type[ModuleType]) -> None:
        self.absent = absent
        self.stand_in = stand_in
        self.made: list[str] = []

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if not any(name == absent or name.startswith(f"{absent}.") for absent in self.absent):
            return None
        return importlib.machinery.ModuleSpec(name, self, is_package=True)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        self.made.append(spec.name)
        return self.stand_in(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        pass

    def remove(self) -> None:
        """Let others import the real modules."""
        for name in self.made:
            module = sys.modules.pop(name, None)
            parent, _, child = name.rpartition(".")
            if vars(sys.modules.get(parent, module)).get(child) is module:
                delattr(sys.modules[parent], child)


class _Deferred(ModuleType):
    """A module whose functions are imported when they are called."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)

        def deferred(*args: Any, **kwargs: Any) -> Any:
            return getattr(importlib.import_module(self.__name__), name)(*args, **kwargs)

        return _mark if name in _MARKING else deferred


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
