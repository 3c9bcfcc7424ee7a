"""A recorder that also records where in the source each call is."""

from __future__ import annotations

import sys
from typing import Any

from ...trace.records import Frame, Kind, Module
from ..places import frames_above
from .open_calls import OpenCall
from .recorder import Recorder


class Watcher(Recorder):
    """A recorder that also records the stack and the arguments of each call.

    It is slower, so it is used for a run that is known to fail.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        self.called_at: dict[int, tuple[Frame, ...]] = {}
        self.arguments: dict[int, Any] = {}

    def _open(
        self, kind: Kind, path: str, type: str, module: Module | None, library: bool, inputs: Any
    ) -> OpenCall:
        call = super()._open(kind, path, type, module, library, inputs)
        self.called_at[call.index] = tuple(reversed(list(frames_above(sys._getframe(1)))))
        self.arguments[call.index] = self.freeze(inputs)
        return call
