"""Errors that a user can cause: each names the place, the actual and expected value, and a fix.

Every error derives from `CnnstatError`, which is caught once, in `cli/main.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any, Literal

from .escaping import message_text

ModelPhase = Literal[
    "construction", "forward", "forward with gradients", "loss", "backward", "optimizer"
]
"""The construction of a model, or a part of its run."""
Unfit = Literal["shapes", "dtypes", "model"]
"""The mismatch; "model": the model itself is at fault."""

TORCH_PREFIX = "torch says: "
"""Before a message of torch's in the details of an error."""


class CnnstatError(Exception):
    """Base of all errors; `exit_status` is that of the command line."""

    exit_status = 1

    def __init__(self, message: str, *details: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.details = details
        self.hint = hint

    def __str__(self) -> str:
        lines = [self.message, *(f"  {detail}" for detail in self.details)]
        if self.hint:
            lines.append(f"  try: {self.hint}")
        return "\n".join(map(message_text, lines))


class UsageError(CnnstatError):
    """A command or a call cannot be understood."""

    exit_status = 2


class ModelError(CnnstatError):
    """The model cannot be loaded, built or run.

    `failure` is the record of the failed run (`trace.records.Failure`), None without a run. `phase`
    is the part that failed, "construction" for a user-defined model; None if no code of the model
    ran. `unfit` is the mismatch.
    """

    failure: Any = None
    phase: ModelPhase | None = None
    unfit: Unfit = "model"


class ShapeError(ModelError):
    """The model does not run on the given input.

    `diagnosis` has the place, the cause and fixes (a `diagnosis.results.Diagnosis`); None if there
    is not enough to derive them. `further` are the texts of the errors that follow after a fix.
    """

    unfit: Unfit = "shapes"
    diagnosis: Any = None
    further: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "\nerror: ".join([super().__str__(), *self.further])


class LaneError(ModelError):
    """The model does not run on this lane; it may run on another."""


class OutputError(CnnstatError):
    """The result cannot be written to the requested file."""

    exit_status = 2


class CheckError(CnnstatError):
    """A requested check failed."""

    exit_status = 3


def closest(word: str, known: Iterable[str], cutoff: float = 0.5) -> list[str]:
    """The known words closest to `word`, at most three, then three that begin with it."""
    names = {name.lower(): name for name in known}
    word = word.lower()
    close = [names[name] for name in get_close_matches(word, names, n=3, cutoff=cutoff)]
    close += [n for low, n in names.items() if word and low.startswith(word) and n not in close][:3]
    return close


def nearest(word: str, known: Iterable[str]) -> str:
    """`did you mean a, b?` for the known words closest to `word`, or an empty string."""
    close = closest(word, known)
    return f"did you mean {', '.join(close)}?" if close else ""
