"""Layers, messages and places in the source as a report names them."""

from __future__ import annotations

import linecache
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import ModelError, cell_name, short_path
from ..operators.describe import dims_of
from ..trace.records import Call, Failure, Frame
from ..tracing.places import shown_path
from .literals import plain
from .results import Place
from .source_text import lines_of


def counted(count: int | None, unit: str) -> str:
    """`3 channels`, `1 channel`."""
    return f"{count} {unit.removesuffix('s') if count == 1 else unit}"


def first_line(failure: Failure) -> str:
    """Of the exception's message, with its class where the model raised it."""
    line = failure.reason.splitlines()[0]
    if line == failure.error:  # an exception without a text
        return line
    message = re.sub(r"\s*\(.*?at::.*?\)", "", line)  # without C++ signatures
    return f"{failure.error}: {message}" if failure.in_model else message


def message(failure: Failure) -> str:
    """The first line of the exception's message, and whose it is."""
    line = first_line(failure).partition(_SIGNATURES)[0]
    if line == failure.error and failure.in_model:
        return f"the model raises {line}, without a message"
    if failure.error in _OF_PYTHON:
        return line if line.startswith(failure.error) else f"{failure.error}: {line}"
    if failure.error == ModelError.__name__ and not failure.in_model:
        return line  # a refusal of cnnstat's
    return f"{'the model says' if failure.in_model else 'torch says'}: {line}"


_SIGNATURES = ", but expected one of"  # the list of signatures follows on other lines
_OF_PYTHON = {
    "AttributeError", "ImportError", "IndentationError", "IndexError", "KeyError",
    "ModuleNotFoundError", "NameError", "NotImplementedError", "RecursionError", "SyntaxError",
    "TabError", "TypeError", "UnboundLocalError", "ZeroDivisionError",
}  # fmt: skip


def name_of(call: Call) -> str:
    """`features.3 (Conv2d 64→128 3×3)`, `cat()`."""
    path = short_path(call.path)
    if call.kind == "function":
        return f"{path}()"
    kind = f"{call.type} {settings_of(call)}".rstrip()
    return f"{path} ({kind})" if path else call.type


def settings_of(call: Call) -> str:
    """The sizes of a layer in short, from its settings: it may not have run.

    Empty if there are none, or if user code replaced one by something else than a number.
    """
    if call.module is None:
        return ""
    settings = {name: plain(value) for name, value in call.module.settings.items()}
    try:
        return _sizes(call, call.module.base, settings)
    except (KeyError, TypeError):
        return ""


def _sizes(call: Call, base: str, s: Mapping[str, Any]) -> str:
    if base == "Linear":
        return f"{s['in_features']}→{s['out_features']}"
    if base.startswith("Conv"):
        kernel = "×".join(map(str, s["kernel_size"]))
        return f"{s['in_channels']}→{s['out_channels']} {kernel}"
    for name in ("num_features", "num_channels", "normalized_shape"):
        if name in s:
            sizes = s[name] if isinstance(s[name], tuple) else (s[name],)
            return "×".join(map(str, sizes))
    if "Pool" in base and "kernel_size" in s and "Adaptive" not in base:
        kernel = s["kernel_size"]
        sides = kernel if isinstance(kernel, tuple) else (kernel,) * (dims_of(call) or 1)
        return "×".join(map(str, sides))
    if base in ("LSTM", "GRU", "RNN"):
        return f"{s['input_size']}→{s['hidden_size']}"
    return ""


@dataclass(frozen=True)
class Places:
    """Places in the source, as text: `my_model.py:14`.

    Attributes:
        root: the folder of the user's file, to which file names are relative where it is not below
            the working directory.
        sites: where each module was created, by its path.
    """

    root: Path
    sites: Mapping[str, Frame]

    def named(self, file: str, line: int) -> str:
        if (cell := cell_name(file)) is not None:
            return f"{cell}:{line}"
        path = Path(file)
        folders = [Path.cwd(), self.root]
        if not self.root.is_relative_to(Path.cwd()):
            folders.reverse()
        for folder in folders:
            if path.is_absolute() and path.is_relative_to(folder):
                return f"{path.relative_to(folder)}:{line}"
        if path.is_absolute() and "site-packages" in path.parts:
            parts = path.parts[path.parts.index("site-packages") + 1 :]
            return f"{Path(*parts)}:{line}"
        resolved = path.resolve()
        for folder in folders:
            if resolved.is_relative_to(folder):
                return f"{resolved.relative_to(folder)}:{line}"
        return f"{path}:{line}"

    def exact(self, frame: Frame, texts: Mapping[str, str]) -> Place:
        """The place of a frame, with the line; `texts` are the sources that ran, by file."""
        if frame.file in texts:
            lines = lines_of(texts[frame.file])
            line = lines[frame.line - 1].rstrip("\r\n") if 0 < frame.line <= len(lines) else ""
        else:
            line = linecache.getline(frame.file, frame.line).rstrip("\r\n")
        end = frame.end_column if frame.end_line == frame.line else len(line.encode())
        # the parser counts bytes
        column, end_column = (
            len(line.encode()[:count].decode(errors="ignore")) + 1 for count in (frame.column, end)
        )
        return Place(
            shown_path(frame.file), frame.line, column, frame.end_line,
            max(column, end_column), line,
        )  # fmt: skip

    def of_module(self, call: Call | None) -> str | None:
        """Where the module of a call is created."""
        frame = self.sites.get(call.path) if call and call.module else None
        return self.named(frame.file, frame.line) if frame else None

    def of_call(self, failure: Failure, call: Call | None) -> str | None:
        """The innermost line of the model's source that leads to a call."""
        frames = failure.called_at.get(call.index, ()) if call else ()
        return self.named(frames[-1].file, frames[-1].line) if frames else None

    def of_failure(self, failure: Failure) -> str | None:
        frames = failure.frames
        return self.named(frames[-1].file, frames[-1].line) if frames else None
