"""What a run leaves behind in the classes and modules of the model's code, and its removal.

A model may keep tensors for its next forward on its class, in a global table or in an `lru_cache`.
After a run without data they have none, and a real run would fail on them. The attributes of the
model need no care: they are those of a copy.
"""

from __future__ import annotations

import functools
import sys
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache, cached_property, partial
from types import FunctionType, MethodType, ModuleType, SimpleNamespace
from typing import Any, NamedTuple

from torch import Tensor, nn

from ..places import is_library
from ..structure.modules import modules_of

_LARGEST = 10_000  # entries of a container that is looked into
_MOST = 50_000  # objects that are looked into
_DEEPEST = 12  # containers inside one another
_LRU_CACHE = type(functools.lru_cache(lambda: None))
_OTHERS = {"torch", "cnnstat", "numpy", *sys.stdlib_module_names} - {"__main__"}


@contextmanager
def class_state_preserved(*roots: Any) -> Iterator[None]:
    """Restore the classes of the roots: models, classes or functions.

    If tensors without data are left anywhere else that the user's own code reaches (globals,
    closures, defaults of functions, caches), what changed there is restored too. Otherwise it is
    left alone: other threads may run the same code. Of installed packages only the classes are
    looked at: to walk through a library takes longer than most runs.
    """
    before = ClassState(*roots)
    try:
        yield
    finally:
        before.restore()


class _Place(NamedTuple):
    """Where values are kept. `read` returns them as a new list, `write` puts such a list back."""

    read: Callable[[], list[Any]]
    write: Callable[[list[Any]], Any]
    is_class: bool = False


class ClassState:
    """What the classes of the roots, and the places that their code reaches, contain now."""

    def __init__(self, *roots: Any) -> None:
        self.places: list[tuple[_Place, list[Any]]] = []
        self._visited: set[int] = set()
        for root in roots:
            self._add_root(root)

    def _add_root(self, root: Any) -> None:
        if not isinstance(root, nn.Module):
            self._add(root, 0)
            self._add_module_of(root)
            return
        modules = modules_of(root)
        for cls in {type(module) for module in modules}:
            for base in cls.__mro__:
                self._add(base, 0)
                self._add_module_of(base)
        for module in modules:
            for value in vars(module).values():  # hooks among them
                kind = type(value)
                if kind in _FUNCTIONS:
                    self._add(value, 0)
                elif kind in (dict, OrderedDict) and value:
                    self._add_all([v for v in value.values() if type(v) in _FUNCTIONS], 0)

    def restore(self) -> None:
        changed = []
        for place, values in self.places:
            now = place.read()
            if len(now) != len(values) or any(a is not b for a, b in zip(now, values, strict=True)):
                changed.append((place, values, now))
        inside: set[int] = set()
        values_now = [value for _, _, now in changed for value in now]
        leaves_tensors = any(_is_without_data(value, inside) for value in values_now)
        for place, values, _ in changed:
            if place.is_class or leaves_tensors:
                with suppress(AttributeError, TypeError, ValueError):  # it cannot be set
                    place.write(values)

    def _add_module_of(self, value: Any) -> None:
        name = getattr(value, "__module__", None)
        if isinstance(name, str) and name in sys.modules and _is_user(name):
            self._add_module(sys.modules[name])

    def _add_module(self, module: ModuleType) -> None:
        if id(module) not in self._visited:
            self._visited.add(id(module))
            self._add_table(vars(module), 0)

    def _add(self, value: Any, depth: int) -> None:
        kind = type(value)
        if kind in _ATOMS or id(value) in self._visited or depth > _DEEPEST:
            return
        if len(self._visited) > _MOST:  # data, not code
            return
        self._visited.add(id(value))
        if isinstance(value, type):
            self._add_class(value, depth)
        elif kind in (dict, OrderedDict, defaultdict):
            if len(value) <= _LARGEST:
                self._add_table(value, depth)
        elif kind in (list, deque):
            if len(value) <= _LARGEST:
                self._keep(value.copy, lambda values: _refill(value, values))
                self._add_all(value, depth)
        elif kind is set:
            self._keep(lambda: list(value), lambda values: (value.clear(), value.update(values)))
        elif kind is tuple:
            self._add_all(value, depth)
        elif kind is _LRU_CACHE:
            self._keep(lambda: [value.cache_info().misses], lambda _: value.cache_clear())
            self._add(value.__wrapped__, depth)
        elif kind is FunctionType:
            self._add_code(value, depth)
        elif isinstance(value, MethodType):
            self._add_all((value.__self__, value.__func__), depth)
        elif isinstance(value, partial):
            self._add_all((value.func, *value.args, *value.keywords.values()), depth)
        elif isinstance(value, staticmethod | classmethod):
            self._add(value.__func__, depth)
        elif isinstance(value, property):
            self._add_all((value.fget, value.fset), depth)
        elif isinstance(value, cached_property):
            self._add(value.func, depth)
        elif isinstance(value, ModuleType):
            if _is_user(value.__name__):
                self._add_module(value)
        elif kind is SimpleNamespace or _is_user(kind.__module__):
            with suppress(TypeError):  # it has no attributes
                self._add_table(vars(value), depth)

    def _add_all(self, values: Iterable[Any], depth: int) -> None:
        for value in values:
            self._add(value, depth + 1)

    def _add_class(self, cls: type, depth: int) -> None:
        if (depth and not _is_user(cls.__module__)) or _is_other(cls.__module__):
            return

        def write(items: list[Any]) -> None:
            before = dict(zip(items[::2], items[1::2], strict=True))
            for name in [name for name in vars(cls) if name not in before]:
                type.__delattr__(cls, name)
            for name, value in before.items():
                if vars(cls).get(name) is not value:
                    type.__setattr__(cls, name, value)

        self._keep(lambda: _flat(vars(cls)), write, is_class=True)
        self._add_all(list(vars(cls).values()), depth)

    def _add_table(self, table: dict[Any, Any], depth: int) -> None:
        def write(items: list[Any]) -> None:
            before = dict(zip(items[::2], items[1::2], strict=True))
            for key in [key for key in table if key not in before]:
                del table[key]
            table.update(before)

        self._keep(lambda: _flat(table), write)
        self._add_all(list(table.values()), depth)

    def _add_code(self, function: FunctionType, depth: int) -> None:
        if not _is_user(function.__module__):
            return
        for cell in function.__closure__ or ():
            self._add_cell(cell, depth)
        self._add_all((function.__defaults__, function.__kwdefaults__, function.__dict__), depth)
        self._add_module_of(function)

    def _add_cell(self, cell: Any, depth: int) -> None:
        def read() -> list[Any]:
            try:
                return [cell.cell_contents]
            except ValueError:  # it is empty
                return []

        def write(values: list[Any]) -> None:
            for value in values:
                cell.cell_contents = value

        self._keep(read, write)
        self._add_all(read(), depth)

    def _keep(
        self,
        read: Callable[[], list[Any]],
        write: Callable[[list[Any]], Any],
        is_class: bool = False,
    ) -> None:
        self.places.append((_Place(read, write, is_class), list(read())))


_FUNCTIONS = frozenset({FunctionType, MethodType, partial, _LRU_CACHE})
_ATOMS = frozenset({int, float, bool, str, bytes, complex, type(None), Tensor, nn.Parameter})


def _flat(table: Any) -> list[Any]:
    return [part for item in list(table.items()) for part in item]


def _refill(container: Any, values: Iterable[Any]) -> None:
    container.clear()
    container.extend(values)


def _is_other(module: str) -> bool:
    """Whether a module is torch's, Python's or ours: its state is not the model's."""
    return module.partition(".")[0] in _OTHERS


@cache
def _is_user(module: str) -> bool:
    """Whether a module is in the user's own files, not in an installed package."""
    if not isinstance(module, str) or _is_other(module):
        return False
    file = getattr(sys.modules.get(module), "__file__", None) or ""
    return not is_library(file)


def _is_without_data(value: Any, searched: set[int], depth: int = 0) -> bool:
    """Whether a tensor without data is inside. Each object is searched once: `searched` has them.

    Objects may refer to each other in many ways, and the ways are exponentially many.
    """
    if isinstance(value, Tensor):
        return value.is_meta or hasattr(value, "fake_mode")
    if type(value) in _ATOMS or depth > _DEEPEST or id(value) in searched:
        return False
    searched.add(id(value))
    items: list[Any] = []
    if isinstance(value, dict):
        items = list(value.values())
    elif isinstance(value, tuple | list | set | frozenset | deque):
        items = list(value)
    elif _is_user(type(value).__module__) and not isinstance(value, type):
        with suppress(TypeError):
            items = list(vars(value).values())
    return any(_is_without_data(item, searched, depth + 1) for item in items)
