"""Where in the user's source the layers of a model are created and called.

The runs that rules look at do not record places, which takes time: a second run does, if there is
something to show.
"""

from __future__ import annotations

import ast
import linecache
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from torch import nn

from ..choices import Mode
from ..diagnosis.changes import Change
from ..diagnosis.creation import noting_creations, scopes_of
from ..diagnosis.layer_sites import LayerSite
from ..diagnosis.source_text import Replacement, span_of
from ..diagnosis.subjects import Subject, quietly
from ..diagnosis.syntax import Code, Evaluated, code_of, name_of_called, nodes
from ..models.loaded import Loaded, Recorded
from ..models.reload import is_in, root_of
from ..run_config import RunConfig
from ..trace.records import Frame
from ..tracing.places import shown_path
from ..tracing.recording.watcher import Watcher
from ..tracing.structure.modules import is_library, paths_of
from .results import SourceLine
from .source_code import assignment_of, class_line, file_of, value_of
from .watched_runs import watched

Stack = tuple[Frame, ...]
"""Places in the user's source, the innermost first."""


class Places:
    """The places of one model; there are none for one whose source is not the user's."""

    def __init__(self, loaded: Loaded | Recorded) -> None:
        self._loaded = loaded if isinstance(loaded, Loaded) and loaded.written else None
        self.is_object = isinstance(loaded, Loaded) and loaded.source == "object"
        self.root: Path | None = None
        if self._loaded is not None:
            self.root = root_of(self._loaded.written.rpartition(":")[0])

    def created(self, path: str) -> Stack:
        """The calls that create the layer at `path`."""
        module = self._modules.get(path)
        scopes = () if module is None else scopes_of(module)
        return tuple(scope.frame for scope in scopes if self.is_known(scope.frame.file))

    def assigned(self, owner: str, attribute: str) -> Frame | None:
        """Where a method of the module at `owner` assigns an attribute."""
        for cls in self._classes(owner):
            if frame := assignment_of(cls, attribute):
                return frame
        return None

    def value(self, owner: str, attribute: str) -> tuple[Code, ast.expr] | None:
        """The expression that a method of the module at `owner` assigns to an attribute."""
        found = (value_of(cls, attribute) for cls in self._classes(owner))
        span = next(filter(None, found), None)
        code = None if span is None else self.code(span.file)
        if code is None or span is None:
            return None
        node = next((n for n in nodes(code.tree, ast.expr) if span_of(n, span.file) == span), None)
        return None if node is None else (code, node)

    def expression(self, path: str, call: int) -> tuple[Code, Evaluated] | None:
        """The expression of the user's source that is a call, or the statement of an `+=`.

        None if a Sequential calls the layer.
        """
        frames = () if self.is_called_by_library(path) else self.called(path, call)[:1]
        for frame in frames:
            code = self.code(frame.file)
            node = None if code is None else code.at(frame)
            if code is not None and node is not None:
                return code, node
        return None

    def called_together(self, path: str, call: int) -> set[str]:
        """The paths of all calls in eval mode that the expression of one makes."""
        frames = {place: stack[0] for place, stack in self._calls("eval").items() if stack}
        here = frames.get((path, call))
        return {other for (other, _), frame in frames.items() if frame == here}

    def site(self, path: str) -> LayerSite | None:
        """The call in the user's source that creates a layer of torch's."""
        module = self._modules.get(path)
        scopes = () if module is None else scopes_of(module)
        scope = scopes[0] if scopes and self.is_known(scopes[0].frame.file) else None
        code = None if scope is None else self.code(scope.frame.file)
        node = None if code is None or scope is None else code.call_at(scope.frame)
        if code is None or scope is None or node is None or not hasattr(nn, name_of_called(node)):
            return None
        return LayerSite(scope, code, node, ())

    def created_together(self, path: str) -> set[str]:
        """The paths of the layers that the same call in the source creates."""
        frames = {p: s[0].frame for p, m in self._modules.items() if (s := scopes_of(m))}
        same = {other for other, frame in frames.items() if frame == frames.get(path)}
        inside = {other for other in same if other.rpartition(".")[0] in same}
        return same - inside if path not in inside else {path}

    def code(self, file: str) -> Code | None:
        """The syntax of a file of the user's; None if it cannot be parsed."""
        try:
            code = code_of(file, "".join(linecache.getlines(file)))
            code.tree  # noqa: B018 - parsed here
        except (SyntaxError, ValueError, RecursionError):
            return None
        return code if self.is_known(file) else None

    def class_line(self, owner: str) -> Frame | None:
        """`class Net(nn.Module):` of the module at `owner`."""
        return next(filter(None, map(class_line, self._classes(owner))), None)

    def called(self, path: str, call: int = 0) -> Stack:
        """The stack of a call."""
        for mode in ("eval", "train") if self.root else ():
            if found := self._calls(mode).get((path, call)):
                return found
        return ()

    def is_called_by_library(self, path: str) -> bool:
        """Whether a container of torch's, such as a Sequential, calls the layer at `path`."""
        around = path.rpartition(".")[0]
        parent = self._modules.get(around) if around else None
        return parent is not None and is_library(parent) and self.called(around) != ()

    def is_known(self, file: str) -> bool:
        """Whether a file is source of the user's."""
        return self.root is not None and is_in(self.root, file)

    @cached_property
    def files(self) -> list[str]:
        """The files of the user's that define classes of the model."""
        classes = {cls for module in self._modules.values() for cls in type(module).__mro__}
        files = {file_of(cls) for cls in classes if cls.__module__.partition(".")[0] != "torch"}
        return sorted(file for file in files if file and self.is_known(file))

    def _classes(self, owner: str) -> list[type]:
        module = self._modules.get(owner)
        classes = () if module is None else type(module).__mro__
        return [cls for cls in classes if self.is_known(file_of(cls) or "")]

    @cached_property
    def _modules(self) -> dict[str, nn.Module]:
        if self._loaded is None or self.root is None:
            return {}
        with quietly(), noting_creations():
            return dict(paths_of(self._loaded.builders.without_data()))

    def _calls(self, mode: Mode) -> dict[tuple[str, int], Stack]:
        return self._in_eval if mode == "eval" else self._in_train

    @cached_property
    def _in_eval(self) -> dict[tuple[str, int], Stack]:
        return dict(self._run("eval"))

    @cached_property
    def _in_train(self) -> dict[tuple[str, int], Stack]:
        return dict(self._run("train"))

    def _run(self, mode: Mode) -> Iterator[tuple[tuple[str, int], Stack]]:
        assert self._loaded is not None
        recorders, _ = watched(self._loaded, Watcher, RunConfig(mode))
        for recorder in recorders:
            for index, frames in recorder.called_at.items():
                if index < len(recorder.calls):
                    call = recorder.calls[index]
                    known = tuple(f for f in reversed(frames) if self.is_known(f.file))
                    yield (call.path, call.call), known


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


def named_by(subject: Subject, change: Change) -> Change:
    """The replacements, each once, in files as the subject names them."""

    def renamed(replacement: Replacement) -> Replacement:
        span, place = replacement.span, subject.place
        is_main = place.endswith(".py") and Path(place).resolve() == Path(span.file).resolve()
        return replace(replacement, span=replace(span, file=place)) if is_main else replacement

    return replace(change, replacements=tuple(dict.fromkeys(map(renamed, change.replacements))))
