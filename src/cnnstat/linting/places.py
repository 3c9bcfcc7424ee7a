"""Where in the user's source the layers of a model are created and called.

The runs that rules look at do not record places, which takes time: a second run does, if there is
something to show.
"""

from __future__ import annotations

import linecache
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from ..choices import Mode
from ..diagnosis.creation import noting_creations, scopes_of
from ..diagnosis.subjects import quietly
from ..errors import ModelError
from ..models.loaded import Loaded, Recorded
from ..models.reload import is_in, root_of
from ..run_config import RunConfig
from ..trace.records import Frame
from ..tracing.modules import paths_of
from ..tracing.places import Watcher, shown_path
from ..tracing.run import trace
from .results import SourceLine


class _Watched(NamedTuple):
    created: dict[str, Frame]
    called: dict[tuple[str, int], tuple[Frame, ...]]


class Places:
    """The places of one model; there are none for one whose source is not the user's."""

    def __init__(self, loaded: Loaded | Recorded) -> None:
        self._loaded = loaded if isinstance(loaded, Loaded) and loaded.written else None
        self.root: Path | None = None
        if self._loaded is not None:
            self.root = root_of(self._loaded.written.rpartition(":")[0])

    def created(self, path: str) -> Frame | None:
        """Where the layer at `path` is created, or the outermost one around it that has a place."""
        for mode in ("eval", "train") if self.root else ():
            if frame := self._watched(mode).created.get(path):
                return frame if self.is_known(frame.file) else None
        return None

    def called(self, path: str, call: int = 0) -> tuple[Frame, ...]:
        """The stack of a call in the user's source, the outermost first; empty if unknown."""
        for mode in ("eval", "train") if self.root else ():
            frames = self._watched(mode).called.get((path, call), ())
            if found := tuple(frame for frame in frames if self.is_known(frame.file)):
                return found
        return ()

    def is_known(self, file: str) -> bool:
        """Whether a file is source of the user's."""
        return self.root is not None and is_in(self.root, file)

    def _watched(self, mode: Mode) -> _Watched:
        return self._in_eval if mode == "eval" else self._in_train

    @cached_property
    def _in_eval(self) -> _Watched:
        return self._run("eval")

    @cached_property
    def _in_train(self) -> _Watched:
        return self._run("train")

    def _run(self, mode: Mode) -> _Watched:
        loaded = self._loaded
        assert loaded is not None
        recorders: list[Watcher] = []

        def watcher(*args: object, **kwargs: object) -> Watcher:
            recorders.append(Watcher(*args, **kwargs))  # type: ignore[arg-type]
            return recorders[-1]

        created: dict[str, Frame] = {}
        with quietly():
            try:
                with noting_creations():
                    model = loaded.builders.without_data()
                for path, module in paths_of(model):
                    for scope in scopes_of(module)[:1]:
                        created.setdefault(path, scope.frame)
                trace(model, loaded.inputs, loaded.named_inputs, RunConfig(mode),
                      recorder_class=watcher)  # fmt: skip
            except ModelError:  # another lane ran it: the calls up to here have their places
                pass
        return _Watched(created, dict(_called(recorders)))


def _called(recorders: list[Watcher]) -> Iterator[tuple[tuple[str, int], tuple[Frame, ...]]]:
    for recorder in recorders:
        for index, frames in recorder.called_at.items():
            if index < len(recorder.calls):
                call = recorder.calls[index]
                yield (call.path, call.call), frames


def source_at(frame: Frame) -> SourceLine:
    """A place as it is shown: columns in characters, from 1."""
    text = linecache.getline(frame.file, frame.line).rstrip("\r\n")
    line = text.encode()
    ends_there = frame.end_line == frame.line and frame.end_column > frame.column
    end = line[: frame.end_column] if ends_there else line
    start = len(line[: frame.column].decode(errors="ignore")) + 1
    return SourceLine(
        shown_path(frame.file), frame.line, start,
        max(len(end.decode(errors="ignore")) + 1, start + 1), text,
    )  # fmt: skip
