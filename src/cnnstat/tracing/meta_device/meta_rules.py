"""Where torch's `meta` kernels differ from real ones: they accept too much, or have no output size.

Operands that real kernels refuse are refused here, or a run that fails on a device would pass.
Output sizes that depend on values are the largest possible: `nonzero` of a mask may find every
element, `nms` may keep every box. A run that used one of these operators gives upper bounds, and
the analysis says so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import torch
from torch import Tensor

from ...errors import Unfit
from ...fast_meta import import_rules
from ...operators.convolution import impossible_window, in_channels, wide_output_padding
from ...operators.linear import PLACES


class Refused(RuntimeError):  # torch's class for this: models catch it
    """An operator would not run; `what` does not fit: "shapes" or "dtypes"."""

    def __init__(self, what: Unfit, reason: str) -> None:
        super().__init__(reason)
        self.what = what


class OutOfRange(Refused, IndexError):  # torch raises an IndexError
    """A look-up of an index that its table does not have."""

    def __init__(self, index: int, rows: int) -> None:
        super().__init__("shapes", f"index {index} is out of range for a table of {rows} rows")
        self.index = index


def _same_dtype(*positions: int) -> Callable[[Any], None]:
    def check(args: Any) -> None:
        tensors = [args[p] for p in positions if isinstance(args[p], Tensor)]
        dtypes = list(dict.fromkeys(str(t.dtype).removeprefix("torch.") for t in tensors))
        if len(dtypes) > 1:
            weights = " and ".join(dtypes[1:])
            raise Refused("dtypes", f"the input is {dtypes[0]}, the weight {weights}")

    return check


def _channels(args: Any) -> None:
    """torch's rule for `meta` accepts a transposed misfit, and is slow to refuse others."""
    x, weight, transposed, groups = args[0], args[1], args[6], args[8]
    expected = in_channels(weight.shape, transposed, groups)
    if x.dim() == weight.dim() and x.shape[1] != expected:
        reason = f"the layer takes {expected} channels, the input has {x.shape[1]}"
        raise Refused("shapes", reason)
    if impossible := impossible_window(*args[3:6]):
        raise Refused("shapes", impossible)
    if transposed and (wide := wide_output_padding(args[7], args[3], args[5])):
        raise Refused("shapes", wide)


def _product(left: int, right: int) -> Callable[[Any], None]:
    """Checked here: torch imports its compiler before it refuses, which takes a second."""

    def check(args: Any) -> None:
        x, weight = args[left].shape, args[right].shape
        if x[-1] != weight[-2]:
            raise Refused("shapes", f"{weight[-2]} features fit, the input has {x[-1]}")

    return check


DTYPE_CHECKS: dict[str, Callable[[Any], None]] = {
    "aten.convolution": _same_dtype(0, 1, 2),
    **{
        name: _same_dtype(*(place for place in PLACES[name] if place is not None))
        for name in ("aten.mm", "aten.bmm", "aten.addmm", "aten.baddbmm")
    },
}
"""Not under autocast, which casts operands to one dtype on a device, but not on `meta`."""

SHAPE_CHECKS: dict[str, Callable[[Any], None]] = {
    "aten.convolution": _channels,
    **{name: _product(*PLACES[name][:2]) for name in ("aten.mm", "aten.bmm", "aten.addmm")},
}


_MASKS = (torch.bool, torch.uint8)


def _indices(x: Tensor, *sizes: int) -> Tensor:
    return x.new_empty(sizes, dtype=torch.int64)


def nonzero(x: Tensor) -> Tensor:
    return _indices(x, x.numel(), x.dim())


def masked_select(x: Tensor, mask: Tensor) -> Tensor:
    shape = torch.broadcast_shapes(x.shape, mask.shape)  # type: ignore[no-untyped-call]  # no types
    return x.new_empty(prod(shape))


def index(x: Tensor, indices: Sequence[Tensor | None]) -> Any:
    """A mask is replaced by the positions where it is true: one vector for each dimension."""
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


READING_CONSTANTS = frozenset({"aten._pack_padded_sequence"})
"""Operators that read values of an operand, which stays on the CPU if it is a constant there."""

LARGEST: dict[str, Callable[..., Any]] = {
    "aten::nonzero": nonzero,
    "aten::masked_select": masked_select,
    "aten::index.Tensor": index,
    "torchvision::nms": nms,
}
