"""The window that a convolution or a pooling slides over its input."""

from __future__ import annotations

from ..results import Record, Shape


class Window(Record, frozen=True):
    """The kernel of a convolution or pooling layer, one number per spatial dimension."""

    kernel: Shape
    stride: Shape
    padding: Shape
    dilation: Shape
