"""What each ATen operator costs: one rule per operator, shapes in, integers out.

    cost_of(op)     Cost, or None for an operator that nobody has counted yet

An operator is *counted* (has a rule), *free* (no arithmetic, listed with the reason) or
*uncounted*. The convention: one MAC is one multiply and one add of a convolution, linear, matmul,
attention or recurrent product; everything else (bias, normalisation, activation, pooling, joins)
is `other_ops`, one per elementary operation on one element, a transcendental function being one.
"""

from .registry import Cost, cost_of, reason_free

__all__ = ["Cost", "cost_of", "reason_free"]
