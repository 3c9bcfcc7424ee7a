"""Rules of the user for operators of their own: `@cnnstat.register_operator("mylib::op")`."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from ..errors import ModelError, UsageError
from ..escaping import value_in_words
from ..results import Shape
from ..symbols.expressions import Expr
from ..trace.records import Op
from .costs import Cost
from .registry import DEFINITIONS, Definition, definition_of, rule

F = TypeVar("F")
Amount = int | Callable[..., int]
"""A number of operations, or a function that computes it."""

_NAME = re.compile(r"[A-Za-z_]\w*::[A-Za-z_]\w*")


@dataclass(frozen=True, slots=True)
class OperatorRule:
    """`place` is where it was registered, as `file:line`."""

    name: str
    place: str
    macs: Amount
    other_ops: Amount
    shape: Callable[..., Any] | None

    def cost(self, op: Op) -> Cost:
        def amount(key: str, rule: Amount) -> int:
            return checked_amount(self.title, key, rule, lambda function: _called(function, op))

        return Cost(amount("macs", self.macs), amount("other_ops", self.other_ops))

    @property
    def title(self) -> str:
        return f"the rule for {self.name} ({self.place})"


@rule("cnnstat.module")
def by_module_rule(op: Op) -> Cost:
    """A module with a rule of the user, which was evaluated when it ran."""
    return Cost(op.kwargs["macs"], op.kwargs["other_ops"])


_rules: dict[str, OperatorRule] = {}  # by the name of the operator in a record


def registering_operator(
    name: str,
    macs: Amount | None,
    other_ops: Amount,
    shape: Callable[..., Any] | None,
    place: str,
) -> Callable[[F], F]:
    """Register a rule; without `macs` the returned decorator takes the function for it.

    Raises:
        UsageError: an argument is invalid, or the operator is known already.
    """
    what = f"{place}: cnnstat.register_operator"
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise UsageError(
            f"{what}: {name!r} is no name of an operator",
            "expected a namespace and a name, without an overload",
            hint='cnnstat.register_operator("mylib::op", macs=…)',
        )
    recorded = name.replace("::", ".")
    if recorded not in _rules and definition_of(recorded) is not None:
        raise UsageError(f"{what}: {name} is counted by cnnstat already")
    if macs is not None:
        check_amount(what, "macs", macs)
    check_amount(what, "other_ops", other_ops)
    if shape is not None and not callable(shape):
        raise UsageError(
            f"{what}: shape is {shape!r}",
            "expected a function of the operator's arguments that returns a shape",
        )

    def register(rule: OperatorRule) -> None:
        _rules[recorded] = rule
        DEFINITIONS[recorded] = Definition(recorded, rule=rule.cost)

    if macs is not None:
        register(OperatorRule(name, place, macs, other_ops, shape))

    def decorate(function: F) -> F:
        if macs is None:
            if not callable(function):
                raise UsageError(f"{what}: {function!r} is no function that computes MACs")
            register(OperatorRule(name, place, function, other_ops, shape))
        return function

    return decorate


def shape_rule_of(name: str) -> OperatorRule | None:
    """The user's rule for an operator, by its recorded name, if it computes shapes."""
    rule = _rules.get(name)
    return rule if rule is not None and rule.shape is not None else None


def check_amount(what: str, key: str, amount: Any) -> None:
    """Raise UsageError unless it is a number of operations or a function."""
    valid = isinstance(amount, int) and not isinstance(amount, bool) and amount >= 0
    if not valid and not callable(amount):
        raise UsageError(
            f"{what}: {key} is {value_in_words(amount)}",
            "expected a whole number, or a function that returns one",
        )


def checked_amount(
    title: str, key: str, rule: Amount, call: Callable[[Callable[..., int]], Any]
) -> int:
    """The number that a rule gives.

    Raises:
        ModelError: its function fails, or returns no whole number.
    """
    if isinstance(rule, int):
        return rule
    try:
        found = call(rule)
    except Exception as error:  # a function of the user
        raise ModelError(f"{title} fails", f"{key}: {type(error).__name__}: {error}") from error
    if not _is_integer(found) or (isinstance(found, int) and found < 0):
        raise ModelError(
            f"{title} returns no number of operations",
            f"{key} is {found!r}, expected a whole number",
        )
    number: int = found  # or an expression, for symbolic sizes
    return number


def _is_integer(number: Any) -> bool:
    """Whether it is an integer, perhaps a symbolic one: an `Expr` or torch's `SymInt`."""
    symbolic = isinstance(number, Expr) or type(number).__name__ == "SymInt"
    return symbolic or (isinstance(number, int) and not isinstance(number, bool))


def checked_shapes(title: str, found: Any) -> list[Shape]:
    """The shapes that a function returned: of one output, or a list of those of several.

    Raises:
        ModelError: it returned something else.
    """
    several = isinstance(found, list | tuple) and any(isinstance(s, list | tuple) for s in found)
    shapes: Sequence[Any] = found if several else [found]
    if not all(_is_shape(shape) for shape in shapes):
        raise ModelError(
            f"{title} returns no shape", f"{found!r}, expected (2, 3) or a list of such tuples"
        )
    return [tuple(shape) for shape in shapes]


def _is_shape(shape: Any) -> bool:
    return isinstance(shape, list | tuple) and all(
        hasattr(size, "__index__") or isinstance(size, Expr) for size in shape
    )


def _called(function: Callable[..., int], op: Op) -> Any:
    keywords = dict(op.kwargs)
    if has_parameter(function, "out"):
        keywords["out"] = op.outputs[0] if len(op.outputs) == 1 else op.outputs
    return function(*op.args, **keywords)


def has_parameter(function: Callable[..., Any], name: str) -> bool:
    try:
        return name in inspect.signature(function).parameters
    except (TypeError, ValueError):  # builtins may have no signature
        return False
