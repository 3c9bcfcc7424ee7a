"""The rules, a file a family: importing them registers them."""

from ..registry import RULES
from . import batch, costs, no_effect, norms, numerics, outputs, registration, reshapes, windows  # noqa: F401

__all__ = ["RULES"]
