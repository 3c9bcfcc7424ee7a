"""The grammar of `--over`: what is varied, and over which values.

H,W                        dimensions of the input, over doublings of their size
H,W=64:512:32              both from 64 to 512 in steps of 32
N=1:64:*2                  1, 2, 4, … 64
num_classes=10,100,1000    an argument of the model's constructor
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import UsageError
from ..escaping import described

_RANGE = re.compile(r"([0-9]{1,18}):([0-9]{1,18})(?::(\*?)([0-9]{1,18}))?")
_MOST = 200
_HINT = "--over H,W=64:512:32 or --over num_classes=10,100,1000"


@dataclass(frozen=True, slots=True)
class Over:
    """All `names` take the same value; the default `values` are multiples of the model's size."""

    names: tuple[str, ...]
    values: tuple[Any, ...] = ()


def parse_over(typed: str | Mapping[str, Sequence[Any]]) -> Over:
    """Read one `--over`, or in Python a dict of the names and their values.

    Raises:
        UsageError: it is malformed, its range is empty, or it has too many values.
    """
    if not isinstance(typed, str):
        return _of_mapping(typed)
    text = typed
    left, equals, right = text.partition("=")
    names = tuple(name.strip() for name in left.split(","))
    for name in names:
        if not all(part.isidentifier() for part in name.split(".")):
            raise UsageError(f"--over {text!r}: {name!r} is no name", hint=_HINT)
    if len(set(names)) < len(names):
        raise UsageError(f"--over {text!r}: a name stands twice")
    if not equals:
        return Over(names)
    match = _RANGE.fullmatch(right.strip())
    values = _range(text, match) if match else _listed(text, right)
    return _limited(text, names, values)


def _of_mapping(values_by_name: Mapping[str, Sequence[Any]]) -> Over:
    if len(values_by_name) != 1:
        raise UsageError(
            f"over varies one thing, {len(values_by_name)} are given",
            "names that take the same values are one: 'H,W'", hint=_HINT,
        )  # fmt: skip
    ((names, values),) = values_by_name.items()
    over = parse_over(names)
    if isinstance(values, str) or not isinstance(values, Sequence) or not values:
        raise UsageError(f"--over {names!r}: {described(values)} is no list of values", hint=_HINT)
    return _limited(names, over.names, values)


def _limited(text: str, names: tuple[str, ...], values: Sequence[Any]) -> Over:
    if len(values) > _MOST:  # a range may have a billion: no list of them yet
        raise UsageError(f"--over {text!r} has {len(values):,} values, more than {_MOST}")
    return Over(names, tuple(values))


def _range(text: str, match: re.Match[str]) -> Sequence[int]:
    low, high, factor = int(match[1]), int(match[2]), match[3] == "*"
    step = int(match[4] or 1)
    if low > high or step == 0 or low == 0 or (factor and step == 1):
        raise UsageError(f"--over {text!r}: the range is empty", "LOW:HIGH:STEP, LOW at least 1",
                         hint=_HINT)  # fmt: skip
    if not factor:
        return range(low, high + 1, step)
    values = []
    while low <= high:
        values.append(low)
        low *= step
    return values


def _listed(text: str, right: str) -> tuple[Any, ...]:
    if not right.strip():
        raise UsageError(f"--over {text!r}: no value is given", hint=_HINT)
    try:
        values = ast.literal_eval(f"({right},)")
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as error:
        raise UsageError(
            f"--over {text!r}: {right!r} is no range and no list of Python literals", hint=_HINT
        ) from error
    return tuple(values)
