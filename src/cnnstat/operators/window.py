"""The window that a convolution or a pooling slides over its input."""

from __future__ import annotations

from ..results import Record, Shape


class Window(Record, frozen=True):
    """The kernel of a convolution or pooling layer, one number per spatial dimension."""

    kernel: Shape
    stride: Shape
    padding: Shape
    dilation: Shape

    def last_axes(self, dims: int | None) -> Window:
        """The window along the last `dims` axes: torch runs some 1-d layers as 2-d operators."""
        if dims is None or dims >= len(self.kernel):
            return self
        sizes = (self.kernel, self.stride, self.padding, self.dilation)
        return Window(*(size[-dims:] for size in sizes))
