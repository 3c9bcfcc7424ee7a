"""The valid sizes of a model: the values that one dimension may take, and the layers that limit it.

A symbolic run records conditions: the decisions that torch and the model based on a size. At sizes
where all of them hold, the model runs as it did then. Where one does not hold, either the shapes
do not fit or the model takes another branch; a plain run at such a size decides which. So plain
runs settle every region between two conditions, and also confirm each bound: the last valid size
and the first one beyond it are both tried.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from random import Random

from .results import Limit, Range, ValidSizes
from .runs import Outcome, RestrictedRun, SymbolicRun, Values

Oracle = Callable[[Values], Outcome]
MOST_TRIED = 60  # plain runs for one dimension
_MOST_SYMBOLIC_RUNS = 3
_SAMPLES = 4


@dataclass
class Explorer:
    """Classifies the sizes of one dimension, with the others fixed at `base`."""

    dimension: str
    base: Values
    plain_run: Oracle
    symbolic_run: Callable[[Values], SymbolicRun | None]
    outcomes: dict[int, Outcome] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.runs: list[RestrictedRun] = []
        self.symbolic_runs = 1
        self.start = self.base[self.dimension]
        self.grid = range(1, max(1024, 4 * self.start) + 1)

    def tried(self, size: int) -> Outcome:
        if size not in self.outcomes:
            self.outcomes[size] = self.plain_run({**self.base, self.dimension: size})
        return self.outcomes[size]

    def is_valid(self, size: int) -> bool:
        return self.tried(size).shapes is not None

    def explore(self, first: SymbolicRun) -> bool:
        """Settle every size of the grid; False where the conditions leave some open.

        The open size nearest to the start is tried next: one plain run settles all sizes that
        violate the same condition on the same side of the start.
        """
        self.runs = [RestrictedRun(self.dimension, self.base, first)]
        while len(self.outcomes) < MOST_TRIED:
            open_sizes = [size for size in self.grid if self._verdict(size) is None]
            if not open_sizes:
                return True
            size = min(open_sizes, key=lambda s: abs(s - self.start))
            if not self._settle(size, open_sizes):
                return False
        return False

    def _verdict(self, size: int) -> bool | None:
        """Whether the size is valid; None where that is not settled."""
        refused = False
        for run in self.runs:
            violated = run.violated(size)
            if violated is None:
                return True
            refused = refused or run.refuses(violated, size)
        if size in self.outcomes:
            return self.outcomes[size].shapes is not None
        return False if refused else None

    def _settle(self, size: int, open_sizes: Sequence[int]) -> bool:
        """Find out by a plain run at `size` what violating its first condition means."""
        if self.is_valid(size):
            return self._settle_valid(size)
        # Of the violated conditions, the one recorded last is the closest to the failure.
        run = max(self.runs, key=lambda r: r.first_violated(size))
        violated, above = run.first_violated(size), size > run.start
        same = [s for s in open_sizes if run.violated(s) == violated and (s > run.start) == above]
        # All of these are refused only if both ends of them fail as well.
        for other in {max(same), min(same)}:
            if self.is_valid(other):
                return self._settle_valid(other)
        run.refused.add((violated, above))
        return True

    def _settle_valid(self, size: int) -> bool:
        """Learn from a valid size at which every symbolic run violates a condition."""
        for run in self.runs:
            if self.tried(size).shapes == run.shapes_at(size):
                run.benign.update(run.all_violated(size))  # they affect no shape
                return True
        # The model takes another branch there, which needs a symbolic run of its own.
        if self.symbolic_runs == _MOST_SYMBOLIC_RUNS:
            return False
        self.symbolic_runs += 1
        found = self.symbolic_run({**self.base, self.dimension: size})
        if found is None:
            return False
        run = RestrictedRun(self.dimension, self.base, found, size)
        # It replaces the runs whose shapes it predicts as well.
        others = [r for r in self.runs if run.shapes_at(r.start) != r.shapes_at(r.start)]
        self.runs = [run, *others]
        return True

    def agrees(self, size: int) -> bool:
        """Whether a plain run at a size confirms what the conditions predict."""
        expected = self._verdict(size)
        shapes = self.tried(size).shapes
        runs = [run for run in self.runs if run.violated(size) is None]
        same_shapes = not runs or shapes == runs[0].shapes_at(size)
        return same_shapes and expected == (shapes is not None)

    def valid_sizes(self) -> list[int]:
        return [size for size in self.grid if self._verdict(size)]


def valid_sizes_of(
    dimension: str,
    base: Values,
    first: SymbolicRun | None,
    plain_run: Oracle,
    symbolic_run: Callable[[Values], SymbolicRun | None],
) -> ValidSizes:
    """The valid sizes of one dimension, the others fixed at `base`, at which the model runs.

    Args:
        first: the symbolic run at `base`; None where torch cannot trace the model symbolically,
            and the sizes are then found by search.
        plain_run: runs the model at any sizes.
        symbolic_run: runs the model symbolically at other sizes, where it takes another branch.
    """
    explorer = Explorer(dimension, base, plain_run, symbolic_run)
    explorer.outcomes[base[dimension]] = plain_run(base)
    settled = first is not None and explorer.explore(first)
    sizes = explorer.valid_sizes() if settled else []
    if settled:
        valid = _described(explorer, sizes)
        if all(explorer.agrees(size) for size in _checks(explorer, valid, sizes)):
            return valid
    found = _searched(explorer)
    if not all(explorer.is_valid(size) for size in _drawn(found)):
        # There are gaps between them, so only the sizes that were tried are certain.
        found = sorted(size for size, o in explorer.outcomes.items() if o.shapes is not None)
    return _described(explorer, found, by_search=True)


def _checks(explorer: Explorer, valid: ValidSizes, sizes: Sequence[int]) -> Iterable[int]:
    """Sizes that plain runs must confirm: the bounds, one beyond each, and some inside."""
    for part in valid.ranges:
        ends = [part.lowest, part.lowest - part.step, part.lowest - 1]
        if part.step > 1:
            ends.append(part.lowest + 1)
        if part.highest is not None:
            ends += [part.highest, part.highest + part.step, part.highest + 1]
        yield from (size for size in ends if size in explorer.grid)
    yield from _drawn(sizes)


def _drawn(sizes: Sequence[int]) -> list[int]:
    return Random(0).sample(sizes, min(_SAMPLES, len(sizes)))


def _described(explorer: Explorer, sizes: Sequence[int], by_search: bool = False) -> ValidSizes:
    ranges = tuple(_ranges(sizes, explorer.grid[-1]))
    if ranges and ranges[-1].highest is None:
        far = ranges[-1].lowest + 16 * explorer.grid[-1] // ranges[-1].step * ranges[-1].step
        if not explorer.is_valid(far):
            last = ranges[-1]
            ranges = (*ranges[:-1], Range(last.lowest, sizes[-1], last.step))
    return ValidSizes(
        letter=explorer.dimension,
        ranges=ranges,
        limits=tuple(_limits(explorer, ranges)),
        joint=tuple(joint for run in explorer.runs for joint in run.joint_conditions()),
        at={name: size for name, size in explorer.base.items() if name != explorer.dimension},
        found_by="search" if by_search else "symbols",
        tried=len(explorer.outcomes),
    )


def _ranges(sizes: Sequence[int], top: int) -> Iterable[Range]:
    """Sizes grouped by equal steps; the last range is open if it reaches the end of the grid."""
    rest = list(sizes)
    steps = {b - a for a, b in pairwise(rest)}
    if len(steps) <= 1 and rest:
        step = steps.pop() if steps else 1
        open_end = len(rest) > 1 and rest[-1] + step > top
        yield Range(rest[0], None if open_end else rest[-1], step)
        return
    while rest:
        end = 0
        while end + 1 < len(rest) and rest[end + 1] == rest[end] + 1:
            end += 1
        yield Range(rest[0], None if rest[end] == top else rest[end], 1)
        rest = rest[end + 1 :]


def _limits(explorer: Explorer, ranges: Sequence[Range]) -> Iterable[Limit]:
    """The failures just outside: below the first range, above the last, between its steps."""
    if not ranges:
        return
    first, last = ranges[0], ranges[-1]
    outside = [first.lowest - first.step]
    outside += [last.highest + last.step] if last.highest is not None else []
    outside += [first.lowest + 1] if first.step > 1 else []
    for size in outside:
        if size > 0 and not explorer.is_valid(size):
            outcome = explorer.tried(size)
            yield Limit(size, outcome.layer, outcome.reason)


def _searched(explorer: Explorer) -> list[int]:
    """Valid sizes by trial: the step, then how far down and up its multiples are valid."""
    start = explorer.start
    near = (
        s for s in (*range(1, 65), start)
        if explorer.is_valid(start + s) or (s < start and explorer.is_valid(start - s))
    )  # fmt: skip
    step = next(near, None)
    if step is None:
        return [start]
    lowest = start - step * _last_valid(
        lambda k: explorer.is_valid(start - k * step), (start - 1) // step
    )
    highest = start + step * _last_valid(
        lambda k: explorer.is_valid(start + k * step), (explorer.grid[-1] - start) // step
    )
    return list(range(lowest, highest + 1, step))


def _last_valid(is_valid: Callable[[int], bool], most: int) -> int:
    """The largest k up to `most` such that k is valid and k + 1 is not, by bisection."""
    if is_valid(most):
        return most
    low, high = 0, most
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if is_valid(middle) else (low, middle)
    return low
