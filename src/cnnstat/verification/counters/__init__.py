"""The referees: other counters, each run on a copy of the model of its own.

A referee that fails is a result like any other: its error is kept, on one line.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from ..differences import Count
from .sandbox import Question, Skipped, contained


class Known(NamedTuple):
    """A referee: the package it comes in, the function that runs it (`module:name` in this
    folder), and the device of its tensors."""

    name: str
    package: str
    function: str
    device: str
    optional: bool = False


REFEREES = (
    Known("fvcore", "fvcore", "fvcore:count", "cpu"),
    Known("torchinfo", "torchinfo", "torchinfo:count", "meta"),
    Known("FlopCounterMode", "torch", "dispatch:count_flop_counter_mode", "meta"),
    Known("thop", "thop", "thop:count", "meta", optional=True),
    Known("ptflops", "ptflops", "dispatch:count_ptflops", "meta", optional=True),
    Known("calflops", "calflops", "dispatch:count_calflops", "meta", optional=True),
    Known("torchprofile", "torchprofile", "torchprofile:count", "cpu", optional=True),
)

_LONGEST = 200  # characters of an error

__all__ = ["REFEREES", "Question", "absent", "consult"]


def absent() -> tuple[str, ...]:
    """The optional referees that are not installed."""
    return tuple(known.name for known in REFEREES if known.optional and not _is_installed(known))


def consult(question: Question) -> tuple[Count, ...]:
    """Ask every referee that is installed."""
    return tuple(
        _ask(known, question)
        for known in REFEREES
        if not known.optional or _is_installed(known)
    )  # fmt: skip


def _is_installed(known: Known) -> bool:
    return importlib.util.find_spec(known.package) is not None


def _ask(known: Known, question: Question) -> Count:
    version = _version(known.package)
    device = "cpu" if question.has_data else known.device
    started = time.perf_counter()
    try:
        with contained():
            module, _, name = known.function.partition(":")
            count: Any = getattr(importlib.import_module(f".{module}", __name__), name)
            figures = count(question)
    except Skipped as reason:
        return Count(known.name, version, None, None, skipped=str(reason))
    except (Exception, SystemExit) as error:  # foreign code on any model: anything may come out
        seconds = time.perf_counter() - started
        return Count(known.name, version, device, seconds, error=_one_line(error))
    seconds = time.perf_counter() - started
    return Count(known.name, version, device, seconds, figures=figures)


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "unknown version"


def _one_line(error: BaseException) -> str:
    """The innermost cause: counters wrap what went wrong in sentences of their own."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines: Sequence[str] = str(error).strip().splitlines()
    line = f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"
