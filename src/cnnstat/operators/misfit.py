"""Why the shapes of an operator's outputs cannot be told."""

from __future__ import annotations


class Misfit(Exception):
    """The operator would be refused: its operands do not fit."""


class Unknown(Exception):
    """The record does not say how a shape follows from those of the operands."""
