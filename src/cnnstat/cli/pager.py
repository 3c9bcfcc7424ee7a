"""A pager for results that are longer than the terminal, as git has one."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from typing import TextIO

from .terminal import height_of, is_terminal

_enabled = True


def use_pager(enabled: bool) -> None:
    """Whether results of this process may be shown in a pager."""
    global _enabled
    _enabled = enabled


def page(text: str, stream: TextIO) -> bool:
    """Show the text in a pager if it is longer than the terminal; whether that was done.

    The pager is CNNSTAT_PAGER, else PAGER, else less; an empty one or `cat` is none. With less, the
    options are those of LESS, else FRX: colours, and the text stays on the terminal.
    """
    command = _command() if _enabled and is_terminal(stream) and is_terminal(sys.stdin) else []
    if not command or text.count("\n") < height_of(stream):
        return False
    environment = {"LESS": "FRX", "LV": "-c", **os.environ}
    stream.flush()
    try:
        pager = subprocess.Popen(
            command, stdin=subprocess.PIPE, env=environment, text=True,
            encoding=stream.encoding, errors=stream.errors,
        )  # fmt: skip
    except OSError:  # it cannot be started
        return False
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the pager's
    try:
        with suppress(BrokenPipeError):  # it was left before the end of the text
            pager.communicate(text)
        pager.wait()
    finally:
        signal.signal(signal.SIGINT, before)
    return pager.returncode not in (126, 127)


def _command() -> list[str]:
    """The words of the pager's command; none if there is no such program."""
    chosen = os.environ.get("CNNSTAT_PAGER", os.environ.get("PAGER", "less"))
    with suppress(ValueError):  # quotes that do not close
        words = shlex.split(chosen)
        if words and words[0] != "cat" and shutil.which(words[0]):
            return words
    return []
