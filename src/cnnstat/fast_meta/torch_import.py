"""Importing torch without its shape rules in Python until one of them is needed.

`import torch` ends with `torch._meta_registrations`: with what that imports (torch's
decompositions, its references, its primitives) about a quarter of the time. It only registers how
operators answer on `meta`, and our own kernels answer the common ones. So the command line leaves
it for later. It is imported as soon as anything of it is asked for: an attribute of the module, an
operator on `meta` that our kernels do not answer (`import_rules`), or parts of torch that build on
it.

It is an import at another time, nothing else: tests hold results equal with and without. It is done
for the versions of torch where that was tried; with any other torch is imported as it is.
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

from .garbage import uncollected

_OBJECTS = 200_000  # made before garbage is looked for again
_RULES = "torch._meta_registrations"
_TRIED = ("2.13.",)

_BUILT_ON_IT = {"sympy", "torch._dynamo", "torch._inductor", "torch._functorch.aot_autograd"}
"""Imported before anything that runs operators on `meta` outside of our modes: torch's compiler,
its export, its tensors that are fake."""


@contextmanager
def rules_postponed() -> Iterator[None]:
    """Inside, importing torch leaves its rules in Python for later, if that was tried with it."""
    if "torch" in sys.modules or not _version().startswith(_TRIED):
        yield
        return
    with _postponed():
        yield


@contextmanager
def imported_quickly(postponing: bool = True) -> Iterator[None]:
    """Inside, torch is imported quickly whenever something imports it first.

    Importing it makes a million objects that all stay: no garbage is looked for meanwhile. Nor is
    there much in the records of a run: from then on it is looked for seldom. `postponing`: whether
    torch's rules in Python are left for later, if that was tried with it.
    """
    finder = _QuickTorch(postponing and _version().startswith(_TRIED))
    if "torch" not in sys.modules:
        sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        if finder in sys.meta_path:
            sys.meta_path.remove(finder)


@contextmanager
def _postponed() -> Iterator[None]:
    finder = _Later()
    sys.meta_path.insert(0, finder)
    try:
        yield
    except BaseException:
        sys.meta_path.remove(finder)
        raise
    if is_postponed():
        _bind_generators()
    else:
        sys.meta_path.remove(finder)


def is_postponed() -> bool:
    return isinstance(sys.modules.get(_RULES), _Postponed)


def import_rules() -> None:
    """Import what was postponed, if anything was; the modes that are on don't see it."""
    module = sys.modules.get(_RULES)
    if not isinstance(module, _Postponed):
        return
    object.__setattr__(module, "__class__", ModuleType)
    sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, _Later)]
    spec = module.__spec__
    assert spec is not None
    assert isinstance(spec.loader, _Later)
    spec.loader = spec.loader.loader
    assert spec.loader is not None
    torch: Any = sys.modules["torch"]
    unseen = torch.utils._python_dispatch._disable_current_modes
    with uncollected(), torch._C.DisableTorchFunction(), unseen():
        spec.loader.exec_module(module)


def _bind_generators() -> None:
    """What the postponed modules do beside registering: without it torch makes no generators."""
    torch: Any = sys.modules["torch"]
    torch._C._set_generator_metaclass(sys.modules["torch._opaque_base"].OpaqueBaseMeta)


class _QuickTorch(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds torch, once, and runs it as `imported_quickly` says."""

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
            gc.set_threshold(_OBJECTS)
            gc.enable()


class _Postponed(ModuleType):
    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):  # what the import system asks for
            raise AttributeError(name)
        import_rules()
        return getattr(self, name)


class _Later(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds the rules, and leaves them for later."""

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
        return _Postponed(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        pass


def _version() -> str:
    """That of the torch that would be imported; empty if it does not say."""
    spec = importlib.util.find_spec("torch")
    if spec is None or spec.origin is None:
        return ""
    try:
        text = (Path(spec.origin).parent / "version.py").read_text(encoding="utf-8")
    except OSError:
        return ""
    found = re.search(r"^__version__ = '([^']+)'", text, re.MULTILINE)
    return found[1] if found else ""
