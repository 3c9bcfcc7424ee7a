"""Which rule goes with an operator, by its name."""

from __future__ import annotations

from . import arithmetic, layouts, windows
from .rule import Rule

_RULES: dict[str, Rule] = {
    "aten.convolution": windows.convolution,
    **dict.fromkeys(["aten.mm", "aten.addmm", "aten.bmm"], arithmetic.product),
    "aten.cat": layouts.cat,
    "aten.stack": layouts.stack,
    "aten.select": layouts.selected,
    "aten.slice": layouts.sliced,
    "aten.embedding": arithmetic.embedding,
    **dict.fromkeys(["aten.view", "aten._unsafe_view", "aten.reshape"], layouts.view),
    "aten.mean": windows.mean,
    **dict.fromkeys(["aten.t", "aten.transpose", "aten.permute"], layouts.permuted),
}


_RECURRENT = {"aten.lstm", "aten.gru", "aten.rnn_tanh", "aten.rnn_relu"}


def rule_for(name: str) -> Rule:
    """The rule for an operator: without one of its own, that of elementwise operators."""
    if name in _RECURRENT:
        return arithmetic.recurrent
    if name in _RULES:
        return _RULES[name]
    if "_norm" in name and "backward" not in name and "linalg" not in name:
        return arithmetic.norm
    if "adaptive" in name:
        return windows.adaptive
    if "pool" in name:
        return windows.pool
    return arithmetic.elementwise
