"""A change of the inputs where they are data of the user: an expression to write, not an option."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import permutations

import torch
from torch import Tensor
from torch.nn import functional

from ..inputs import InputSpec
from ..models.loaded import InputData


@dataclass(frozen=True)
class _Edit:
    """What follows `x`, of a batch and of one example, and what it computes."""

    batch: str
    example: str
    compute: Callable[[Tensor], Tensor]
    wraps: bool = False


def data_edit(before: InputSpec, after: InputSpec, data: InputData) -> str | None:
    """The expression that makes inputs `x` of the data what they are to be; None without one.

    Of tensors `x` is all inputs, of other data one example.
    """
    source = torch.empty(before.shape, dtype=getattr(torch, before.dtype), device="meta")
    target = tuple(after.shape), getattr(torch, after.dtype)
    for shaped in _shapes(before.shape, after.shape):
        for typed in _dtypes(before.dtype, after.dtype):
            try:
                found = typed.compute(shaped.compute(source))
            except (RuntimeError, IndexError, ValueError, NotImplementedError):
                continue
            if (tuple(found.shape), found.dtype) == target:
                return _written(shaped, typed, data.is_batch)
    return None


def _written(shaped: _Edit, typed: _Edit, is_batch: bool) -> str:
    def text(edit: _Edit) -> str:
        return edit.batch if is_batch else edit.example

    if shaped.wraps:  # interpolation takes floats
        floats = f"x{text(typed)}"
        one = f"({floats})[None]" if text(typed) else "x[None]"
        return text(shaped).format(floats if is_batch else one)
    return f"x{text(shaped)}{text(typed)}"


def _dtypes(before: str, after: str) -> Iterator[_Edit]:
    if before == after:
        yield _Edit("", "", lambda x: x)
    elif before == "uint8" and after == "float32":
        yield _Edit(".float() / 255", ".float() / 255", lambda x: x.float() / 255)
    else:
        name = {"float32": ".float()", "int64": ".long()"}.get(after, f".to(torch.{after})")
        yield _Edit(name, name, lambda x: x.to(getattr(torch, after)))


def _shapes(before: tuple[int, ...], after: tuple[int, ...]) -> Iterator[_Edit]:
    """In the order in which they are tried."""
    rank = len(before)
    yield _Edit("", "", lambda x: x)
    for order in permutations(range(1, rank)) if rank <= 5 else ():
        of_example = ", ".join(str(axis - 1) for axis in order)
        yield _Edit(
            f".permute(0, {', '.join(map(str, order))})", f".permute({of_example})",
            lambda x, order=order: x.permute(0, *order),  # type: ignore[misc]  # bound here
        )  # fmt: skip
    yield _Edit(".flatten(1)", ".flatten()", lambda x: x.flatten(1))
    yield _Edit(".unsqueeze(1)", ".unsqueeze(0)", lambda x: x.unsqueeze(1))
    yield _Edit(".squeeze(1)", ".squeeze(0)", lambda x: x.squeeze(1))
    if rank == 3 and len(after) == 4:
        yield _Edit(
            f".unsqueeze(1).expand(-1, {after[1]}, -1, -1)", f".expand({after[1]}, -1, -1)",
            lambda x: x.unsqueeze(1).expand(-1, after[1], -1, -1),
        )  # fmt: skip
    if rank == 4 and len(after) == 4:
        yield _Edit(
            f".expand(-1, {after[1]}, -1, -1)", f".expand({after[1]}, -1, -1)",
            lambda x: x.expand(-1, after[1], -1, -1),
        )  # fmt: skip
        if before[1] == 4 and after[1] == 3:  # RGBA
            yield _Edit("[:, :3]", "[:3]", lambda x: x[:, :3])
    if 3 <= rank == len(after) and before[:2] == after[:2]:
        size = ", ".join(map(str, after[2:]))
        text = f"torch.nn.functional.interpolate({{}}, size=({size}{',' * (rank == 3)}))"
        yield _Edit(
            text, f"{text}[0]", lambda x: _resized(x, after[2:]), wraps=True,
        )  # fmt: skip


def _resized(x: Tensor, size: tuple[int, ...]) -> Tensor:
    return functional.interpolate(x.float(), size=size).to(x.dtype)
