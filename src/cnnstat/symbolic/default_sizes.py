"""The sizes that `scale` shows where none are named: near to the model's own, and valid."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from .results import ValidSizes
from .symbolic_model import SymbolicModel
from .valid_sizes import valid_sizes_of

_FACTORS = (0.5, 1, 2, 4)


def doublings(start: int) -> tuple[int, ...]:
    """A half to four times the model's own size."""
    return tuple(size for factor in _FACTORS if (size := round(factor * start)) > 0)


def valid_together(subject: SymbolicModel, names: Sequence[str]) -> ValidSizes | None:
    """The valid sizes of several dimensions that all have the same size, named as the first.

    None if the model does not run at the size of the first in all of them.
    """
    first, *others = names
    renamed = dict.fromkeys(others, first)
    start = {first: subject.base[first]}
    together = replace(
        subject,
        inputs=tuple(_renamed(value, renamed) for value in subject.inputs),
        named={name: _renamed(value, renamed) for name, value in subject.named.items()},
        dimensions=(first,), base=start, traces={}, outcomes={}, analyses={},
    )  # fmt: skip
    if together.outcome(start).shapes is None:
        return None
    run, _ = together.symbolic_run(start)
    return valid_sizes_of(
        first, start, run, together.outcome, lambda values: together.symbolic_run(values)[0]
    )


def _renamed(value: object, names: dict[str, str]) -> object:
    symbols = getattr(value, "symbols", None)
    if not symbols:
        return value
    changed = tuple((dim, names.get(name, name)) for dim, name in symbols)
    return replace(value, symbols=changed)  # type: ignore[type-var]  # an InputSpec


def nearest_valid(sizes: Iterable[int], valid: ValidSizes) -> tuple[int, ...]:
    """Each size, or the valid one that is nearest to it; every one once, in order."""
    near = {min(_ends_near(size, valid), key=lambda s: abs(s - size)) for size in sizes}
    return tuple(sorted(near))


def _ends_near(size: int, valid: ValidSizes) -> Iterable[int]:
    """In each range the valid sizes on both sides of a size."""
    for part in valid.ranges:
        steps = max(0, (size - part.lowest) // part.step)
        for near in (part.lowest + steps * part.step, part.lowest + (steps + 1) * part.step):
            yield near if part.highest is None else min(near, part.highest)
