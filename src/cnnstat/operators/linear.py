"""Matrix products: linear layers, matmul and einsum."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod
from operator import itemgetter
from typing import Any, Self

from ..results import Shape
from ..trace.records import Op, TensorSpec
from .costs import Cost, Term, dot_products, in_terms, per_element
from .field_algebra import expanded_field, union
from .field_rules import product_field
from .reach import Field
from .registry import ShapeOf, Trait, View, operator, recorded, rule, uncounted
from .sequences import SOFTMAX_OPS
from .shape_rules import Misfit, broadcast

PLACES: dict[str, tuple[int, int, int | None]] = {
    **dict.fromkeys(
        (
            "aten.mm",
            "aten.bmm",
            "aten.matmul",
            "aten.mv",
            "aten.dot",
            "aten.vdot",
            "aten._int_mm",
            "aten._weight_int8pack_mm",
        ),
        (0, 1, None),
    ),
    "aten._scaled_mm": (0, 1, 4),  # the factors, their scales, a bias, …
    "aten._scaled_mm_v2": (0, 1, 8),
    **dict.fromkeys(
        (
            "aten.addmm",
            "aten._addmm_activation",
            "aten.baddbmm",
            "aten.addbmm",
            "aten.addmv",
            "aten._sparse_addmm",
        ),
        (1, 2, 0),
    ),
    **dict.fromkeys(("aten.linear", "aten.mkldnn_linear"), (0, 1, 2)),
}
"""The places of both factors and of the summand among the arguments."""

_LAYERS = (
    "aten.linear",
    "aten.mkldnn_linear",
    "aten._weight_int8pack_mm",
)  # their second factor is stored as [m,k]
_MIXING_FEATURES = frozenset(PLACES) - {"aten.addbmm", "aten.mv", "aten.addmv", "aten.dot",
                                         "aten.vdot"}  # fmt: skip
"""Products that keep the rows of their first factor."""


@operator(*PLACES, traits=Trait.PROJECTION)
class Matmul(View, frozen=True):
    """A product of two matrices, of two batches of them, or of vectors: `added` + `a` @ `b`.

    name: the operator, e.g. `aten.addmm`. out: None where it was refused.
    """

    name: str
    a: TensorSpec
    b: TensorSpec
    added: TensorSpec | None = None
    out: TensorSpec | None = None

    @classmethod
    def of(cls, op: Op) -> Self:
        name = op.name.removesuffix("_")  # addmm_ is addmm, in place
        a, b, added = PLACES[name]
        bias = None if added is None else op.arg(added, "bias")
        out = op.outputs[0] if op.outputs else None
        return cls(name, op.args[a], op.args[b], bias, out)

    @property
    def args(self) -> tuple[Any, ...]:
        """The arguments in the operator's order, to record one that ONNX describes."""
        places = zip(PLACES[self.name], (self.a, self.b, self.added), strict=True)
        present = [(place, tensor) for place, tensor in places if place is not None and tensor]
        return tuple(tensor for _, tensor in sorted(present, key=itemgetter(0)))

    @property
    def inner(self) -> int:
        """k of [n,k] @ [k,m]: the size that is summed over."""
        return self.a.shape[-1]

    @property
    def rows_of_b(self) -> int:
        """k of the second factor."""
        return self.b.shape[-1 if self.name in _LAYERS or len(self.b.shape) == 1 else -2]

    @property
    def has_matrices(self) -> bool:
        """Whether two matrices are multiplied, or two batches of as many."""
        return _SHAPES[self.name] in (of_matrices, of_batches)

    @property
    def products_per_output(self) -> int:
        """k; addbmm sums over its batch too."""
        return self.inner * (self.a.shape[0] if self.name == "aten.addbmm" else 1)

    def cost(self) -> Cost | None:
        if self.a.stored is not None or self.b.stored is not None:
            return self._sparse_cost()
        out = self.shapes(recorded)[0] if self.out is None else self.out.shape
        each = self.products_per_output
        macs = each * prod(out)
        products = () if self.has_matrices else (Term(out, (each,)),)
        if self.added is None:
            return Cost(macs, products=products)
        return Cost(macs, prod(out), products, (Term(out, name="bias"),))

    def _sparse_cost(self) -> Cost | None:
        """Each stored element of one factor meets a row, or a column, of the other."""
        if self.a.stored is not None and self.b.stored is not None:
            return None  # depends on which of them meet
        if self.a.stored is not None:
            times = self.b.shape[-1] if len(self.b.shape) > 1 else 1
        else:
            times = self.a.shape[-2] if len(self.a.shape) > 1 else 1
        products = in_terms([Term((self.a.stored or self.b.stored or 0,), (times,))])
        if self.added is None or self.out is None:
            return products
        return products + per_element(self.out, name="bias")

    def shapes(self, shape: ShapeOf) -> list[Shape]:
        product = _SHAPES[self.name](shape(self.a), shape(self.b))
        if self.added is not None:
            product = with_added(shape(self.added), product)
        return [product]

    def field(self, x: Field, out: TensorSpec, fields: Mapping[int, Field]) -> Field | None:
        """Features of a row are combined, and positions that are among them."""
        if self.name not in _MIXING_FEATURES:
            return None
        a, b = fields.get(self.a.value), fields.get(self.b.value)
        if self.name in _LAYERS:
            return None if b is not None else product_field(a, None, out)
        product = product_field(a, b, out)
        added = None if self.added is None else fields.get(self.added.value)
        if product is None or product.reason is not None or added is None:
            return product
        return union(product, expanded_field(added, out))


# The product of two sparse factors has no cost.
uncounted(
    "the places of the stored elements decide which of them meet",
    *PLACES,
    "aten._sparse_sparse_matmul",
)


def matrix_product(a: TensorSpec, b: TensorSpec, added: TensorSpec | None = None) -> Matmul:
    """[n,k] @ [k,m], as a linear layer runs it: addmm with a bias, mm without."""
    return Matmul("aten.mm" if added is None else "aten.addmm", a, b, added)


# Shapes: pure functions, which the fast kernels call too. They compare in this order and no more
# than this: of symbolic sizes each comparison is recorded as a condition.


def of_matrices(a: Shape, b: Shape) -> Shape:
    """[n,k] @ [k,m] → [n,m]"""
    if len(a) != 2 or len(b) != 2 or a[1] != b[0]:
        raise Misfit
    return (a[0], b[1])


def of_batches(a: Shape, b: Shape) -> Shape:
    """[b,n,k] @ [b,k,m] → [b,n,m]"""
    if len(a) != 3 or len(b) != 3 or a[0] != b[0] or a[2] != b[1]:
        raise Misfit
    return (a[0], a[1], b[2])


def with_added(added: Shape, product: Shape) -> Shape:
    """The shape of a product and a summand that broadcasts to it."""
    if tuple(added) not in (product[-1:], product):  # a bias, or as large as the product
        fits = all(n in (1, m) for n, m in zip(reversed(added), reversed(product), strict=False))
        if len(added) > len(product) or not fits:
            raise Misfit
    return product


def _summed_over_batches(a: Shape, b: Shape) -> Shape:
    """Σ_b [b,n,k] @ [b,k,m] → [n,m]"""
    return of_batches(a, b)[1:]


def _of_matrix_and_vector(a: Shape, b: Shape) -> Shape:
    """[n,k] @ [k] → [n]"""
    if len(a) != 2 or len(b) != 1 or a[1] != b[0]:
        raise Misfit
    return a[:1]


def _of_vectors(a: Shape, b: Shape) -> Shape:
    """[k] · [k] → []"""
    if len(a) != 1 or len(b) != 1 or a[0] != b[0]:
        raise Misfit
    return ()


def _of_any(a: Shape, b: Shape) -> Shape:
    """[*,n,k] @ [*,k,m] → [*,n,m]; a vector on either side has no n or no m."""
    if not a or not b:
        raise Misfit
    left = a if len(a) > 1 else (1, *a)
    right = b if len(b) > 1 else (*b, 1)
    if left[-1] != right[-2]:
        raise Misfit
    batch = broadcast([left[:-2], right[:-2]])
    return (*batch, *a[-2:-1], *(b[-1:] if len(b) > 1 else ()))


def _of_layer(x: Shape, weight: Shape) -> Shape:
    """[*,k] @ [m,k]ᵀ → [*,m]"""
    if not x or len(weight) not in (1, 2) or x[-1] != weight[-1]:
        raise Misfit
    return (*x[:-1], *weight[:-1])


_SHAPES: dict[str, Callable[[Shape, Shape], Shape]] = {
    **dict.fromkeys(
        (
            "aten.mm",
            "aten.addmm",
            "aten._addmm_activation",
            "aten._int_mm",
            "aten._scaled_mm",
            "aten._scaled_mm_v2",
        ),
        of_matrices,
    ),
    **dict.fromkeys(("aten.bmm", "aten.baddbmm"), of_batches),
    "aten.addbmm": _summed_over_batches,
    **dict.fromkeys(("aten.mv", "aten.addmv"), _of_matrix_and_vector),
    **dict.fromkeys(("aten.dot", "aten.vdot"), _of_vectors),
    "aten.matmul": _of_any,
    **dict.fromkeys(_LAYERS, _of_layer),
}


# Merely counted


@rule("aten.sparse_sampled_addmm")  # the elements of [n,k] @ [k,m] that the first operand stores
def sampled_product(op: Op) -> Cost:
    pattern, a = op.args[:2]
    return in_terms([Term((pattern.numel,), (a.shape[-1],))], [Term((pattern.numel,), (2,))])


@rule("aten._sparse_mm_reduce_impl")  # products of stored elements, summed or compared
def reduced_sparse_product(op: Op) -> Cost:
    pattern, dense = op.args[:2]
    return in_terms([Term((pattern.numel,), (dense.shape[-1],))])


@rule("aten.addr")  # [n,m] = c[n,m] + [n] ⊗ [m]
def addr(op: Op) -> Cost:
    return dot_products(op.outputs[0], 1) + per_element(op.outputs[0], name="bias")


@rule(
    "aten._weight_int4pack_mm", "aten._weight_int4pack_mm_for_cpu",
    "aten._weight_int4pack_mm_with_scales_and_zeros", "aten._dyn_quant_matmul_4bit",
    traits=Trait.PROJECTION,
)  # fmt: skip
def of_packed_weights(op: Op) -> Cost:
    # [n,m] = [n,k] @ [k,m], the weights packed: their shape is not [k,m]
    return dot_products(op.outputs[0], op.args[0].shape[-1])


@rule(
    "aten._grouped_mm", "aten._scaled_grouped_mm", "aten._scaled_grouped_mm_v2",
    "transformers.grouped_mm_fallback",
    traits=Trait.PROJECTION,
)  # fmt: skip
def grouped_mm(op: Op) -> Cost:
    # e products of matrices, as the experts of a layer have them. The rows of the first factor may
    # be divided into e groups, [n,m] = [n,k] @ [e,k,m], or the columns of the second; two factors
    # with a group axis are a batch; in the gradient of the weights, [e,n,m] = [n,k] @ [k,m], the
    # groups divide k, so that each of its positions is in one of them.
    a, b = op.args[:2]
    out = op.outputs[0].shape if op.outputs else (a.shape[0], b.shape[-1])
    if len(a.shape) == len(b.shape) == 2:
        return in_terms([Term(out[1:], (a.shape[-1],))])
    return in_terms([Term(out, (a.shape[-1],))])


@rule(
    "torch_nn._linear_cross_entropy_batch_chunked",
    "torch_nn._linear_cross_entropy_batch_chunked_no_reduction",
    traits=Trait.PROJECTION,
)
def linear_cross_entropy(op: Op) -> Cost:
    # (x [n,k], W [c,k], …): the scores [n,c] = x Wᵀ, their softmax and its logarithm at the target,
    # in parts of the batch. Gradients that are computed at once take a product each.
    x, weight = op.args[:2]
    scores = (*x.shape[:-1], weight.shape[0])
    gradients = sum(map(bool, op.args[12:14])) if len(op.args) > 13 else 0
    return in_terms(
        [Term(scores, (x.shape[-1],))] * (1 + gradients),
        [Term(scores, (SOFTMAX_OPS,), "softmax")],
    )
