"""Errors a user can cause: each names the place, what was seen, what was expected and what to type.

Every error derives from `CnnstatError`, which is caught once, in `cli/main.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any, Literal

ModelPhase = Literal[
    "construction", "forward", "forward with gradients", "loss", "backward", "optimizer"
]
"""What was being done with a model: its construction, or a part of its run."""
Unfit = Literal["shapes", "dtypes", "model"]
"""What does not fit; "model": the model itself is at fault."""

TORCH_SAYS = "torch says: "
"""Before a message of torch's in the details of an error."""


class CnnstatError(Exception):
    """Base of all errors; `exit_status` is what the command line ends with."""

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
        return "\n".join(lines)


class UsageError(CnnstatError):
    """What was typed cannot be understood."""

    exit_status = 2


class ModelError(CnnstatError):
    """The model cannot be loaded, built or run.

    `failure` is the record of the run that failed (`trace.records.Failure`), None without one.
    `phase` is what failed, "construction" being that of a user's own model; None where nothing
    of the model was run. `unfit` is what does not fit.
    """

    failure: Any = None
    phase: ModelPhase | None = None
    unfit: Unfit = "model"


class ShapeError(ModelError):
    """The model does not run on the given input.

    `diagnosis` says where, why, and what would mend it (an
    `analysis.diagnosis.records.Diagnosis`); None where there was nothing to derive it from.
    `further` are the texts of the errors that come after this one is mended.
    """

    unfit: Unfit = "shapes"
    diagnosis: Any = None
    further: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "\nerror: ".join([super().__str__(), *self.further])


class LaneError(ModelError):
    """The model does not run on one lane; on another it may."""


class OutputError(CnnstatError):
    """The result cannot be written where the user asked for it."""

    exit_status = 2


class CheckError(CnnstatError):
    """A check the user asked for failed."""

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
