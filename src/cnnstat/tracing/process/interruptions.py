"""What ends an analysis and is no failure of the model: it passes to the caller as it is.

A handler of a signal that the caller installed may raise, as one that limits the time does. And in
a process that the model's code forks, which does not end there, an exception is that of the child:
`sys.exit()` ends it.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import CodeType
from typing import Any

from ...errors import ModelError, PassedThrough, format_exception


class _OfTheCaller(PassedThrough):
    """Carries an exception through a run, where others are failures of the model."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error


class _Analysis(threading.local):
    process: int | None = None
    """The process of the analysis of this thread; None outside of all."""
    handlers: frozenset[CodeType] = frozenset()


_analysis = _Analysis()


@contextmanager
def interruptions_passed() -> Iterator[None]:
    """Let exceptions of the caller out of the analysis inside as they were raised."""
    before = _analysis.process, _analysis.handlers
    if _analysis.process != os.getpid():
        _analysis.process, _analysis.handlers = os.getpid(), frozenset(_code_of_handlers())
    try:
        yield
    except _OfTheCaller as passed:
        raise passed.error from passed.error.__cause__
    finally:
        _analysis.process, _analysis.handlers = before


def pass_to_caller(error: BaseException) -> None:
    """Raise an exception on to the caller if it is none of the model's failures."""
    if any(code in _analysis.handlers for code in _codes(error)):
        raise _OfTheCaller(error)
    if _analysis.process in (None, os.getpid()):
        return
    if isinstance(error, SystemExit):
        raise _OfTheCaller(error)
    failure = ModelError("the model fails in a process that it forks", format_exception(error))
    failure.__cause__ = error
    raise _OfTheCaller(failure)


def _codes(error: BaseException) -> Iterator[CodeType]:
    """The code of each function that the exception passed through."""
    step = error.__traceback__
    while step is not None:
        yield step.tb_frame.f_code
        step = step.tb_next


def _code_of_handlers() -> Iterator[CodeType]:
    for number in signal.valid_signals():
        handler: Any = signal.getsignal(number)
        handler = getattr(handler, "func", handler)  # of functools.partial
        if callable(handler):
            method = handler if hasattr(handler, "__code__") else type(handler).__call__
            code = getattr(getattr(handler, "__func__", method), "__code__", None)
            if code is not None:
                yield code
