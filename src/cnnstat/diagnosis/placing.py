"""Places in the source as a report names them: `my_model.py:14`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..trace.records import Call, Failure, Frame


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
