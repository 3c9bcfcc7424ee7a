"""Reductions along axes, scans, losses, distances and Fourier transforms."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil, log2, prod
from typing import Any, Self

from msgspec import structs

from ..results import Shape
from ..trace.records import Op, TensorSpec
from .costs import Cost, Term, dot_products, in_terms, per_element
from .field_algebra import combined, resized
from .field_rules import along_features, joint_field, reduced_field
from .reach import Field
from .registry import ShapeOf, Trait, View, follow, operator, rule


@rule(
    "aten.cumsum", "aten.cumprod", "aten.cummax", "aten.cummin", "aten._cummax_helper",
    "aten._cummin_helper", "aten.logcumsumexp", "aten._logcumsumexp",
    traits=Trait.REDUCTION,
)  # fmt: skip
def scan(op: Op) -> Cost:
    # one operation on the previous output and one input
    return per_element(op.inputs[0])


@rule(
    "aten.prod", "aten.max", "aten.min", "aten.argmax", "aten.argmin", "aten.logsumexp", "aten.all",
    "aten.any", "aten.nansum", "aten.histc", "aten._is_all_true", "aten._is_any_true",
    "aten.count_nonzero", "aten._sparse_sum", "aten._coalesce", "aten.segment_reduce",
    "aten.multinomial",
    traits=Trait.REDUCTION,
)  # fmt: skip
def per_input(op: Op) -> Cost:
    # max and min of two tensors are elementwise; of one they read all of it
    return per_larger(op.inputs[0], op.outputs[0])


def per_larger(x: TensorSpec, out: TensorSpec, each: int = 1) -> Cost:
    """The cost of `each` operations per element of the larger tensor."""
    before, after = x.numel, out.numel
    if isinstance(before, int) and isinstance(after, int):
        return per_element(x if before > after else out, each)
    from ..symbols.evaluation import greatest  # a plain run has no symbolic sizes

    number: Any = greatest(before, after)
    return Cost(0, each * number)


@rule("aten.aminmax", "aten._aminmax", traits=Trait.REDUCTION)
def smallest_and_largest(op: Op) -> Cost:
    return per_element(op.inputs[0], 2)


@rule("aten.trace", traits=Trait.REDUCTION)
def trace(op: Op) -> Cost:
    # the sum of the diagonal
    rows, columns = op.args[0].shape
    diagonal = rows if rows < columns else columns
    return in_terms(operations=[Term((diagonal,))])


@rule("aten.bincount", "aten.histogram", "aten._histogramdd_from_bin_cts", traits=Trait.REDUCTION)
def one_addition_per_value(op: Op) -> Cost:
    # each value is added to its bin; finding the bin is a search
    return per_element(op.args[0])


@rule("aten._histogramdd_bin_edges", traits=Trait.REDUCTION)  # the smallest and the largest value
def histogram_edges(op: Op) -> Cost:
    return per_element(op.args[0], 2)


@rule("aten.dist", traits=Trait.REDUCTION)  # a difference, a power, a sum
def distance(op: Op) -> Cost:
    return per_larger(op.args[0], op.args[1], 3)


@rule("aten.allclose", "aten.hash_tensor", traits=Trait.REDUCTION)
def compared(op: Op) -> Cost:
    # |a - b| ≤ atol + rtol · |b|, for all; a hash is one operation
    return per_element(op.args[0], 7 if op.name == "aten.allclose" else 1)


# Operations per element of a loss, its sum included.
_LOSSES = {
    "aten.mse_loss": 3,  # a difference and its square
    "aten.smooth_l1_loss": 5,  # a difference, its magnitude, a comparison, a product
    "aten.huber_loss": 5,
    "aten.binary_cross_entropy": 8,  # t · log x + (1 - t) · log(1 - x)
    "aten.binary_cross_entropy_with_logits": 7,  # (1 - t) · x + log(1 + exp(-x))
    "aten.soft_margin_loss": 4,  # log(1 + exp(-t · x))
    "aten.multi_margin_loss": 4,  # max(0, margin - x[y] + x[i])
}
TARGETS_OF_EACH_ROW = "the number of target classes of each row decides how many pairs it compares"


@rule("aten.multilabel_margin_loss_forward", traits=Trait.SEARCHES)
def multilabel_margin_loss(op: Op) -> Cost:
    # max(0, 1 - x[y] + x[i]) for each target class y and each other class i
    return Cost(left_out=TARGETS_OF_EACH_ROW)


@rule(*_LOSSES, traits=Trait.REDUCTION)
def loss(op: Op) -> Cost:
    return per_element(op.args[0], _LOSSES[op.name])


@rule("aten._ctc_loss", traits=Trait.REDUCTION)
def connectionist_temporal_classification(op: Op) -> Cost:
    # (log probabilities [T,N,C], targets [N,S] or all in a row, …): at each step each of the 2·S+1
    # states sums the probabilities of up to three, log Σ exp, and adds that of its class
    steps, batch, _ = op.args[0].shape
    states = 2 * op.args[1].numel + batch
    return in_terms(operations=[Term((steps, states), (8,))])


@rule("aten.nll_loss_forward", "aten.nll_loss2d_forward", traits=Trait.REDUCTION)
def negative_log_likelihood(op: Op) -> Cost:
    # (x, target, …): one element of each row, summed
    return per_element(op.args[1])


@rule(
    "aten.index_add", "aten.scatter_add", "aten.scatter_reduce", "aten.index_reduce",
    traits=Trait.REDUCTION,
)  # fmt: skip
def indexed_add(op: Op) -> Cost:
    # (x, dim, index, source): each element is added, or combined, once
    return per_element(op.args[3])


@rule("aten._unsafe_masked_index_put_accumulate", traits=Trait.REDUCTION)
def masked_add(op: Op) -> Cost:
    # (x, mask, indices, values)
    return per_element(op.args[3])


@rule("aten._weight_norm_interface", traits=Trait.REDUCTION)
def weight_norm(op: Op) -> Cost:
    # w = v · g / ‖v‖: a square, a sum and a product each
    return per_element(op.inputs[0], 3)


@rule("aten.renorm", traits=Trait.REDUCTION)  # a square, a sum, a product
def renorm(op: Op) -> Cost:
    return per_element(op.inputs[0], 3)


@rule("aten.norm", "aten.linalg_vector_norm", traits=Trait.REDUCTION)  # a square and a sum
def vector_norm(op: Op) -> Cost:
    return per_element(op.inputs[0], 2)


@rule("aten.var", "aten.std", "aten.var_mean", "aten.std_mean", traits=Trait.REDUCTION)
def variance(op: Op) -> Cost:
    # a square and a sum for each element, and the sum of the mean
    return per_element(op.inputs[0], 3)


@operator("aten.mean", "aten.sum", "aten.amax", "aten.amin", traits=Trait.REDUCTION)
class Reduction(View, frozen=True):
    """`dims` are as written, perhaps negative; None: all.

    pooled_to: another output size of an adaptive pooling layer, which runs a mean for a size of 1.
    """

    x: TensorSpec
    dims: tuple[int, ...] | None = None
    keepdim: bool = False
    out: TensorSpec | None = None
    pooled_to: Shape | None = None
    is_mean: bool = False

    @classmethod
    def of(cls, op: Op) -> Self:
        dim = op.arg(1, "dim")
        dims = (dim,) if isinstance(dim, int) else tuple(dim or ()) or None
        out = op.outputs[0] if op.outputs else None
        keepdim = bool(op.arg(2, "keepdim", False))
        return cls(op.args[0], dims, keepdim, out, is_mean=op.name == "aten.mean")

    def axes(self, rank: int) -> set[int]:
        """The axes that are reduced, counted from the front."""
        if self.dims is None:
            return set(range(rank))
        return {dim % max(rank, 1) for dim in self.dims}  # a number has the axis 0, too

    def cost(self) -> Cost:
        return per_element(self.x) if self.out is None else per_larger(self.x, self.out)

    def shapes(self, shape: ShapeOf) -> list[Shape]:
        x = shape(self.x)
        axes = self.axes(len(x))
        if self.pooled_to is not None:
            sizes = self.pooled_to * len(axes) if len(self.pooled_to) == 1 else self.pooled_to
            return [(*x[: -len(axes)], *sizes)]
        remaining = ((i, n) for i, n in enumerate(x) if self.keepdim or i not in axes)
        return [tuple(1 if i in axes else n for i, n in remaining)]

    def changed(self, settings: Mapping[str, Any]) -> Self:
        size = settings.get("output_size")
        if size is None:
            return self
        return structs.replace(self, pooled_to=size if isinstance(size, tuple) else (size,))

    def field(self, x: Field, out: TensorSpec, fields: Mapping[int, Field]) -> Field | None:
        return reduced_field(x, self.axes(len(x.dims)), self.keepdim)


@rule("aten._cdist_forward", "aten._euclidean_dist", traits=Trait.REDUCTION)
def cdist(op: Op) -> Cost:
    # d[*,n,m] = (Σ_k |x[*,n,k] − y[*,m,k]|^p)^(1/p)
    power = 2 if op.name == "aten._euclidean_dist" else op.args[2]
    return _distances(op.outputs[0], op.args[0].shape[-1], power)


def _distances(out: TensorSpec, width: int, power: float) -> Cost:
    if power == 2:  # a difference, and its square accumulated: one MAC each; one root
        return dot_products(out, width) + per_element(out, width + 1)
    return per_element(out, 3 * width + 1)  # a difference, a power, a sum


@rule("aten._pdist_forward", traits=Trait.REDUCTION)
def pdist(op: Op) -> Cost:
    # the distances of all pairs of rows, as above
    out, width = op.outputs[0], op.args[0].shape[-1]
    return _distances(out, width, op.arg(1, "p", 2))


@rule("aten._fft_c2c", traits=Trait.REDUCTION)
def fft_of_complex(op: Op) -> Cost:
    return _fft(op, op.args[0].shape, 5)


@rule("aten._fft_r2c", traits=Trait.REDUCTION)
def fft_of_real(op: Op) -> Cost:
    return _fft(op, op.args[0].shape, 2.5)


@rule("aten._fft_c2r", traits=Trait.REDUCTION)
def fft_to_real(op: Op) -> Cost:
    return _fft(op, op.outputs[0].shape, 2.5)


def _fft(op: Op, shape: tuple[int, ...], factor: float) -> Cost:
    """5·N·log₂N operations for N complex points, half of it for real ones.

    The convention of FFTW's benchmark (Frigo and Johnson, Proc. IEEE 93, 2005), for any N.
    """
    points = prod(shape[dim] for dim in op.args[1])
    each = factor * log2(points)
    if each.is_integer():
        return in_terms(operations=[Term(shape, (int(each),))])
    return Cost(0, ceil(factor * prod(shape) * log2(points)))


# Receptive fields


# The place and the name of the dimensions among the arguments.
_REDUCED = {
    **dict.fromkeys(
        ("aten.max", "aten.min", "aten.argmax", "aten.argmin", "aten.logsumexp", "aten.all",
         "aten.any", "aten.prod", "aten.var", "aten.std", "aten.var_mean", "aten.std_mean"),
        1,
    ),
    "aten.linalg_vector_norm": 2,
    "aten.norm": 2,
}  # fmt: skip


@follow(*_REDUCED)
def reduction(op: Op, x: Field, out: TensorSpec, fields: Mapping[int, Field]) -> Field | None:
    if sum(tensor.value in fields for tensor in op.inputs) > 1:  # the larger one of two tensors
        return joint_field(op.inputs, out, fields)
    dims = op.arg(_REDUCED[op.name], "dim")
    chosen = (dims,) if isinstance(dims, int) else tuple(dims or range(len(x.dims)))
    keepdim = len(out.shape) == len(x.dims)
    return reduced_field(x, {dim % len(x.dims) for dim in chosen}, keepdim)


@follow("aten.cumsum", "aten.cumprod")
def scanned(op: Op, x: Field, out: TensorSpec, fields: Mapping[int, Field]) -> Field | None:
    dim = op.arg(1, "dim")
    return None if dim is None else along_features(x, out, dim)


@follow("aten._fft_r2c", "aten._fft_c2c", "aten._fft_c2r")
def transformed(op: Op, x: Field, out: TensorSpec, fields: Mapping[int, Field]) -> Field | None:
    field = combined(x, {dim % len(x.dims) for dim in op.args[1]})
    return field if field.reason is not None else Field(resized(field, out), field.reaches)
