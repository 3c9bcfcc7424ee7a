"""Which axes of the tensors of a run are the batch: those that grow in proportion to it."""

from __future__ import annotations

from functools import cached_property

from ..operators.normalization import BatchNorm
from ..operators.registry import Trait, traits_of, view_of
from ..results import Shape
from ..trace.records import Op, TensorSpec, Trace


class Batches:
    """The runs on two batch sizes, operator by operator.

    Args:
        sizes: the batch sizes of `small` and `large`, which share no factor.
        axis_is_known: whether the user names the batch axis.

    Raises:
        ValueError: they are not runs of the same operators.
    """

    def __init__(
        self, small: Trace, large: Trace, sizes: tuple[int, int], axis_is_known: bool = False
    ) -> None:
        if [op.name for op in small.ops] != [op.name for op in large.ops]:
            raise ValueError("the operators depend on the batch size")
        self.small, self.large, self.sizes = small, large, sizes
        self.axis_is_known = axis_is_known

    def pair(self, number: int) -> tuple[Op, Op]:
        return self.small.ops[number], self.large.ops[number]

    def is_batch(self, small: int, large: int) -> bool:
        """Whether a size of both runs is a multiple of the batch size."""
        return small != large and small * self.sizes[1] == large * self.sizes[0]

    def axes(self, small: TensorSpec, large: TensorSpec) -> tuple[int, ...]:
        """The axes of a tensor that are the batch, or contain it."""
        return self.axes_of(small.shape, large.shape)

    def axes_of(self, small: Shape, large: Shape) -> tuple[int, ...]:
        if len(small) != len(large):
            return ()
        sizes = zip(small, large, strict=True)
        return tuple(axis for axis, (a, b) in enumerate(sizes) if self.is_batch(a, b))

    def input_axes(self, number: int, operand: int = 0) -> tuple[int, ...]:
        """The batch axes of an operand of an operator."""
        small, large = self.pair(number)
        return self.axes(small.inputs[operand], large.inputs[operand])

    def output_axes(self, number: int) -> tuple[int, ...]:
        """The batch axes of the first output of an operator."""
        small, large = self.pair(number)
        return self.axes(small.outputs[0], large.outputs[0]) if small.outputs else ()

    @cached_property
    def is_certain(self) -> bool:
        """Whether the batch axis of the inputs is known beyond doubt.

        Unless the user names it, it is the first, and a sequence may come with its steps first.
        What shows that it does not: a convolution or a batch norm takes that axis as the batch, or
        there is one row of the output for each element.
        """
        if self.axis_is_known:
            return True
        batch = self.sizes[0]
        shapes = [item.tensor.shape for item in self.small.inputs]
        if any(len(shape) > 1 and shape[1] == 1 and len(shape) != 4 for shape in shapes):
            return False  # one sequence: merged axes are as large as its steps
        for small, large in zip(self.small.ops, self.large.ops, strict=True):
            if Trait.WINDOW in traits_of(small.name) or isinstance(view_of(small), BatchNorm):
                x = small.inputs[0]
                if x.shape[0] == batch and self.axes(x, large.inputs[0]) == (0,):
                    return True
        outputs = self.small.calls[0].outputs, self.large.calls[0].outputs
        if len(outputs[0]) != 1 or len(outputs[1]) != 1 or len(outputs[0][0].shape) != 2:
            return False
        rows = self.axes(outputs[0][0], outputs[1][0]) == (0,) and outputs[0][0].shape[0] == batch
        return rows and any(
            len(item.tensor.shape) > (1 if item.tensor.dtype == "int64" else 2)
            for item in self.small.inputs
        )
