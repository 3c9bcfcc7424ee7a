"""Reductions along axes: sums, means, the largest and the smallest element."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Self

from msgspec import structs

from ..results import Shape
from ..trace.records import Op, TensorSpec
from .costs import Cost, per_element
from .elementwise import per_larger
from .reach import WHOLE, Field, lost
from .registry import ShapeOf, Trait, View, operator


@operator("aten.mean", "aten.sum", "aten.amax", "aten.amin", traits=Trait.REDUCTION)
class Reduction(View, frozen=True):
    """`dims` as they were written, perhaps negative; None: all.

    `pooled_to` is the size that a layer's adaptive pooling is changed to: to a size of 1 it runs a
    mean.
    """

    x: TensorSpec
    dims: tuple[int, ...] | None = None
    keepdim: bool = False
    out: TensorSpec | None = None
    pooled_to: Shape | None = None

    @classmethod
    def of(cls, op: Op) -> Self:
        dim = op.arg(1, "dim")
        dims = (dim,) if isinstance(dim, int) else tuple(dim or ()) or None
        out = op.outputs[0] if op.outputs else None
        return cls(op.args[0], dims, bool(op.arg(2, "keepdim", False)), out)

    def axes(self, rank: int) -> set[int]:
        """The axes that are reduced, counted from the front."""
        return set(range(rank)) if self.dims is None else {dim % rank for dim in self.dims}

    def cost(self) -> Cost:
        # a reduction reads its whole input
        return per_element(self.x) if self.out is None else per_larger(self.x, self.out)

    def shapes(self, shape: ShapeOf) -> list[Shape]:
        x = shape(self.x)
        axes = self.axes(len(x))
        if self.pooled_to is not None:
            sizes = self.pooled_to * len(axes) if len(self.pooled_to) == 1 else self.pooled_to
            return [(*x[: -len(axes)], *sizes)]
        kept = ((i, n) for i, n in enumerate(x) if self.keepdim or i not in axes)
        return [tuple(1 if i in axes else n for i, n in kept)]

    def changed(self, settings: Mapping[str, Any]) -> Self:
        size = settings.get("output_size")
        if size is None:
            return self
        return structs.replace(self, pooled_to=size if isinstance(size, tuple) else (size,))

    def field(self, x: Field, out: TensorSpec, fields: Mapping[int, Field]) -> Field:
        """A mean or sum over positions sees all of them."""
        axes = self.axes(len(x.dims))
        if any(axis is not None for dim in axes for size, axis in x.dims[dim] if size > 1):
            return lost(WHOLE)
        keep = len(out.shape) == len(x.dims)
        dims = tuple(
            ((1, None),) if dim in axes else factors
            for dim, factors in enumerate(x.dims) if keep or dim not in axes
        )  # fmt: skip
        return replace(x, dims=dims)
