"""Layers, messages and places in the source as a report names them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..operators.describe import dims_of
from ..trace.records import Call, Failure, Frame
from .literals import plain


def counted(count: int | None, unit: str) -> str:
    """`3 channels`, `1 channel`."""
    return f"{count} {unit.removesuffix('s') if count == 1 else unit}"


def first_line(failure: Failure) -> str:
    line = failure.reason.splitlines()[0]
    if failure.error in ("AssertionError", "TypeError") and line == failure.error:
        return line
    told = re.sub(r"\s*\(.*?at::.*?\)", "", line)
    return f"{failure.error}: {told}" if failure.in_model else told


def name_of(call: Call) -> str:
    """`features.3 (Conv2d 64→128 3×3)`, `cat()`."""
    if call.kind == "function":
        return f"{call.path}()"
    kind = f"{call.type} {settings_of(call)}".rstrip()
    return f"{call.path} ({kind})" if call.path else call.type


def settings_of(call: Call) -> str:
    """What distinguishes a layer, from its settings: it may not have run."""
    if call.module is None:
        return ""
    s = {name: plain(value) for name, value in call.module.settings.items()}
    base = call.module.base
    if base == "Linear":
        return f"{s['in_features']}→{s['out_features']}"
    if base.startswith("Conv"):
        kernel = "×".join(map(str, s["kernel_size"]))
        return f"{s['in_channels']}→{s['out_channels']} {kernel}"
    for names in (("num_features",), ("num_channels",), ("normalized_shape",)):
        if all(name in s for name in names):
            return (
                "×".join(map(str, s[names[0]]))
                if isinstance(s[names[0]], tuple)
                else str(s[names[0]])
            )
    if "Pool" in base and "kernel_size" in s and "Adaptive" not in base:
        kernel = s["kernel_size"]
        sides = kernel if isinstance(kernel, tuple) else (kernel,) * (dims_of(call) or 1)
        return "×".join(map(str, sides))
    if base in ("LSTM", "GRU", "RNN"):
        return f"{s['input_size']}→{s['hidden_size']}"
    return ""


@dataclass(frozen=True)
class Places:
    """Names places relative to the folder of the given file, `root`.

    `sites` tell where each module was made, by its path.
    """

    root: Path
    sites: Mapping[str, Frame]

    def named(self, file: str, line: int) -> str:
        path = Path(file)
        for folder in (self.root, Path.cwd()):
            if path.is_absolute() and path.is_relative_to(folder):
                return f"{path.relative_to(folder)}:{line}"
        if path.is_absolute() and "site-packages" in path.parts:
            parts = path.parts[path.parts.index("site-packages") + 1 :]
            return f"{Path(*parts)}:{line}"
        resolved = path.resolve()
        if resolved.is_relative_to(self.root):
            return f"{resolved.relative_to(self.root)}:{line}"
        return f"{path}:{line}"

    def of_module(self, call: Call | None) -> str | None:
        """Where the module of a call is made."""
        frame = self.sites.get(call.path) if call and call.module else None
        return self.named(frame.file, frame.line) if frame else None

    def of_call(self, failure: Failure, call: Call | None) -> str | None:
        """Where a call is made: the innermost line of the model's source on the way to it."""
        frames = failure.called_at.get(call.index, ()) if call else ()
        return self.named(frames[-1].file, frames[-1].line) if frames else None

    def of_failure(self, failure: Failure) -> str | None:
        frames = failure.frames
        return self.named(frames[-1].file, frames[-1].line) if frames else None
