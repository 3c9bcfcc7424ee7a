"""The table of rules. A rule is a pure function of an op's shapes and arguments."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..trace.records import Op


@dataclass(frozen=True, slots=True)
class Cost:
    """`macs`: multiply–accumulates. `other_ops`: elementary operations outside them."""

    macs: int = 0
    other_ops: int = 0


_NOTHING = Cost()

Rule = Callable[[Op], Cost | None]
"""None where the cost depends on values."""

_RULES: dict[str, Rule] = {}
_FREE: dict[str, str] = {}


def rule(*names: str) -> Callable[[Rule], Rule]:
    """Register the decorated function as the rule of these operators, e.g. `aten.addmm`."""

    def register(function: Rule) -> Rule:
        for name in names:
            _refuse_duplicate(name)
            _RULES[name] = function
        return function

    return register


def free(reason: str, *names: str) -> None:
    """List operators that do no arithmetic."""
    for name in names:
        _refuse_duplicate(name)
        _FREE[name] = reason


def cost_of(op: Op) -> Cost | None:
    """The cost of one execution; None when the operator is uncounted."""
    name = _known(op.name)
    if name in _FREE:
        return _NOTHING
    return _RULES[name](op) if name in _RULES else None


def reason_free(name: str) -> str | None:
    """Why the operator costs nothing, None if it does or is unknown."""
    return _FREE.get(_known(name))


def _known(name: str) -> str:
    """`aten.add_` costs what `aten.add` does: in-place forms need no rule of their own."""
    if name in _RULES or name in _FREE:
        return name
    return name.removesuffix("_")


def _refuse_duplicate(name: str) -> None:
    if name in _RULES or name in _FREE:
        raise ValueError(f"{name} is registered twice")
