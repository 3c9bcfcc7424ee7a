"""Output shapes of the commonest operators, without the detour through torch's Python kernels.

torch computes the shapes of most operators on `meta` in Python, at 100 to 700 µs an operator, and
the first such call imports torch._dynamo and sympy, about as long as importing torch itself. The
kernels here answer in a few µs for what nearly every network consists of: float tensors of one
dtype whose shapes fit. Everything else, errors included, they leave to torch by returning
`NotImplemented`, so they decide nothing. A test holds their results equal to torch's, strides
included.

Only torch's public API is used.
"""

from . import elementwise, gradients, making, products, rearranging, steps, windows
from .registry import KERNELS

__all__ = [
    "KERNELS", "elementwise", "gradients", "making", "products", "rearranging", "steps", "windows"
]  # fmt: skip
