"""Everything that makes runs without data fast. Without it only the time changes.

    kernels/          output shapes of the most common operators, without torch's Python
    torch_import.py   import of torch without its shape rules until one is needed
    stand_ins.py      import of other libraries without torch's compiler

Other code calls the functions here. With `CNNSTAT_FAST=0` in the environment they do the plain
thing and import none of the above, so a suspicious figure can be computed again without it; a test
compares both.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, TypeVar

from ..errors import PassedThrough

_T = TypeVar("_T")
_IS_USED = os.environ.get("CNNSTAT_FAST") != "0"


class Missing(PassedThrough):
    """A stand-in was used. No Exception, so a model's `except Exception` does not catch it."""


def shape_kernels() -> Mapping[str, Callable[..., Any]]:
    """The kernels by name of the operator (`aten::relu`); they may return NotImplemented."""
    if not _IS_USED:
        return {}
    from .kernels import KERNELS

    return KERNELS


def kernels_active() -> AbstractContextManager[Any]:
    """Use the kernels outside of a recorded run, as while a model is built."""
    if not _IS_USED:
        return nullcontext()
    from .kernels.mode import KernelMode

    return KernelMode()  # type: ignore[no-untyped-call]  # torch declares no types


def with_torch_rules(func: Any) -> Any:
    """The operator, which imports torch's postponed rules before it runs on `meta`."""
    if not _IS_USED:
        return func
    from .kernels import mode

    return mode.with_torch_rules(func)


def decomposition_of(func: Any) -> Any:
    """The function that decomposes a composite operator."""
    if not _IS_USED:
        return func.decompose
    from .kernels import mode

    return mode.decomposition_of(func)


def gc_paused() -> AbstractContextManager[None]:
    """Pause the collection of cyclic garbage."""
    if not _IS_USED:
        return nullcontext()
    from . import torch_import

    return torch_import.gc_paused()


@contextmanager
def fast_torch_import(postponing: bool = True) -> Iterator[None]:
    """Import torch the fast way, whenever something first imports it.

    `postponing`: whether to postpone its rules in Python, for the versions tested with that.
    """
    if not _IS_USED:
        yield
        return
    from . import torch_import

    with torch_import.fast_torch_import(postponing):
        yield


def import_rules() -> bool:
    """Import the postponed rules of torch; returns whether any were."""
    if not _IS_USED:
        return False
    from . import torch_import

    postponed = torch_import.is_postponed()
    torch_import.import_rules()
    return postponed


def with_fast_imports(action: Callable[[], _T], in_doubt: tuple[type[Exception], ...]) -> _T:
    """Call `action`, which may import libraries with stand-ins; see `stand_ins.py`."""
    if not _IS_USED:
        return action()
    from . import stand_ins

    return stand_ins.with_fast_imports(action, in_doubt)


def may_import_fast(library: str) -> bool:
    """Whether a library may be imported with stand-ins."""
    if not _IS_USED:
        return False
    from . import stand_ins

    return stand_ins.may_import_fast(library)


def was_imported_fast(library: str) -> bool:
    """Whether a library was imported with stand-ins whose use raises `Missing`."""
    if not _IS_USED:
        return False
    from . import stand_ins

    return stand_ins.was_used_for(library)


def stand_ins_for(*modules: str, by: str | None = None) -> AbstractContextManager[None]:
    """Import stand-ins for these modules; call it only if `may_import_fast` is true."""
    from . import stand_ins

    return stand_ins.stand_ins_for(*modules, by=by)
