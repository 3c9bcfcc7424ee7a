"""The rules at work outside of a run."""

from __future__ import annotations

from typing import Any

from torch.utils._python_dispatch import TorchDispatchMode

from .registry import KERNELS


class OwnRules(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch declares no types
    """Inside, our own rules answer operators on `meta`, and torch's where there is none of ours.

    The first of torch's that runs imports sympy, which takes as long as all of a small model.
    """

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # see `Operators`

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kernel = KERNELS.get(func.name())
        result = NotImplemented if kernel is None else kernel(*args, **(kwargs or {}))
        return func(*args, **(kwargs or {})) if result is NotImplemented else result
