"""Elementwise operators: activations, arithmetic, comparisons."""

from __future__ import annotations

from ..trace.records import Op
from .costs import Cost, per_element
from .registry import Trait, rule

_SPECIAL = """
    airy_ai bessel_j0 bessel_j1 bessel_y0 bessel_y1 chebyshev_polynomial_t chebyshev_polynomial_u
    chebyshev_polynomial_v chebyshev_polynomial_w entr erfcx hermite_polynomial_h
    hermite_polynomial_he i0e i1 i1e laguerre_polynomial_l legendre_polynomial_p log_ndtr
    modified_bessel_i0 modified_bessel_i1 modified_bessel_k0 modified_bessel_k1 ndtri
    scaled_modified_bessel_k0 scaled_modified_bessel_k1 shifted_chebyshev_polynomial_t
    shifted_chebyshev_polynomial_u shifted_chebyshev_polynomial_v shifted_chebyshev_polynomial_w
    spherical_bessel_j0 xlog1py zeta
"""  # the functions of torch.special with operators of their own


@rule(
    # activations
    "aten.relu", "aten.relu6", "aten.leaky_relu", "aten.prelu", "aten._prelu_kernel", "aten.elu",
    "aten.celu", "aten.selu", "aten.gelu", "aten.silu", "aten.mish", "aten.hardtanh",
    "aten.hardswish", "aten.hardsigmoid", "aten.softplus", "aten.softshrink", "aten.hardshrink",
    "aten.sigmoid", "aten.tanh", "aten.log_sigmoid_forward", "aten.threshold", "aten.rrelu",
    # arithmetic
    "aten.add", "aten.sub", "aten.rsub", "aten.mul", "aten.div", "aten.neg", "aten.abs", "aten.pow",
    "aten.square", "aten.sqrt", "aten.rsqrt", "aten.reciprocal", "aten.exp", "aten.exp2",
    "aten.expm1", "aten.log", "aten.log2", "aten.log10", "aten.log1p", "aten.sin", "aten.cos",
    "aten.tan", "aten.atan", "aten.atan2", "aten.asin", "aten.acos", "aten.sinh", "aten.cosh",
    "aten.erf", "aten.erfc", "aten.sign", "aten.sgn", "aten.floor", "aten.ceil", "aten.round",
    "aten.trunc", "aten.frac", "aten.remainder", "aten.fmod", "aten.floor_divide", "aten.clamp",
    "aten.clamp_min", "aten.clamp_max", "aten.maximum", "aten.minimum", "aten.lerp", "aten.hypot",
    "aten.erfinv", "aten.nan_to_num", "aten.asinh", "aten.acosh", "aten.atanh", "aten.sinc",
    "aten.logit", "aten.logaddexp", "aten.logaddexp2", "aten.xlogy", "aten.deg2rad", "aten.rad2deg",
    "aten.fmax", "aten.fmin", "aten.heaviside", "aten.copysign", "aten.nextafter", "aten.ldexp",
    "aten.frexp", "aten.gcd", "aten.lcm", "aten.lgamma", "aten.mvlgamma", "aten.digamma",
    "aten.polygamma", "aten.igamma", "aten.igammac", "aten.i0", "aten.angle",
    "aten.conj_physical", "aten._conj_physical",
    *(f"aten.special_{name}" for name in _SPECIAL.split()),
    # comparison and choice
    "aten.eq", "aten.ne", "aten.lt", "aten.le", "aten.gt", "aten.ge", "aten.where",
    "aten.masked_fill", "aten.isnan", "aten.isinf", "aten.isfinite", "aten.logical_and",
    "aten.logical_or", "aten.logical_not", "aten.logical_xor", "aten.bitwise_and",
    "aten.bitwise_or", "aten.bitwise_not", "aten.bitwise_xor", "aten.bitwise_left_shift",
    "aten.bitwise_right_shift", "aten.__lshift__", "aten.__rshift__", "aten.isneginf",
    "aten.isposinf", "aten.signbit",
    # dropout while training multiplies by a scaled mask, RReLU by random slopes
    "aten.native_dropout", "aten.rrelu_with_noise",
    traits=Trait.ELEMENTWISE,
)  # fmt: skip
def per_output(op: Op) -> Cost:
    return per_element(op.outputs[0])


# One operation per output element too, but from elements at other positions: nothing is accumulated
# in a product of two vectors.
rule("aten.outer", "aten.ger")(per_output)


@rule("aten.complex", traits=Trait.ELEMENTWISE | Trait.COPIES)
def complex_of_parts(op: Op) -> Cost:
    return Cost()


@rule("aten.polar", traits=Trait.ELEMENTWISE)  # r · cos φ, r · sin φ
def polar(op: Op) -> Cost:
    return per_element(op.outputs[0], 4)


@rule("aten.linalg_cross")  # each output is a difference of two products
def cross_product(op: Op) -> Cost:
    return per_element(op.outputs[0], 3)


@rule("aten.addcmul", "aten.addcdiv", traits=Trait.ELEMENTWISE)  # out = x + value · a · b
def two_per_output(op: Op) -> Cost:
    return per_element(op.outputs[0], 2)
