"""Errors that a user can cause: each names the place, the actual and expected value, and a fix.

Every error derives from `CnnstatError`, which is caught once, in `cli/main.py`.
"""

from __future__ import annotations

import linecache
import os
import sys
from collections.abc import Iterable
from difflib import get_close_matches
from traceback import walk_tb
from types import TracebackType
from typing import Any, Literal

from .escaping import message_text

ModelPhase = Literal[
    "import", "construction", "forward", "forward with gradients", "loss", "backward", "optimizer"
]
"""The import of a model's file, its construction, or a part of its run."""
Unfit = Literal["shapes", "dtypes", "model"]
"""The mismatch; "model": the model itself is at fault."""

TORCH_PREFIX = "torch says: "
"""Before a message of torch's in the details of an error."""


class CnnstatError(Exception):
    """Base of all errors; `exit_status` is that of the command line.

    2: what was typed cannot be understood or found. 1: it is found and does not work. 3: a check.
    """

    exit_status = 1
    in_python = False
    """Whether its texts name arguments of Python instead of options (`python_wording`)."""

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

    def _render_traceback_(self) -> list[str]:
        """What IPython shows in the place of a traceback: the lines that called, and the error."""
        called = _lines_of_caller(self.__traceback__)
        return [*called, *([""] if called else []), f"error: {self}"]


_LONGEST_PATH = 60


def short_path(path: str) -> str:
    """The path of a module for a message: the middle of a long one is left out."""
    if len(path) <= _LONGEST_PATH:
        return path
    part = _LONGEST_PATH // 2
    return f"{path[:part].rpartition('.')[0]}.….{path[-part:].partition('.')[2]}"


def cell_name(file: str) -> str | None:
    """`In[3]` for the code of a cell of a notebook, as its margin has it; None for a file."""
    if not (file.startswith("<ipython-input") or "ipykernel_" in file):
        return None
    ipython = sys.modules.get("IPython")  # not imported for this
    shell = None if ipython is None else ipython.get_ipython()
    numbers = getattr(getattr(shell, "compile", None), "_filename_map", {})
    return f"In[{numbers[file]}]" if file in numbers else "cell"


def _lines_of_caller(traceback: TracebackType | None) -> list[str]:
    """The lines of the user's code from the cell to the call of cnnstat."""
    lines = []
    for frame, number in walk_tb(traceback):
        file = frame.f_code.co_filename
        if file.startswith(_PACKAGE):
            break
        if f"{os.sep}IPython{os.sep}" not in file:
            source = linecache.getline(file, number, frame.f_globals).strip()
            lines.append(f"{cell_name(file) or file}, line {number}: {message_text(source)}")
    return lines


_PACKAGE = os.path.join(os.path.dirname(__file__), "")


class PassedThrough(BaseException):
    """Raised by cnnstat through the code of a model, whose own handlers are not to catch it."""


NOT_OF_THE_MODEL = (KeyboardInterrupt, PassedThrough)


def hides_interrupt(error: BaseException) -> bool:
    """Whether code raised the error while it handled a KeyboardInterrupt, as a `finally` may do."""
    visited: set[int] = set()
    step: BaseException | None = error
    while step is not None and id(step) not in visited:
        visited.add(id(step))
        if isinstance(step, KeyboardInterrupt):
            return True
        step = step.__context__
    return False


"""What passes through a run and is no failure of the model. All else that its code raises is one:
SystemExit and GeneratorExit too."""

_LONGEST_MESSAGE = 1000  # characters


def message_of(error: BaseException) -> str:
    """The text of an exception, which is the model's code too: it may be long, or fail."""
    try:
        text = str(error).strip()
    except NOT_OF_THE_MODEL:
        raise
    except BaseException as failure:  # __str__ of a class of the model's
        return f"(its text fails with {type(failure).__name__})"
    return text if len(text) <= _LONGEST_MESSAGE else f"{text[:_LONGEST_MESSAGE]}…"


def text_of(error: BaseException) -> str:
    """The text of an exception; the name of its class if it has none."""
    return message_of(error) or type(error).__name__


def format_exception(error: BaseException) -> str:
    """`TypeError: the first line of its text`, or the name alone."""
    lines = message_of(error).splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


class UsageError(CnnstatError):
    """What was typed, or passed, cannot be understood."""

    exit_status = 2


class NotFound(UsageError):
    """What was named does not exist: a file, a class in it, a device."""


class InputMissing(UsageError):
    """A model needs an input, and none can be guessed; `loaded` is the model without inputs."""

    loaded: Any = None


class ModelError(CnnstatError):
    """The model cannot be loaded, built or run.

    `failure` is the record of the failed run (`trace.records.Failure`), None without a run. `phase`
    is the part that failed, "import" and "construction" for a user-defined model; None if no code
    of the model ran. `unfit` is the mismatch.

    `diagnosis` has the place, the cause and fixes (a `diagnosis.results.Diagnosis`); None if there
    is not enough to derive them. `further` are the texts of the errors that follow after a fix,
    `context` what a command adds to a diagnosis. `advice` are those of the details that follow the
    exception of a model that cannot be imported or built.
    """

    failure: Any = None
    phase: ModelPhase | None = None
    unfit: Unfit = "model"
    calls: tuple[tuple[str, int], ...] = ()
    diagnosis: Any = None
    further: tuple[str, ...] = ()
    context: tuple[str, ...] = ()
    advice: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "\nerror: ".join([super().__str__(), *self.further])


class ShapeError(ModelError):
    """The model does not run on the given input."""

    unfit: Unfit = "shapes"


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
