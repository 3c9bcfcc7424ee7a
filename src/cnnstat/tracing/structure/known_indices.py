"""The integers of tensors that lose their data: they may be indices of a table."""

from __future__ import annotations

import torch
from torch import Tensor

MOST_INDICES = 1 << 16
"""The maximum of elements of such a tensor."""
_INTEGERS = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)
_KNOWN = "_cnnstat_indices"


def with_indices(there: Tensor, original: Tensor) -> Tensor:
    """The tensor without data, which has the integers of the original as an attribute."""
    known = indices_of(original)
    if known is not None:
        there.__dict__[_KNOWN] = known
    return there


def indices_of(tensor: Tensor) -> Tensor | None:
    """The integers of a tensor, with data or without; None if they are not known, or are many."""
    if tensor.dtype not in _INTEGERS or tensor.layout is not torch.strided:
        return None
    if tensor.is_cpu and not hasattr(tensor, "fake_mode") and tensor.numel() <= MOST_INDICES:
        return tensor.detach().clone()
    known: Tensor | None = vars(tensor).get(_KNOWN)
    return known
