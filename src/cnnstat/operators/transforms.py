"""Distances between all pairs, and Fourier transforms."""

from __future__ import annotations

from functools import partial
from math import ceil, log2, prod

from ..trace.records import Op
from . import registry
from .costs import Cost, Term, dot_products, in_terms, per_element
from .registry import Trait

rule = partial(registry.rule, traits=Trait.REDUCTION)


@rule("aten._cdist_forward")  # d[*,n,m] = (Σ_k |x[*,n,k] − y[*,m,k]|^p)^(1/p)
def cdist(op: Op) -> Cost:
    out, width = op.outputs[0], op.args[0].shape[-1]
    if op.args[2] == 2:  # a difference, and its square accumulated: one MAC each; one root
        return dot_products(out, width) + per_element(out, width + 1)
    return per_element(out, 3 * width + 1)  # a difference, a power, a sum


@rule("aten._fft_c2c")
def fft_of_complex(op: Op) -> Cost:
    return _fft(op, op.args[0].shape, 5)


@rule("aten._fft_r2c")
def fft_of_real(op: Op) -> Cost:
    return _fft(op, op.args[0].shape, 2.5)


@rule("aten._fft_c2r")
def fft_to_real(op: Op) -> Cost:
    return _fft(op, op.outputs[0].shape, 2.5)


def _fft(op: Op, shape: tuple[int, ...], factor: float) -> Cost:
    """5·N·log₂N operations for N complex points, half of it for real ones.

    The convention of FFTW's benchmark (Frigo and Johnson, Proc. IEEE 93, 2005), whatever N is.
    """
    points = prod(shape[dim] for dim in op.args[1])
    each = factor * log2(points)
    if each.is_integer():
        return in_terms(operations=[Term(shape, (int(each),))])
    return Cost(0, ceil(factor * prod(shape) * log2(points)))
