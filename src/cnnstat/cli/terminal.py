"""Standard output and standard error: their width and colours, and messages on the latter."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import TextIO

from ..errors import CnnstatError
from ..escaping import message_text
from ..render.spelling import ERRORS, register, spelled
from ..render.styles import styled
from ..render.wrapping import wrapped

_STYLES = {"error": "bold red", "warning": "bold yellow", "note": "bold cyan"}


def is_terminal(stream: TextIO | None) -> bool:
    return stream is not None and not stream.closed and stream.isatty()


def has_colours(stream: TextIO | None) -> bool:
    """Whether to colour what is printed: on a terminal, unless its user says otherwise.

    NO_COLOR is the strongest, then FORCE_COLOR and CLICOLOR_FORCE, as in Python and ruff.
    """
    value = os.environ.get
    if value("NO_COLOR"):
        return False
    if any(value(name, "0").lower() not in ("", "0", "false") for name in _FORCING):
        return True
    return is_terminal(stream) and value("TERM") != "dumb" and value("CLICOLOR") != "0"


_FORCING = ("FORCE_COLOR", "CLICOLOR_FORCE")


def width_of(stream: TextIO | None) -> int | None:
    """The characters of a line: COLUMNS, else those of the terminal, else None."""
    columns = os.environ.get("COLUMNS", "")
    if columns.isdecimal() and int(columns) > 0:
        return int(columns)
    return _size(stream).columns if stream is not None and is_terminal(stream) else None


def height_of(stream: TextIO) -> int:
    """The lines of a terminal."""
    return _size(stream).lines


def _size(stream: TextIO) -> os.terminal_size:
    size = os.terminal_size((0, 0))
    with suppress(OSError, ValueError):  # a terminal that has no size
        size = os.get_terminal_size(stream.fileno())
    return os.terminal_size((size.columns or 80, size.lines or 24))


def prepare_streams() -> None:
    """Let the streams of the process write any text in the characters that they have.

    An explicit locale C is one of ASCII: Python writes UTF-8 there, as where there is no locale.
    """
    register()
    encoding = "ascii" if _is_ascii_locale() else None
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            with suppress(OSError, ValueError):
                stream.reconfigure(encoding=encoding, errors=ERRORS)


def _is_ascii_locale() -> bool:
    value = os.environ.get
    if value("PYTHONIOENCODING") or value("PYTHONUTF8"):
        return False
    ctype = value("LC_CTYPE", "")  # Python sets it to C.UTF-8 in a locale C
    named = value("LC_ALL") or (ctype if ctype != "C.UTF-8" else "") or value("LANG")
    return named in ("C", "POSIX")


def encoding_of(stream: TextIO | None) -> str:
    return getattr(stream, "encoding", None) or "utf-8"


def echo(text: str) -> None:
    """Print to standard error.

    Raises:
        OSError, ValueError: it is full or closed.
    """
    if sys.stderr is not None:
        sys.stderr.write(text + "\n")
        sys.stderr.flush()


def echo_note(text: str) -> None:
    """Print a note to standard error; see `echo` for what it raises."""
    echo("\n".join(_labelled("note", text, sys.stderr)))


def echo_error(error: CnnstatError) -> None:
    """Print an error to standard error: its place, the reasons, and what to type next.

    What to type stays one line on any terminal: it is there to be copied.
    """
    stream = sys.stderr
    width = width_of(stream)
    lines = _labelled("error", error.message, stream, bold=True)
    for detail in error.details:
        lines += [f"  {line}" for line in _wrapped(detail, width, 2, 4)]
    if error.hint:
        label = styled("try:", "bold green") if has_colours(stream) else "try:"
        lines.append(f"  {label} {message_text(error.hint)}")
    echo("\n".join(lines))


def _labelled(label: str, text: str, stream: TextIO | None, bold: bool = False) -> list[str]:
    """`label: text` in lines as wide as the terminal."""
    first, *rest = _wrapped(text, width_of(stream), len(label) + 2, 2)
    if has_colours(stream):
        style = "bold" if bold else ""
        head = f"{styled(label, _STYLES[label])}{styled(': ', style)}"
        return [head + styled(first, style), *(f"  {styled(line, style)}" for line in rest)]
    return [f"{label}: {first}", *(f"  {line}" for line in rest)]


def _wrapped(text: str, width: int | None, first: int, rest: int) -> list[str]:
    """The lines of a text of a message, each no wider than the terminal."""
    above, *below = spelled(message_text(text), encoding_of(sys.stderr)).split("\n")
    lines = wrapped(above, width, first, rest)
    lines[1:] = [" " * max(0, rest - first) + line for line in lines[1:]]
    for line in below:
        bare = line.strip()
        indent = (len(line) - len(line.lstrip())) - 2  # callers indent all lines but the first by 2
        lines += [" " * indent + part for part in wrapped(bare, width, indent + 2, indent + 2)]
    return lines
