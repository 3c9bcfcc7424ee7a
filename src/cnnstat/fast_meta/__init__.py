"""What makes runs without data fast. All of it may be left out, and nothing but the time changes.

    kernels/          output shapes of the commonest operators, without torch's Python
    torch_import.py   importing torch without its shape rules until one is needed
    stand_ins.py      importing other libraries without torch's compiler
    garbage.py        no search for cyclic garbage where there is none

Whoever wants something fast asks the functions here. With `CNNSTAT_FAST=0` in the environment they
give the plain way and import nothing of the above: so a figure that looks wrong can be made again
without, and a test holds both equal.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, TypeVar

_T = TypeVar("_T")
_IS_USED = os.environ.get("CNNSTAT_FAST") != "0"


class Missing(BaseException):
    """The quick import did not do. Not an Exception: no model's code is to take it for its own."""


def shape_kernels() -> Mapping[str, Callable[..., Any]]:
    """The kernels by the name of the operator, `aten::relu`; they may answer NotImplemented."""
    if not _IS_USED:
        return {}
    from .kernels import KERNELS

    return KERNELS


def own_rules() -> AbstractContextManager[Any]:
    """Inside, the kernels answer outside of a recorded run, as where a model is built."""
    if not _IS_USED:
        return nullcontext()
    from .kernels.mode import OwnRules

    return OwnRules()  # type: ignore[no-untyped-call]  # torch declares no types


def by_torchs_rules(func: Any) -> Any:
    """The operator with all of torch's rules there when it runs on `meta`."""
    if not _IS_USED:
        return func
    from .kernels import mode

    return mode.by_torchs_rules(func)


def decomposition_of(func: Any) -> Any:
    """The function that decomposes a composite operator."""
    if not _IS_USED:
        return func.decompose
    from .kernels import mode

    return mode.decomposition_of(func)


def uncollected() -> AbstractContextManager[None]:
    """Inside, cyclic garbage is not looked for."""
    if not _IS_USED:
        return nullcontext()
    from . import garbage

    return garbage.uncollected()


@contextmanager
def imported_quickly(postponing: bool = True) -> Iterator[None]:
    """Inside, torch is imported quickly whenever something imports it first.

    `postponing`: whether its rules in Python are left for later, if that was tried with it.
    """
    if not _IS_USED:
        yield
        return
    from . import torch_import

    with torch_import.imported_quickly(postponing):
        yield


def import_rules() -> bool:
    """Import the rules of torch that were postponed. Whether any were."""
    if not _IS_USED:
        return False
    from . import torch_import

    postponed = torch_import.is_postponed()
    torch_import.import_rules()
    return postponed


def quickly(action: Callable[[], _T], in_doubt: type[Exception]) -> _T:
    """What `action` returns; it may import libraries the quick way (`quick_import`)."""
    if not _IS_USED:
        return action()
    from . import stand_ins

    return stand_ins.quickly(action, in_doubt)


def is_quick(library: str) -> bool:
    """Whether a library that is not imported yet may be imported the quick way."""
    if not _IS_USED:
        return False
    from . import stand_ins

    return stand_ins.is_wanted(library)


def was_quick(library: str) -> bool:
    """Whether a library was imported with stand-ins whose use ends the attempt."""
    if not _IS_USED:
        return False
    from . import stand_ins

    return stand_ins.was_used_for(library)


def left_out(*modules: str, by: str | None = None) -> AbstractContextManager[None]:
    """Inside, these modules have stand-ins; it is asked for only where `is_quick` said so."""
    from . import stand_ins

    return stand_ins.left_out(*modules, by=by)
