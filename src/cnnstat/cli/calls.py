"""Calls of what needs torch: imported quickly, and what models print kept off standard output."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from typing import TypeVar

from ..errors import ModelError

_T = TypeVar("_T")
_OBJECTS = 200_000  # made before garbage is looked for


def called(call: Callable[[], _T]) -> _T:
    """What a call returns; what models print meanwhile goes to standard error."""
    with redirect_stdout(sys.stderr):
        return call()


def called_quickly(call: Callable[[], _T]) -> _T:
    """The same with stand-ins for what takes long to import; a failure is told without them."""
    with quick_import():
        from ..fast_meta import quickly
    return called(lambda: quickly(call, in_doubt=ModelError))


@contextmanager
def quick_import() -> Iterator[None]:
    """Importing torch makes a million objects that all stay: collecting garbage finds none.

    Nor is there much to find in the records of a run: from here on it is looked for seldom.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.set_threshold(_OBJECTS)
        gc.enable()
