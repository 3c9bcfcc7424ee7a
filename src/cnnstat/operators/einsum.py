"""Products that name their indices: einsum and bilinear layers."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Self

from ..results import Shape
from ..trace.records import Op, TensorSpec
from .costs import Cost, Term, in_terms, per_element
from .registry import ShapeOf, Trait, View, operator, recorded, rule
from .shape_rules import Misfit


# bilinear layers: [n,o] = Σ_j (Σ_i x[n,i] · w[o,i,j]) · y[n,j]
@rule("aten._trilinear", traits=Trait.PROJECTION)
def trilinear(op: Op) -> Cost:
    # (a, b, c, the axes that each lacks: expand_a, expand_b, expand_c, the axes summed over, …): a
    # and b are multiplied and summed over the axes that c lacks, the result is multiplied by c
    expanded, summed = op.args[3:6], op.args[6]
    sizes: dict[int, int] = {}
    axes = []
    for operand, missing in zip(op.args[:3], expanded, strict=True):
        present = [d for d in range(len(operand.shape) + len(missing)) if d not in missing]
        sizes.update(zip(present, operand.shape, strict=True))
        axes.append(set(present))
    first = axes[0] | axes[1]
    second = (first - (set(summed) & set(expanded[2]))) | axes[2]
    return in_terms([Term(tuple(sizes[d] for d in sorted(axes))) for axes in (first, second)])


@operator("aten.einsum", "onnx.Einsum")
class Einsum(View, frozen=True):
    """Products of elements, summed over the indices that the output lacks.

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
        sizes = self._sizes(recorded)
        output = self._output(sizes)
        out = tuple(sizes[index] for index in output)
        first, *others = self.operands
        if not others:
            return per_element(first) if prod(out) < first.numel else Cost()
        products = len(others)
        summed = prod(size for index, size in sizes.items() if index not in output)
        if summed > 1:
            return in_terms([Term(out, (summed * products,))])
        return in_terms(operations=[Term(out, (products,) if products > 1 else ())])

    def shapes(self, shape: ShapeOf) -> list[Shape]:
        sizes = self._sizes(shape)
        return [tuple(sizes[index] for index in self._output(sizes))]

    def _output(self, sizes: Mapping[str, int]) -> list[str]:
        """The indices of the output."""
        _, arrow, output = self.equation.partition("->")
        if not arrow:  # the indices that occur once, in the order of the alphabet
            indices = "".join(self.subscripts).replace(".", "")
            once = sorted(index for index in set(indices) if indices.count(index) == 1)
            output = "..." + "".join(once)
        before, dots, after = output.partition("...")
        around = sorted((index for index in sizes if len(index) > 1), key=lambda i: -int(i[1:]))
        return [*before, *(around if dots else ()), *after]

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
