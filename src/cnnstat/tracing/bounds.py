"""Operators whose output sizes depend on values: without data they are taken at their largest.

`nonzero` of a mask may find every element, `nms` may keep every box. A run that used one of them
gives upper bounds, and the analysis says so (`analysis/dataflow.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import torch
from torch import Tensor

from ..fast_meta import import_rules

_MASKS = (torch.bool, torch.uint8)


def _indices(x: Tensor, *sizes: int) -> Tensor:
    return x.new_empty(sizes, dtype=torch.int64)


def nonzero(x: Tensor) -> Tensor:
    return _indices(x, x.numel(), x.dim())


def masked_select(x: Tensor, mask: Tensor) -> Tensor:
    shape = torch.broadcast_shapes(x.shape, mask.shape)  # type: ignore[no-untyped-call]  # no types
    return x.new_empty(prod(shape))


def index(x: Tensor, indices: Sequence[Tensor | None]) -> Any:
    """A mask stands for the positions where it is true: as many vectors as it has dimensions."""
    if not any(i is not None and i.dtype in _MASKS for i in indices):
        return NotImplemented
    positions: list[Tensor | None] = []
    for i in indices:
        if i is not None and i.dtype in _MASKS:
            positions += [_indices(x, i.numel()) for _ in range(i.dim())]
        else:
            positions.append(i)
    import_rules()
    return torch.ops.aten.index.Tensor(x, positions)


def nms(boxes: Tensor, scores: Tensor, threshold: float) -> Tensor:
    return _indices(boxes, boxes.shape[0])


LARGEST: dict[str, Callable[..., Any]] = {
    "aten::nonzero": nonzero,
    "aten::masked_select": masked_select,
    "aten::index.Tensor": index,
    "torchvision::nms": nms,
}
