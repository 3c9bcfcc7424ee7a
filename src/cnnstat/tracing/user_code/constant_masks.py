"""Masks and indices whose values a run without data knows: constants that the model creates.

`x[torch.tensor([True, False])]` has as many rows as the mask says, while those of a mask that
depends on data are the largest possible. Random constants are values that the model reads.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import _disable_current_modes

from ..recording.recorder import Recorder

_MOST = 2**16  # elements of a mask
_INDEX = "aten.index"


def positions_of_masks(name: str, args: Any, recorder: Recorder) -> Any:
    """The arguments of an operator, with positions in the place of constant masks."""
    if name != _INDEX or not any(_is_constant_mask(index) for index in args[1]):
        return args
    x, indices, *rest = args
    positions: list[Tensor | None] = []
    for index in indices:
        if _is_constant_mask(index):
            positions += _positions(index, recorder)
        else:
            positions.append(index)
    return (x, positions, *rest)


def _is_constant_mask(index: Any) -> bool:
    return (
        isinstance(index, Tensor)
        and index.dtype in (torch.bool, torch.uint8)
        and index.is_cpu
        and not hasattr(index, "fake_mode")
        and index.numel() <= _MOST
    )


def _positions(mask: Tensor, recorder: Recorder) -> tuple[Tensor, ...]:
    with torch._C.DisableTorchFunction(), _disable_current_modes():
        values = mask.tolist()
        if recorder.on_read is not None:
            values = recorder.on_read("index", (mask,), values)
        return torch.tensor(values, dtype=torch.bool).nonzero(as_tuple=True)


def splits_as_numbers(args: Any, kwargs: Any, recorder: Recorder) -> tuple[Any, Any]:
    """The arguments of `tensor_split`, with numbers in the place of a tensor of indices."""
    indices = args[1] if len(args) > 1 else kwargs.get("tensor_indices_or_sections")
    if not isinstance(indices, Tensor) or not indices.is_cpu or hasattr(indices, "fake_mode"):
        return args, kwargs
    with torch._C.DisableTorchFunction(), _disable_current_modes():
        values = indices.tolist()
    if recorder.on_read is not None:
        values = recorder.on_read("tensor_split", (indices,), values)
    numbers = values if isinstance(values, int) else tuple(values)
    rest = {key: value for key, value in kwargs.items() if key != "tensor_indices_or_sections"}
    return (*args[:1], numbers, *args[2:]), rest
