"""Threads that a model starts in its forward.

They run at their own pace, so a run does not record what they run. It notes that they ran a part of
the model, and its totals are lower bounds.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from ..process.global_state import replaced, threads_inside
from ..recording.recorder import Recorder


@contextmanager
def noting_threads(recorder: Recorder) -> Iterator[None]:
    """Notify the recorder of operators and modules that other threads run meanwhile.

    An operator that no module runs is noticed in threads that the run starts and in executors, not
    in another thread that was there before.
    """
    original = nn.Module.__call__

    def call(module: nn.Module, /, *args: Any, **kwargs: Any) -> Any:
        if id(module) in recorder.modules:  # a copy: nobody else calls it
            recorder.note_thread(recorder.current_call)
        return original(module, *args, **kwargs)

    with replaced(nn.Module, "__call__", call), threads_inside(lambda: _Noting(recorder)):
        yield
    recorder.record_threads()


class _Noting(TorchDispatchMode):
    """Notifies the recorder of the operators of a thread, which may outlive the run."""

    def __init__(self, recorder: Recorder) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch declares no types
        self.recorder = weakref.ref(recorder)
        self.call = recorder.current_call

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # as for `dispatch.Operators`: True imports torch._dynamo

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        recorder = self.recorder()
        if recorder is not None:
            recorder.note_thread(self.call)
        return func(*args, **(kwargs or {}))
