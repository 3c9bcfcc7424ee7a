"""Launches of Triton kernels, `kernel[grid](x, y, n)`, which need a GPU and values.

What a kernel writes to was allocated by its caller, so a run without it has all shapes. A launch is
recorded as an operator `triton.NAME`, of which nothing is known unless the user registers it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from ...errors import LaneError
from ...operators.registry import TRITON
from ..process.global_state import replaced_here
from ..recording.recorder import Recorder
from ..structure.containers import PLAIN


@contextmanager
def without_launches(recorder: Recorder, has_data: bool) -> Iterator[None]:
    """Record launches of kernels instead of launching them.

    Where the run has data, a launch raises LaneError: the data is on the CPU.
    """
    jit: Any = sys.modules.get("triton.runtime.jit")  # a model needs its import
    interface = getattr(jit, "KernelInterface", None)
    if interface is None:
        yield
        return

    def launcher(kernel: Any, grid: Any) -> Callable[..., None]:
        name = _name_of(kernel)

        def launch(*args: Any, **kwargs: Any) -> None:
            if has_data:
                raise LaneError(
                    f"the Triton kernel {name} runs on a GPU only",
                    hint="--lane meta, where it is not launched",
                )
            named = {key: _recorded(value) for key, value in kwargs.items()}
            with torch._C.DisableTorchFunction():
                recorder.record_op(TRITON + name, "", tuple(map(_recorded, args)), named, ())

        return launch

    # JITFunction, Autotuner and Heuristics inherit it
    with replaced_here(interface, "__getitem__", launcher):
        yield


def _name_of(kernel: Any) -> str:
    """The name of the function below `triton.jit`, `autotune` and `heuristics`."""
    while not hasattr(kernel, "__name__") and hasattr(kernel, "fn"):
        kernel = kernel.fn
    return str(getattr(kernel, "__name__", type(kernel).__name__))


def _recorded(value: Any) -> Any:
    return value if isinstance(value, Tensor) or type(value) in PLAIN else repr(value)
