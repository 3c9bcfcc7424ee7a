"""The code of models inside a command: what it prints and raises."""

from __future__ import annotations

import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from typing import Any, TextIO

from ..errors import ModelError, format_exception, hides_interrupt
from .terminal import echo_note

_STDOUT, _STDERR = 1, 2
_interrupted = threading.Event()


def prepare_process(debug: bool) -> None:
    """For the code of models: notice a Ctrl-C, which it may raise itself, and report its failures
    outside of a run, in threads and at the end, in a line each unless `debug`.
    """
    if not debug:
        threading.excepthook = sys.unraisablehook = _report
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupt)


def _report(failure: Any) -> None:
    """Report the exception of a thread, a `__del__` or an exit handler, after which all goes on."""
    error = failure.exc_value
    if error is not None and not isinstance(error, SystemExit):
        reason = format_exception(error)
        with suppress(OSError, ValueError):  # standard error is full or closed
            echo_note(f"outside of the run, code fails with {reason}")


def _interrupt(*_: object) -> None:
    global _interrupts
    _interrupts += 1
    if _interrupts > _MOST_INTERRUPTS:
        os._exit(130)
    if _is_leaving.is_set():
        return
    _interrupted.set()
    if is_torch_loading():
        again = threading.Timer(_SECONDS_UNTIL_AGAIN, _interrupt_again)
        again.daemon = True
        again.start()
        _repetitions.append(again)
    raise KeyboardInterrupt


def is_torch_loading() -> bool:
    spec = getattr(sys.modules.get("torch"), "__spec__", None)
    return bool(getattr(spec, "_initializing", False))


def leave() -> None:
    """From here on the process ends, and another Ctrl-C changes nothing."""
    _is_leaving.set()
    for again in _repetitions:
        again.cancel()
        again.join()


def _interrupt_again() -> None:
    """Repeat a Ctrl-C that the import of torch ignored: C code inside clears what Python raises."""
    if not _is_leaving.is_set():
        os.kill(os.getpid(), signal.SIGINT)


_SECONDS_UNTIL_AGAIN = 0.2
_is_leaving = threading.Event()
_repetitions: list[threading.Timer] = []
_interrupts = 0
_MOST_INTERRUPTS = 2  # that code may catch


@contextmanager
def running_models() -> Iterator[None]:
    """Inside, the code of models prints to standard error, from C too, and cannot end the process.

    Raises:
        ModelError: it raised SystemExit, KeyboardInterrupt or the like.
    """
    with _printing_to_stderr(), _warnings_as_notes():
        try:
            yield
        except Exception as error:  # of cnnstat's callers, who report it
            # an import of torch that was interrupted may fail by any other error
            if _interrupted.is_set() and (_repetitions or hides_interrupt(error)):
                leave()
                raise KeyboardInterrupt from error
            raise
        except BaseException as error:  # the model's code may raise anything
            if _interrupted.is_set():  # perhaps while torch was imported: it is incomplete then
                leave()
                raise
            from ..tracing.places import raising_line  # what comes from a model has imported torch

            place = raising_line(error)
            if not place:
                raise
            raise ModelError("the model fails", *place, format_exception(error)) from error


@contextmanager
def _warnings_as_notes() -> Iterator[None]:
    """Print a warning of Python's as one note, rather than with a line of source below it."""
    usual, warnings.showwarning = warnings.showwarning, _show_warning
    try:
        yield
    finally:
        warnings.showwarning = usual


def _show_warning(
    message: Warning | str, category: type[Warning], filename: str, lineno: int,
    file: TextIO | None = None, line: str | None = None,
) -> None:  # fmt: skip
    with suppress(OSError, ValueError):  # a file on another drive, or below a folder that is gone
        relative = os.path.relpath(filename)
        filename = filename if relative.startswith("..") else relative
    with suppress(OSError, ValueError):  # standard error is full or closed
        echo_note(f"{filename}:{lineno}: {category.__name__}: {message}")


@contextmanager
def _printing_to_stderr() -> Iterator[None]:
    with redirect_stdout(sys.stderr):
        try:
            result = os.dup(_STDOUT)
        except OSError:  # closed
            yield
            return
        try:
            with suppress(OSError):
                os.dup2(_STDERR, _STDOUT)
            yield
        finally:
            _flush_c()
            os.dup2(result, _STDOUT)
            os.close(result)


def _flush_c() -> None:
    """Write what the C library buffers of `printf`: later it would go to the result."""
    ctypes = sys.modules.get("ctypes")  # torch imports it
    if ctypes is not None:
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).fflush(None)
