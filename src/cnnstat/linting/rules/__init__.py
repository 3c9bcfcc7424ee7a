"""The rules, a file a family: importing them registers them."""

from ..registry import RULES
from . import batch, no_effect, norms, registration, reshapes, windows  # noqa: F401

__all__ = ["RULES"]
