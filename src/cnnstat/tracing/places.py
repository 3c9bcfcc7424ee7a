"""Where in the model's own source something happens: neither torch's, nor ours, nor Python's."""

from __future__ import annotations

import sys
import sysconfig
import traceback
from collections.abc import Iterator
from functools import cache
from itertools import islice
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import torch

from ..trace.records import Frame, Kind, Module
from .recorder import OpenCall, Recorder

_DEEPEST = 40  # frames that are kept of one way
_OURS = str(Path(__file__).parent.parent)
_TORCH = str(Path(torch.__file__).parent)
_PYTHON = sysconfig.get_path("stdlib")


class Watcher(Recorder):
    """Books that note, for each call, the way to it through the model's source and its arguments.

    Slower than the plain ones: for a run that is known to fail.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        self.called_at: dict[int, tuple[Frame, ...]] = {}
        self.arguments: dict[int, Any] = {}

    def _open(
        self, kind: Kind, path: str, type: str, module: Module | None, library: bool, inputs: Any
    ) -> OpenCall:
        call = super()._open(kind, path, type, module, library, inputs)
        self.called_at[call.index] = tuple(reversed(list(_frames_above(sys._getframe(1)))))
        self.arguments[call.index] = self.freeze(inputs)
        return call


@cache
def is_of_the_model(file: str) -> bool:
    """Whether a file is the model's own: a package's, a script's or a notebook's."""
    if file.startswith("<") and not file.startswith(("<ipython", "<stdin", "<string")):
        return False
    library = "site-packages" in file or "dist-packages" in file
    return not file.startswith((_OURS, _TORCH)) and (library or not file.startswith(_PYTHON))


def _frames_above(frame: FrameType | None) -> Iterator[Frame]:
    """The frames of the model's source from here outwards."""
    while frame is not None:
        if is_of_the_model(frame.f_code.co_filename):
            yield place_of(frame.f_code, frame.f_lasti, frame.f_lineno)
        elif frame.f_code.co_name == "_run" and frame.f_code.co_filename.startswith(_OURS):
            return  # outside the model: who asked for the run
        frame = frame.f_back


@cache
def place_of(code: CodeType, instruction: int, line: int | None) -> Frame:
    """The place in the source that an instruction of compiled code comes from."""
    found = next(islice(code.co_positions(), instruction // 2, None), (None,) * 4)
    first, last, column, end = found
    first = first or line or 1
    return Frame(code.co_filename, code.co_name, first, column or 0, last or first, end or 0)


def frames_of(error: BaseException) -> tuple[tuple[Frame, ...], str]:
    """The way to where an exception was raised, through the model's source; and the file it was."""
    frames: list[Frame] = []
    file = ""
    inside = False
    for frame, line in traceback.walk_tb(error.__traceback__):
        file = frame.f_code.co_filename
        inside = inside or file.startswith(_OURS)
        if is_of_the_model(file) and inside:
            frames.append(place_of(frame.f_code, _instruction(error, frame), line))
    return tuple(frames[-_DEEPEST:]), file


def _instruction(error: BaseException, frame: FrameType) -> int:
    step = error.__traceback__
    while step is not None:
        if step.tb_frame is frame:
            return step.tb_lasti
        step = step.tb_next
    return frame.f_lasti


def numbers_known(error: BaseException) -> tuple[tuple[str, Any], ...]:
    """The whole numbers among the local names of the innermost functions, the last ones first."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    found: dict[str, Any] = {}
    for frame in frames[:-4:-1]:
        for name, value in frame.f_locals.items():
            if isinstance(value, int) and not isinstance(value, bool):
                found.setdefault(name, value)
    return tuple(found.items())
