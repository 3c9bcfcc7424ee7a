"""Threads that a model starts in its forward.

They run at their own pace, so a run does not record what they run. It notes that they ran a part of
the model, and its totals are lower bounds.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from .global_state import replaced, replaced_here
from .recorder import Recorder


@contextmanager
def threads_inside(context: Callable[[], AbstractContextManager[Any]]) -> Iterator[None]:
    """Run the threads that this thread starts each inside a context of its own.

    `context` is called in this thread, when it starts one.
    """
    original = threading.Thread.start

    def start(thread: threading.Thread) -> None:
        run, around = thread.run, context()

        def run_inside() -> None:
            with around:
                run()

        thread.run = run_inside  # type: ignore[method-assign]  # as a subclass would
        original(thread)

    with replaced_here(threading.Thread, "start", start):
        yield


@contextmanager
def noting_threads(recorder: Recorder) -> Iterator[None]:
    """Notify the recorder of operators and modules that other threads run meanwhile.

    An operator that no module runs is noticed in a thread that the run itself starts, not in one
    that was there before.
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
