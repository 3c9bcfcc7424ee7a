"""Import of torch without its shape rules in Python until one of them is needed.

`import torch` ends with `torch._meta_registrations`: with its own imports (torch's decompositions,
references and primitives) about a quarter of the time. It only registers how operators run on
`meta`, and our kernels cover the common ones. So the command line postpones it until anything needs
it: an attribute of the module, an operator on `meta` without a kernel of ours (`import_rules`), or
a part of torch that builds on it.

Only the time of the import changes; tests compare results with and without. It applies to the
versions of torch that were tested; any other is imported as usual.
"""

from __future__ import annotations

import gc
import importlib.abc
import importlib.machinery
import importlib.util
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import ModuleType
from typing import Any

_GC_THRESHOLD = 200_000  # new objects until the next collection
_RULES = "torch._meta_registrations"
_TESTED = ("2.13.",)

_BUILT_ON_IT = {"sympy", "torch._dynamo", "torch._inductor", "torch._functorch.aot_autograd"}
"""Imports that precede operators on `meta` outside of our modes: by torch's compiler, its export
and its fake tensors."""


@contextmanager
def gc_paused() -> Iterator[None]:
    """Pause the collection of cyclic garbage: a quarter of a run's time, and it finds nothing."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@contextmanager
def rules_postponed() -> Iterator[None]:
    """Postpone torch's rules in Python if torch is imported inside, for tested versions."""
    if "torch" in sys.modules or not _version().startswith(_TESTED):
        yield
        return
    with _postponed():
        yield


@contextmanager
def fast_torch_import(postponing: bool = True) -> Iterator[None]:
    """Import torch the fast way, whenever something first imports it.

    The import creates a million permanent objects, so garbage collection is off meanwhile, and rare
    from then on: the records of a run contain little garbage. `postponing`: whether to postpone
    torch's rules in Python, for tested versions.
    """
    finder = _FastTorchFinder(postponing and _version().startswith(_TESTED))
    if "torch" not in sys.modules:
        sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        if finder in sys.meta_path:
            sys.meta_path.remove(finder)


@contextmanager
def _postponed() -> Iterator[None]:
    finder = _PostponedFinder()
    sys.meta_path.insert(0, finder)
    try:
        yield
    except BaseException:  # raised again
        sys.meta_path.remove(finder)
        raise
    if is_postponed():
        _bind_generators()
    else:
        sys.meta_path.remove(finder)


def is_postponed() -> bool:
    return isinstance(sys.modules.get(_RULES), _PostponedModule)


def import_rules() -> None:
    """Import the postponed rules, if any, unseen by the active modes."""
    module = sys.modules.get(_RULES)
    if not isinstance(module, _PostponedModule):
        return
    object.__setattr__(module, "__class__", ModuleType)
    sys.meta_path[:] = [
        finder for finder in sys.meta_path if not isinstance(finder, _PostponedFinder)
    ]
    spec = module.__spec__
    assert spec is not None
    assert isinstance(spec.loader, _PostponedFinder)
    spec.loader = spec.loader.loader
    assert spec.loader is not None
    torch: Any = sys.modules["torch"]
    modes_disabled = torch.utils._python_dispatch._disable_current_modes
    with gc_paused(), torch._C.DisableTorchFunction(), modes_disabled():
        spec.loader.exec_module(module)


def _bind_generators() -> None:
    """The one effect of the postponed modules beside registrations; generators need it."""
    torch: Any = sys.modules["torch"]
    torch._C._set_generator_metaclass(sys.modules["torch._opaque_base"].OpaqueBaseMeta)


class _FastTorchFinder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds torch, once, and imports it as `fast_torch_import` describes."""

    def __init__(self, postponing: bool) -> None:
        self.postponing = postponing
        self.loader: importlib.abc.Loader | None = None

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name != "torch":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is not None:
            self.loader, spec.loader = spec.loader, self
        return spec

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        assert self.loader is not None
        return self.loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        assert self.loader is not None
        assert module.__spec__ is not None
        module.__spec__.loader = module.__loader__ = self.loader
        gc.disable()
        try:
            with _postponed() if self.postponing else nullcontext():
                self.loader.exec_module(module)
        finally:
            gc.freeze()
            gc.set_threshold(_GC_THRESHOLD)
            gc.enable()


class _PostponedModule(ModuleType):
    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):  # the import system reads these
            raise AttributeError(name)
        import_rules()
        return getattr(self, name)


class _PostponedFinder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds the rules, and postpones their import."""

    def __init__(self) -> None:
        self.loader: importlib.abc.Loader | None = None

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name in _BUILT_ON_IT:
            import_rules()
        if name != _RULES:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        if spec is not None:
            self.loader, spec.loader = spec.loader, self
        return spec

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        return _PostponedModule(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        pass


def _version() -> str:
    """The version of the torch to import; empty if unknown."""
    spec = importlib.util.find_spec("torch")
    if spec is None or spec.origin is None:
        return ""
    try:
        text = (Path(spec.origin).parent / "version.py").read_text(encoding="utf-8")
    except OSError:
        return ""
    found = re.search(r"^__version__ = '([^']+)'", text, re.MULTILINE)
    return found[1] if found else ""
