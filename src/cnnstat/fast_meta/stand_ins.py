"""Import of other libraries without torch's compiler, in cnnstat's own process.

torchvision, timm and transformers import torch._dynamo for a few decorators, and with it sympy and
most of torch.distributed: about as slow as importing torch, and unused when a model is built and
run without data. `stand_ins_for` provides stand-ins while a library is imported. For torchvision
and timm a function of a stand-in imports the real one when it is called. transformers derives
classes from stand-ins, so there any other use raises `Missing`, and `with_fast_imports` repeats
everything after a plain import. The result never depends on it; tests compare both.

The libraries keep their stand-ins until the process ends, so only the command line enables them.
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
"""How parameters are distributed: put into tables at import, and never read here."""

_MARKING = {"disable", "allow_in_graph", "assume_constant_result"}
"""Markers of torch._dynamo for compilation, without effect otherwise."""


_enabled = False
_imported: set[str] = set()  # libraries with stand-ins whose use raises `Missing`


def with_fast_imports(action: Callable[[], _T], in_doubt: tuple[type[Exception], ...]) -> _T:
    """Call `action`, which may import libraries with stand-ins.

    It is called again after a plain import if a stand-in was used, or if it raised an `in_doubt`
    error that stand-ins may have caused.
    """
    global _enabled
    _enabled = True
    try:
        return action()
    except Missing:
        pass
    except in_doubt:
        if not _imported:
            raise
    finally:
        _enabled = False
    for name in [name for name in sys.modules if name.partition(".")[0] in _imported]:
        del sys.modules[name]
    _imported.clear()
    return action()


def may_import_fast(library: str) -> bool:
    """Whether stand-ins are enabled and the library is not imported yet."""
    return _enabled and library not in sys.modules


def was_used_for(library: str) -> bool:
    return library in _imported


@contextmanager
def stand_ins_for(*modules: str, by: str | None = None) -> Iterator[None]:
    """Import stand-ins for these modules.

    With `by`, the library that imports them, their use raises `Missing`; else they import the real
    module.
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
    """Finds stand-ins for the absent modules, unless they are imported already."""

    def __init__(self, absent: Sequence[str], module_class: type[ModuleType]) -> None:
        self.absent = absent
        self.module_class = module_class
        self.created: list[str] = []

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if not any(name == absent or name.startswith(f"{absent}.") for absent in self.absent):
            return None
        return importlib.machinery.ModuleSpec(name, self, is_package=True)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        self.created.append(spec.name)
        return self.module_class(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        pass

    def remove(self) -> None:
        """Let others import the real modules."""
        for name in self.created:
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
    """A class without instances: `isinstance` works, any other use raises `Missing`."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        is_derived = cls.__module__.startswith("transformers")
        if is_derived or cls.__name__ in _INERT:
            return super().__call__(*(args if is_derived else ()), **(kwargs if is_derived else {}))
        raise Missing(f"{cls.__module__}.{cls.__name__}")

    def __getattr__(cls, name: str) -> NoReturn:
        if name.startswith("__"):
            raise AttributeError(name)
        raise Missing(f"{cls.__module__}.{cls.__name__}.{name}")
