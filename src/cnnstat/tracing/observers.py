"""What tells the recorder what happens during a run:

- `Module.__call__`, replaced while the run lasts, tells when a module starts and ends. (Hooks
  would have to be put on the user's model, do not see keyword arguments and miss exceptions.)
- a function mode sees the functional operators that a container's `forward` calls: `functions.py`;
- a dispatch mode sees every ATen operator, and answers it without data: `operators.py`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import _disable_current_modes

from ..fast_meta import uncollected
from .copies import Substitutes, meta_copy
from .functions import Functions
from .operators import Operators
from .recorder import Recorder


@contextmanager
def recording(
    recorder: Recorder,
    operators: Operators,
    substitutes: Substitutes | None = None,
    fused: bool = True,
) -> Iterator[None]:
    """Everything this thread runs inside is noted by `recorder`.

    `substitutes` run in the place of the modules that the model was copied from: a function that
    the model holds may refer to those. On `meta` modules with data that are none of the model's,
    but made in a forward or known to a function, run on a copy without: they stay as they are, and
    gradients pass to no other device. `fused`: recurrent layers are answered as one operator each,
    where there is no data.
    """
    known = substitutes or Substitutes()
    original = nn.Module.__call__
    thread = threading.get_ident()

    def call_and_note(module: nn.Module, *args: Any, **kwargs: Any) -> Any:
        if threading.get_ident() != thread:
            return original(module, *args, **kwargs)
        module = known.of(module)
        if operators.lane.name == "meta" and _has_data(module):
            with torch._C.DisableTorchFunction(), _disable_current_modes():
                copied = meta_copy(module)
            known.add(module, copied)
            module = copied
        with torch._C.DisableTorchFunction():  # looking at tensors is no operator of the model
            call = recorder.open_module(module, (args, kwargs))
        try:
            result = original(module, *args, **kwargs)
        except BaseException as error:
            recorder.close(call, error)
            raise
        with torch._C.DisableTorchFunction():
            recorder.close(call, result)
        return result

    nn.Module.__call__ = call_and_note  # type: ignore[method-assign]
    has_data = operators.lane.has_data
    # Cycles of tensors with data are not to pile up. Without, when they are freed is the same then
    # each time.
    collector = nullcontext() if has_data else uncollected()
    try:
        with collector, operators, Functions(recorder, fused and not has_data):
            yield
    finally:
        nn.Module.__call__ = original  # type: ignore[method-assign]


def _has_data(module: nn.Module) -> bool:
    for own in (module._parameters, module._buffers):
        for tensor in own.values():
            if tensor is not None and not tensor.is_meta:
                return True
    return False
