"""Einstein summation, as a recorded composite or as ONNX's operator.

A run of torch has the products that it comes down to; the composite is what other counters see.
"""

from __future__ import annotations

from math import prod
from typing import Self

from ..results import Shape
from ..trace.records import Op, TensorSpec
from .misfit import Misfit
from .registry import Cost, ShapeOf, View, operator, recorded


@operator("aten.einsum", "onnx.Einsum")
class Einsum(View, frozen=True):
    """Products of elements, summed over the indices that the output does not have.

    equation: without blanks. subscripts: the indices of each operand.
    """

    equation: str
    operands: tuple[TensorSpec, ...]
    out: TensorSpec | None = None

    @classmethod
    def of(cls, op: Op) -> Self:
        is_aten = op.name == "aten.einsum"
        equation = str(op.args[0] if is_aten else op.kwargs["equation"]).replace(" ", "")
        operands = tuple(op.args[1]) if is_aten else op.inputs
        return cls(equation, operands, op.outputs[0] if op.outputs else None)

    @property
    def subscripts(self) -> tuple[str, ...]:
        return tuple(self.equation.partition("->")[0].split(","))

    def cost(self) -> Cost:  # as many products as there are combinations of indices
        out = prod(self.shapes(recorded)[0]) if self.out is None else self.out.numel
        first, *others = self.operands
        if not others:
            return Cost(0, first.numel if out < first.numel else 0)
        combinations = prod(self._sizes(recorded).values())
        products = combinations * len(others)
        return Cost(products) if combinations > out else Cost(0, products)

    def shapes(self, shape: ShapeOf) -> list[Shape]:
        sizes = self._sizes(shape)
        _, arrow, output = self.equation.partition("->")
        if not arrow:  # the indices that occur once, in the order of the alphabet
            letters = "".join(self.subscripts).replace(".", "")
            once = sorted(letter for letter in set(letters) if letters.count(letter) == 1)
            output = "..." + "".join(once)
        around = sorted((label for label in sizes if len(label) > 1), key=lambda d: -int(d[1:]))
        before, dots, after = output.partition("...")
        return [tuple(sizes[label] for label in (*before, *(around if dots else ()), *after))]

    def _sizes(self, shape: ShapeOf) -> dict[str, int]:
        """The size of each index; the axes of `...` are numbered from the last: `.1`, `.2`, …"""
        sizes: dict[str, int] = {}
        for term, operand in zip(self.subscripts, self.operands, strict=True):
            dims = shape(operand)
            before, dots, after = term.partition("...")
            around = len(dims) - len(before) - len(after)
            if around < 0 or (around > 0 and not dots):
                raise Misfit
            labels = [*before, *(f".{n}" for n in range(around, 0, -1)), *after]
            for label, size in zip(labels, dims, strict=True):
                if sizes.get(label, 1) not in (1, size) and size != 1:
                    raise Misfit
                sizes[label] = max(size, sizes.get(label, 1))
        return sizes
