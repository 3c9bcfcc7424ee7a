"""The referees: other counters, each run on a separate copy of the model.

A failure of a referee is a result too: its error is recorded, on one line.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from ..differences import Count
from .sandbox import CountRequest, Skipped, contained


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
    Known("FlopCounterMode", "torch", "dispatch_counters:count_flop_counter_mode", "meta"),
    Known("thop", "thop", "thop:count", "meta", optional=True),
    Known("ptflops", "ptflops", "dispatch_counters:count_ptflops", "meta", optional=True),
    Known("calflops", "calflops", "dispatch_counters:count_calflops", "meta", optional=True),
    Known("torchprofile", "torchprofile", "torchprofile:count", "cpu", optional=True),
)

_LONGEST = 200  # characters of an error

__all__ = ["REFEREES", "CountRequest", "absent", "consult"]


def absent() -> tuple[str, ...]:
    """The optional referees that are not installed."""
    return tuple(known.name for known in REFEREES if known.optional and not _is_installed(known))


def consult(request: CountRequest) -> tuple[Count, ...]:
    """Run every installed referee."""
    return tuple(
        _run(known, request)
        for known in REFEREES
        if not known.optional or _is_installed(known)
    )  # fmt: skip


def _is_installed(known: Known) -> bool:
    return importlib.util.find_spec(known.package) is not None


def _run(known: Known, request: CountRequest) -> Count:
    version = _version(known.package)
    device = "cpu" if request.has_data else known.device
    started = time.perf_counter()
    try:
        with contained():
            module, _, name = known.function.partition(":")
            count: Any = getattr(importlib.import_module(f".{module}", __name__), name)
            figures = count(request)
    except Skipped as reason:
        return Count(known.name, version, None, None, skipped=str(reason))
    except (Exception, SystemExit) as error:  # third-party code may raise anything
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
    """The innermost cause, on one line: counters wrap the original error."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines: Sequence[str] = str(error).strip().splitlines()
    line = f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"
