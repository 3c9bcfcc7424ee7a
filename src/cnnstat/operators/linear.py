"""Matrix products: what linear layers, matmul and einsum come down to."""

from __future__ import annotations

from math import prod

from ..trace.records import Op
from .registry import Cost, rule


@rule("aten.mm")  # [n,m] = [n,k] @ [k,m]
def mm(op: Op) -> Cost:
    (n, k), (_, m) = op.args[0].shape, op.args[1].shape
    return Cost(n * k * m)


@rule("aten.addmm", "aten._addmm_activation")  # [n,m] = bias[m] + [n,k] @ [k,m]
def addmm(op: Op) -> Cost:
    (n, k), (_, m) = op.args[1].shape, op.args[2].shape
    return Cost(n * k * m, n * m)


@rule("aten.bmm")  # [b,n,m] = [b,n,k] @ [b,k,m]
def bmm(op: Op) -> Cost:
    (b, n, k), (_, _, m) = op.args[0].shape, op.args[1].shape
    return Cost(b * n * k * m)


@rule("aten.baddbmm")  # [b,n,m] = c[b,n,m] + [b,n,k] @ [b,k,m]
def baddbmm(op: Op) -> Cost:
    (b, n, k), (_, _, m) = op.args[1].shape, op.args[2].shape
    return Cost(b * n * k * m, b * n * m)


@rule("aten.addbmm")  # [n,m] = c[n,m] + Σ_b [b,n,k] @ [b,k,m]
def addbmm(op: Op) -> Cost:
    (b, n, k), (_, _, m) = op.args[1].shape, op.args[2].shape
    return Cost(b * n * k * m, n * m)


@rule("aten.mv")  # [n] = [n,k] @ [k]
def mv(op: Op) -> Cost:
    return Cost(op.args[0].numel)


@rule("aten.addmv")  # [n] = c[n] + [n,k] @ [k]
def addmv(op: Op) -> Cost:
    return Cost(op.args[1].numel, op.outputs[0].numel)


@rule("aten.dot", "aten.vdot")  # [] = [k] · [k]
def dot(op: Op) -> Cost:
    return Cost(op.args[0].numel)


@rule("aten.addr")  # [n,m] = c[n,m] + [n] ⊗ [m]
def addr(op: Op) -> Cost:
    return Cost(op.outputs[0].numel, op.outputs[0].numel)


@rule("aten.linear", "aten.mkldnn_linear")  # [*,m] = bias[m] + [*,k] @ [m,k]ᵀ
def linear(op: Op) -> Cost:
    x, out = op.args[0], op.outputs[0]
    bias = op.arg(2, "bias")
    return Cost(x.shape[-1] * out.numel, 0 if bias is None else out.numel)


@rule("aten._grouped_mm", "transformers.grouped_mm_fallback")
def grouped_mm(op: Op) -> Cost:
    # experts: each of the n rows meets one of e matrices, [n,m] = [n,k] @ [e,k,m]
    (n, k), (_, _, m) = op.args[0].shape, op.args[1].shape
    return Cost(n * k * m)


@rule("aten.linalg_solve_triangular")  # [b,n,m] = [b,n,n]⁻¹ @ [b,n,m], row by row: no product
def solve_triangular(op: Op) -> Cost:
    return Cost(0, op.args[0].shape[-1] * op.outputs[0].numel)


@rule("aten.matmul")  # [*,n,m] = [*,n,k] @ [*,k,m]; a vector on either side has no n or no m
def matmul(op: Op) -> Cost:
    return Cost(op.args[0].shape[-1] * op.outputs[0].numel)


@rule("aten._trilinear")  # bilinear layers: [n,o] = Σ_j (Σ_i x[n,i] · w[o,i,j]) · y[n,j]
def trilinear(op: Op) -> Cost:
    # (a, b, c, where each has no axis: expand_a, expand_b, expand_c, axes summed over, …): a and b
    # are multiplied and summed over the axes that c has not, the result is multiplied by c
    expanded, summed = op.args[3:6], op.args[6]
    sizes: dict[int, int] = {}
    axes = []
    for operand, missing in zip(op.args[:3], expanded, strict=True):
        own = [d for d in range(len(operand.shape) + len(missing)) if d not in missing]
        sizes.update(zip(own, operand.shape, strict=True))
        axes.append(set(own))
    first = axes[0] | axes[1]
    second = (first - (set(summed) & set(expanded[2]))) | axes[2]
    return Cost(sum(prod(sizes[d] for d in product) for product in (first, second)))
