"""Output shapes of the most common operators, without torch's Python kernels.

torch computes the shapes of most operators on `meta` in Python, in 100 to 700 µs each, and the
first such call imports torch._dynamo and sympy, which is about as slow as importing torch. The
kernels here take a few µs for the common case: float tensors of the same dtype whose shapes fit.
They leave everything else, errors included, to torch by returning `NotImplemented`. A test compares
their results with torch's, strides included.

Only torch's public API is used.
"""

from . import elementwise, gradients, making, products, rearranging, steps, windows
from .registry import KERNELS

__all__ = [
    "KERNELS", "elementwise", "gradients", "making", "products", "rearranging", "steps", "windows"
]  # fmt: skip
