"""Places in the source of a model: frames that are not torch's, cnnstat's or Python's."""

from __future__ import annotations

import linecache
import os
import traceback
from collections.abc import Iterator
from functools import cache
from itertools import islice
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import torch

from ..errors import cell_name
from ..trace.records import Frame

_MAX_FRAMES = 40
_OURS = str(Path(__file__).parent.parent)
_RUNS = {
    str(Path(__file__).with_name(room) / name)
    for room, name in (("run", "trace.py"), ("training_step", "step.py"))
}
_TORCH = str(Path(torch.__file__).parent)
_PYTHON = str(Path(os.__file__).parent)  # sysconfig takes 5 ms


@cache
def is_model_source(file: str) -> bool:
    """Whether a file may be part of a model: of a package, script or notebook."""
    if file.startswith("<") and not file.startswith(("<ipython", "<stdin", "<string")):
        return False
    return not file.startswith((_OURS, _TORCH)) and (
        is_library(file) or not file.startswith(_PYTHON)
    )


def is_library(file: str) -> bool:
    """Whether a file belongs to an installed package."""
    return "site-packages" in file or "dist-packages" in file


def innermost_frame(frame: FrameType | None) -> Frame | None:
    """The innermost frame of the model's source, from `frame` upwards; None if there is none."""
    return next(frames_above(frame), None)


def frames_above(frame: FrameType | None) -> Iterator[Frame]:
    """The frames of the model's source, the innermost first."""
    while frame is not None:
        if is_model_source(frame.f_code.co_filename):
            yield place_of(frame.f_code, frame.f_lasti, frame.f_lineno)
        elif frame.f_code.co_name == "_run" and frame.f_code.co_filename in _RUNS:
            return  # the frames above belong to the caller of the run
        frame = frame.f_back


def place_of(code: CodeType, instruction: int, line: int | None) -> Frame:
    """The place in the source of an instruction of compiled code."""
    return _place_in(code.co_filename, code, instruction, line)


@cache  # by the file as well: equal functions of two files are equal to Python
def _place_in(file: str, code: CodeType, instruction: int, line: int | None) -> Frame:
    found = next(islice(code.co_positions(), instruction // 2, None), (None,) * 4)
    first, last, column, end = found
    first = first or line or 1
    return Frame(file, code.co_name, first, column or 0, last or first, end or 0)


def frames_of(error: BaseException) -> tuple[tuple[Frame, ...], str]:
    """The model's frames up to where an exception was raised, and the file that raised it."""
    frames: list[Frame] = []
    file = ""
    inside = False
    for frame, line in traceback.walk_tb(error.__traceback__):
        file = frame.f_code.co_filename
        inside = inside or file.startswith(_OURS)
        if is_model_source(file) and inside:
            frames.append(place_of(frame.f_code, _instruction(error, frame), line))
    return tuple(frames[-_MAX_FRAMES:]), file


def _instruction(error: BaseException, frame: FrameType) -> int:
    step = error.__traceback__
    while step is not None:
        if step.tb_frame is frame:
            return step.tb_lasti
        step = step.tb_next
    return frame.f_lasti


def local_integers(error: BaseException) -> tuple[tuple[str, Any], ...]:
    """The integers among the locals of the three innermost functions, the innermost first."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    found: dict[str, Any] = {}
    for frame in frames[:-4:-1]:
        for name, value in frame.f_locals.items():
            if isinstance(value, int) and not isinstance(value, bool):
                found.setdefault(name, value)
    return tuple(found.items())


def raising_line(error: BaseException) -> list[str]:
    """The innermost line of the model's source that an exception passed, marked; else nothing."""
    last = None
    inside = False
    for frame in traceback.extract_tb(error.__traceback__):
        inside = inside or frame.filename.startswith(_OURS)
        if inside and is_model_source(frame.filename):
            last = frame
    return [] if last is None else marked_line(last)


def marked_line(frame: traceback.FrameSummary) -> list[str]:
    """A line of source without indentation, and carets below the failing part."""
    raw = linecache.getline(frame.filename, frame.lineno or 0)
    line = raw.strip()
    head = f"{shown_path(frame.filename)}:{frame.lineno}: "
    if not line or frame.colno is None or frame.end_colno is None:
        return [head + line]
    indent = len(raw) - len(raw.lstrip())
    # colno counts UTF-8 bytes
    start = len(raw.encode()[: frame.colno].decode(errors="ignore")) - indent
    end = len(line)
    if frame.end_lineno == frame.lineno:
        end = len(raw.encode()[: frame.end_colno].decode(errors="ignore")) - indent
    if start < 0 or (start, end) == (0, len(line)):
        return [head + line]
    return [head + line, " " * (len(head) + start) + "^" * max(1, end - start)]


def shown_path(file: str | None) -> str:
    """A path relative to the working directory if it is below it, else as it is; or a cell."""
    if (cell := cell_name(file or "")) is not None:
        return cell
    path = Path(file or "")
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
