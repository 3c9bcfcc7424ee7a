"""The sizes at which a model runs: which values a letter may take, and which layer says so.

A run with letters leaves conditions: the decisions that torch and the model took by a size. A
size at which all of them hold runs as that run did. Where one does not hold, either the shapes do
not fit, or the model goes another way; which, a plain run at such a size tells. So every region
between two conditions is settled by plain runs, and so is each bound: the last legal size and the
first beyond it are both tried.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from random import Random

from .results import Domain, Limit, Range
from .runs import OneLetter, Outcome, Piece, Values

Oracle = Callable[[Values], Outcome]
MOST_TRIED = 60  # plain runs for one letter
_MOST_PIECES = 3
_SAMPLES = 4


@dataclass
class Explorer:
    """What is known of the sizes of one letter, the others standing at `base`."""

    letter: str
    base: Values
    run: Oracle
    letters_run: Callable[[Values], Piece | None]
    outcomes: dict[int, Outcome] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.pieces: list[OneLetter] = []
        self.runs = 1  # with letters
        self.start = self.base[self.letter]
        self.grid = range(1, max(1024, 4 * self.start) + 1)

    def tried(self, size: int) -> Outcome:
        if size not in self.outcomes:
            self.outcomes[size] = self.run({**self.base, self.letter: size})
        return self.outcomes[size]

    def is_legal(self, size: int) -> bool:
        return self.tried(size).shapes is not None

    def explore(self, first: Piece) -> bool:
        """Settle every size of the grid; False where the conditions leave some open."""
        self.pieces = [OneLetter(self.letter, self.base, first)]
        while len(self.outcomes) < MOST_TRIED:
            open_sizes = [size for size in self.grid if self._verdict(size) is None]
            if not open_sizes:
                return True
            size = min(open_sizes, key=lambda s: abs(s - self.start))
            if not self._settle(size, open_sizes):
                return False
        return False

    def _verdict(self, size: int) -> bool | None:
        """Whether the size is legal; None where that is not settled."""
        refused = False
        for piece in self.pieces:
            broken = piece.broken(size)
            if broken is None:
                return True
            refused = refused or piece.refuses(broken, size)
        if size in self.outcomes:
            return self.outcomes[size].shapes is not None
        return False if refused else None

    def _settle(self, size: int, open_sizes: Sequence[int]) -> bool:
        """Learn from a run at `size` what the first condition means that does not hold there."""
        if self.is_legal(size):
            return self._settle_legal(size)
        # what was decided last on the way to the failure
        piece = max(self.pieces, key=lambda p: p.broken_at(size))
        broken, above = piece.broken_at(size), size > piece.start
        alike = [s for s in open_sizes if piece.broken(s) == broken and (s > piece.start) == above]
        for other in {max(alike), min(alike)}:
            if self.is_legal(other):
                return self._settle_legal(other)
        piece.refused.add((broken, above))
        return True

    def _settle_legal(self, size: int) -> bool:
        for piece in self.pieces:
            if self.tried(size).shapes == piece.shapes_at(size):
                piece.benign.update(piece.all_broken(size))  # they decide no shape
                return True
        # The model goes another way: what holds there is told by a run there.
        if self.runs == _MOST_PIECES:
            return False
        self.runs += 1
        found = self.letters_run({**self.base, self.letter: size})
        if found is None:
            return False
        piece = OneLetter(self.letter, self.base, found, size)
        # what tells the shapes of the others too takes their place
        kept = [p for p in self.pieces if piece.shapes_at(p.start) != p.shapes_at(p.start)]
        self.pieces = [piece, *kept]
        return True

    def _agrees(self, size: int) -> bool:
        """Whether a plain run says of a size what the conditions say."""
        expected = self._verdict(size)
        shapes = self.tried(size).shapes
        pieces = [piece for piece in self.pieces if piece.broken(size) is None]
        told = not pieces or shapes == pieces[0].shapes_at(size)
        return told and expected == (shapes is not None)

    def legal_sizes(self) -> list[int]:
        return [size for size in self.grid if self._verdict(size)]


def domain_of(
    letter: str,
    base: Values,
    first: Piece | None,
    run: Oracle,
    letters_run: Callable[[Values], Piece | None],
) -> Domain:
    """The legal sizes of one letter, the others standing at `base`, at which the model runs.

    Args:
        first: the run with letters at `base`; None where letters do not go through, and the
            domain is then found by search.
        run: a plain run at any sizes.
        letters_run: another run with letters, where the model goes another way.
    """
    explorer = Explorer(letter, base, run, letters_run)
    explorer.outcomes[base[letter]] = run(base)
    settled = first is not None and explorer.explore(first)
    sizes = explorer.legal_sizes() if settled else []
    if settled:
        domain = _described(explorer, sizes)
        if all(explorer._agrees(size) for size in _checks(explorer, domain, sizes)):
            return domain
    found = _searched(explorer)
    if not all(explorer.is_legal(size) for size in _drawn(found)):
        # with gaps between them: no more is known than the sizes that were tried
        found = sorted(size for size, o in explorer.outcomes.items() if o.shapes is not None)
    return _described(explorer, found, by_search=True)


def _checks(explorer: Explorer, domain: Domain, sizes: Sequence[int]) -> Iterable[int]:
    """Sizes that plain runs are to confirm: the bounds, one beyond each, and some inside."""
    for part in domain.ranges:
        ends = [part.lowest, part.lowest - part.step, part.lowest - 1]
        if part.step > 1:
            ends.append(part.lowest + 1)
        if part.highest is not None:
            ends += [part.highest, part.highest + part.step, part.highest + 1]
        yield from (size for size in ends if size in explorer.grid)
    yield from _drawn(sizes)


def _drawn(sizes: Sequence[int]) -> list[int]:
    return Random(0).sample(sizes, min(_SAMPLES, len(sizes)))


def _described(explorer: Explorer, sizes: Sequence[int], by_search: bool = False) -> Domain:
    ranges = tuple(_ranges(sizes, explorer.grid[-1]))
    if ranges and ranges[-1].highest is None:
        far = ranges[-1].lowest + 16 * explorer.grid[-1] // ranges[-1].step * ranges[-1].step
        if not explorer.is_legal(far):
            last = ranges[-1]
            ranges = (*ranges[:-1], Range(last.lowest, sizes[-1], last.step))
    return Domain(
        letter=explorer.letter,
        ranges=ranges,
        limits=tuple(_limits(explorer, ranges)),
        joint=tuple(joint for piece in explorer.pieces for joint in piece.joint()),
        at={name: size for name, size in explorer.base.items() if name != explorer.letter},
        found_by="search" if by_search else "symbols",
        tried=len(explorer.outcomes),
    )


def _ranges(sizes: Sequence[int], top: int) -> Iterable[Range]:
    """Runs of sizes at equal steps; the last is open where it goes on to the end of the grid."""
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
    """What fails just outside: below the first range, above the last, between its steps."""
    if not ranges:
        return
    first, last = ranges[0], ranges[-1]
    outside = [first.lowest - first.step]
    outside += [last.highest + last.step] if last.highest is not None else []
    outside += [first.lowest + 1] if first.step > 1 else []
    for size in outside:
        if size > 0 and not explorer.is_legal(size):
            outcome = explorer.tried(size)
            yield Limit(size, outcome.layer, outcome.reason)


def _searched(explorer: Explorer) -> list[int]:
    """Legal sizes by trying: the step, then how far down and up the multiples of it are legal."""
    start = explorer.start
    near = (
        s for s in (*range(1, 65), start)
        if explorer.is_legal(start + s) or (s < start and explorer.is_legal(start - s))
    )  # fmt: skip
    step = next(near, None)
    if step is None:
        return [start]
    lowest = start - step * _last_legal(
        lambda k: explorer.is_legal(start - k * step), (start - 1) // step
    )
    highest = start + step * _last_legal(
        lambda k: explorer.is_legal(start + k * step), (explorer.grid[-1] - start) // step
    )
    return list(range(lowest, highest + 1, step))


def _last_legal(is_legal: Callable[[int], bool], most: int) -> int:
    """The largest k up to `most` such that k is legal and k + 1 is not, by bisection."""
    if is_legal(most):
        return most
    low, high = 0, most
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if is_legal(middle) else (low, middle)
    return low
