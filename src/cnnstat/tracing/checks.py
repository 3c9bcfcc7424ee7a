"""What real kernels refuse and torch's `meta` kernels let pass: a run must not look fine then."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor


def _same_dtype(*positions: int) -> Callable[[Any], None]:
    def check(args: Any) -> None:
        tensors = [args[p] for p in positions if isinstance(args[p], Tensor)]
        dtypes = list(dict.fromkeys(str(t.dtype).removeprefix("torch.") for t in tensors))
        if len(dtypes) > 1:
            raise ValueError(f"the input is {dtypes[0]}, the weight {' and '.join(dtypes[1:])}")

    return check


def _convolution(args: Any) -> None:
    _same_dtype(0, 1, 2)(args)
    x, weight, transposed = args[0], args[1], args[6]
    if transposed and x.shape[1] != weight.shape[0]:
        raise ValueError(f"the layer takes {weight.shape[0]} channels, the input has {x.shape[1]}")


CHECKS: dict[str, Callable[[Any], None]] = {
    "aten.convolution": _convolution,
    "aten.mm": _same_dtype(0, 1),
    "aten.bmm": _same_dtype(0, 1),
    "aten.addmm": _same_dtype(1, 2, 0),
    "aten.baddbmm": _same_dtype(1, 2, 0),
}
"""Keyed by operator; each raises ValueError, in words for the user, on what cannot run."""
