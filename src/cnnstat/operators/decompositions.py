"""Factorisations of matrices and the solution of linear systems.

Their multiplications and additions are `other_ops`, since MACs are those of products. The numbers
are those of LAPACK's algorithms (LAPACK Working Note 41, appendix C) without the terms of lower
order, for each matrix of a batch. Where an algorithm iterates until it converges, the number of
steps depends on the values, and they are left out.
"""

from __future__ import annotations

from ..trace.records import Op, TensorSpec
from .costs import Cost, Term, dot_products, in_terms, per_element
from .registry import Trait, rule, uncounted

_ITERATION = Cost(left_out="an iteration, whose number of steps depends on the values")


@rule(
    "aten._linalg_eigh", "aten.linalg_eig", "aten._linalg_eigvals", "aten.linalg_eigvals",
    "aten._linalg_svd",
    traits=Trait.SEARCHES,
)  # fmt: skip
def eigenvalues(op: Op) -> Cost:
    return _ITERATION


# A Taylor polynomial of A / 2ˢ, squared s times: the norm of A decides its degree and s.
uncounted(
    "the norm of each matrix decides how many products it takes",
    "aten.linalg_matrix_exp",
    traits=Trait.SEARCHES,
)


@rule("aten.linalg_solve_triangular")
def solve_triangular(op: Op) -> Cost:
    # [b,n,m] = [b,n,n]⁻¹ @ [b,n,m], row by row
    return per_element(op.outputs[0], op.args[0].shape[-1])


@rule("aten.triangular_solve")  # (the right-hand sides, the matrix)
def triangular_solve(op: Op) -> Cost:
    return per_element(op.outputs[0], op.args[1].shape[-1])


@rule("aten.linalg_cholesky_ex", "aten.cholesky", "aten.linalg_ldl_factor_ex")
def of_symmetric(op: Op) -> Cost:
    # A = L Lᵀ or L D Lᵀ: n³/3
    *batch, n, _ = op.args[0].shape
    return _operations(batch, n**3 // 3)


@rule(
    "aten.linalg_lu_factor_ex", "aten.linalg_lu", "aten._linalg_det", "aten._linalg_slogdet",
)  # fmt: skip
def lu(op: Op) -> Cost:
    # P A = L U; a determinant is the product of the diagonal of U
    *batch, m, n = op.args[0].shape
    return _operations(batch, _lu(m, n))


@rule("aten.linalg_inv_ex")  # from the LU factors: 2·n³ in all
def inverse(op: Op) -> Cost:
    *batch, n, _ = op.args[0].shape
    return _operations(batch, 2 * n**3)


@rule("aten.cholesky_inverse")  # from the factor: (L Lᵀ)⁻¹
def inverse_of_factor(op: Op) -> Cost:
    *batch, n, _ = op.args[0].shape
    return _operations(batch, 2 * n**3 // 3)


@rule("aten._linalg_solve_ex")  # (A, B): the LU factors, then two triangular systems
def solve(op: Op) -> Cost:
    *batch, n, _ = op.args[0].shape
    return _operations(batch, _lu(n, n)) + per_element(op.outputs[0], 2 * n)


@rule("aten.cholesky_solve", "aten.linalg_ldl_solve", "aten.linalg_lu_solve")
def solve_factored(op: Op) -> Cost:
    # two triangular systems
    out = op.outputs[0]
    return per_element(out, 2 * op.args[1 if op.name == "aten.cholesky_solve" else 0].shape[-1])


@rule("aten.geqrf")
def reflectors(op: Op) -> Cost:
    *batch, m, n = op.args[0].shape
    return _operations(batch, _qr(m, n))


@rule("aten.linalg_qr")  # (A, mode) → Q, R
def qr(op: Op) -> Cost:
    *batch, m, n = op.args[0].shape
    columns = op.outputs[0].shape[-1] if op.outputs[0].numel else 0  # mode "r" has no Q
    rank = min(m, n)
    return _operations(batch, _qr(m, n) + (_reflected(m, columns, rank) if columns else 0))


@rule("aten.linalg_householder_product")  # the first n columns of Q, from k reflectors
def householder_product(op: Op) -> Cost:
    *batch, m, n = op.args[0].shape
    return _operations(batch, _reflected(m, n, op.args[1].shape[-1]))


@rule("aten.ormqr")  # (reflectors, scales [k], C): Q C, each reflector 4 operations an element
def multiplied_by_reflectors(op: Op) -> Cost:
    return per_element(op.outputs[0], 4 * op.args[1].shape[-1])


@rule("aten.linalg_pinv", traits=Trait.SEARCHES)
def pseudo_inverse(op: Op) -> Cost:
    # A⁺ = (V Σ⁻¹) Uᵀ: one product, of singular vectors that an iteration finds
    *_, m, n = op.args[0].shape
    return dot_products(op.outputs[0], min(m, n)) + _ITERATION


@rule("aten.linalg_lstsq")  # (A [m,n], B [m,k]): A = Q R, Qᵀ B, R⁻¹
def least_squares(op: Op) -> Cost:
    *batch, m, n = op.args[0].shape
    right: TensorSpec = op.args[1]
    columns = right.shape[-1] if len(right.shape) > 1 else 1
    rank = min(m, n)
    return _operations(batch, _qr(m, n) + 4 * m * rank * columns + rank * rank * columns)


def _operations(batch: list[int], each: int) -> Cost:
    return in_terms(operations=[Term((*batch, each))])


def _lu(m: int, n: int) -> int:
    k = min(m, n)
    return 2 * m * n * k - (m + n) * k**2 + 2 * k**3 // 3


def _qr(m: int, n: int) -> int:
    return _reflected(m, n, min(m, n))


def _reflected(m: int, n: int, k: int) -> int:
    """The first n columns of the product of k reflections of m elements."""
    return 4 * m * n * k - 2 * (m + n) * k**2 + 4 * k**3 // 3
