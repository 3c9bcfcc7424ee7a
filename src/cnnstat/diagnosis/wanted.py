"""Which numbers are tried in the place of another: those for which something might fit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..trace.records import Failure, Module
from .costs import distance, use_value
from .likeness import CHOSEN, TAKEN, WINDOW
from .mismatch import Mismatch

SMALL: dict[str, tuple[int, ...]] = {
    "kernel_size": (1, 2, 3, 4, 5, 6, 7, 9, 11), "stride": (1, 2, 3, 4), "dilation": (1, 2, 3, 4),
    "padding": (0, 1, 2, 3, 4, 5),
}  # fmt: skip
_COUNTS = {"groups", "num_groups", "num_heads", "nhead"}


def values_wanted(
    name: str, value: int, mismatch: Mismatch, failure: Failure, module: Module
) -> Iterable[int]:
    if name in ("kernel_size", "stride"):  # patches have the one equal to the other
        other = "stride" if name == "kernel_size" else "kernel_size"
        also = module.settings.get(other) or 1
        return dict.fromkeys((*SMALL[name], use_value(also)))
    if name in WINDOW:
        return SMALL[name]
    if name == "output_size":
        return range(1, 15)
    if name in _COUNTS:
        return _factors(failure)
    if name not in CHOSEN | TAKEN:
        return ()
    wanted = {}
    for expected, seen in mismatch.pairs:
        wanted.update(dict.fromkeys((expected, seen)))
        # a part of a sum: one branch of several that are joined
        wanted.update(dict.fromkeys((value + expected - seen, value + seen - expected)))
        for a, b in ((expected, seen), (seen, expected)):
            if b and value * a % b == 0:
                wanted[value * a // b] = None
    return [size for size in wanted if size > 0]


def _factors(failure: Failure) -> list[int]:
    """What divides a width evenly."""
    sizes = {number for _, number in failure.locals if 0 < number <= 1 << 16}
    for call in failure.calls[-1:]:
        sizes |= {size for spec in call.inputs for size in spec.shape[1:2] + spec.shape[-1:]}
    return sorted({n for size in sizes for n in range(1, min(size, 512) + 1) if size % n == 0})


def sizes_for(function: str, mismatch: Mismatch) -> Iterator[int]:
    if function in ("view", "reshape", "unflatten", "expand", "split"):
        for expected, seen in mismatch.pairs:
            yield seen
            yield expected


def related(number: int, numbers: list[int]) -> list[int]:
    """Divisors and multiples of the other numbers near `number`, and these themselves."""
    found: set[int] = set()
    for other in numbers:
        if 0 < other <= 1 << 16 and other != number:
            found.add(other)
            found |= {n for n in range(1, min(other, 4096) + 1) if other % n == 0}
            found |= {other * (number // other), other * (number // other + 1)}
    near = sorted(found - {number, 0}, key=lambda n: distance(number, n))
    return near[:8]
