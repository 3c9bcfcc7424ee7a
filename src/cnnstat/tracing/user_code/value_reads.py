"""Values that a model's Python code reads from tensors or generators.

A size or a branch may depend on a value: `int(x.mean())`, `if x.sum() > 0`, `random.random()`. The
values of a run are made up where the user passes shapes only, so the figures are certain only if
they are the same for other values: `value_effects.py` measures that. Reads of values that follow
from shapes alone (`torch.tensor(x.shape)[1].item()`) are the same for every input
(`operators/value_origins.py`) and need no second run.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from torch import Tensor

from ...errors import ModelError
from ...operators.value_origins import Origins
from ...trace.records import TensorSpec, Trace, ValueRead
from ..places import innermost_frame
from ..recording.recorder import Recorder
from .generators import GENERATORS, Draws, python_generators, same_state, seed_generator


class Site(NamedTuple):
    """The place of a read in the source of the model: the file is empty if it is in none."""

    function: str
    file: str
    line: int


class _Read(NamedTuple):
    site: Site
    path: str
    before: int  # the number of operators recorded before
    tensors: tuple[TensorSpec, ...]
    number: bool  # whether it has more than two results


@dataclass(frozen=True, slots=True)
class Variant:
    """Other values for a run: of the reads at a site, or of Python's and NumPy's generators."""

    site: Site | None = None
    number: int = 0


class TooLong(ModelError):
    """A variant runs much longer than the original."""


@dataclass
class ValueReads:
    """The reads of one run. With `variant`, those at its site return other values."""

    variant: Variant = Variant()
    limit: int | None = None
    located: bool = False
    found: list[_Read] = field(default_factory=list)
    draws: dict[str, tuple[str, int] | None] = field(default_factory=dict)

    def read(self, recorder: Recorder, function: str, tensors: Sequence[Tensor], value: Any) -> Any:
        """Record a read, and return the value that the model gets."""
        if self.limit is not None and len(self.found) > self.limit:
            raise TooLong("the model reads more values than before")
        call = recorder.stack[-1] if recorder.stack else None
        path = call.path if call else ""
        if call is not None and call.kind == "function":
            path = call.parent.path if call.parent else ""
            function = call.type if function == "item" else function
        frame = innermost_frame(sys._getframe(1))
        site = Site(function, frame.file if frame else "", frame.line if frame else 0)
        specs = recorder.specs_in(tuple(tensors))
        is_number = not isinstance(value, bool) and function != "bool"
        self.found.append(_Read(site, path, len(recorder.ops), specs, is_number))
        if site != self.variant.site:
            return value
        # A condition on a number flips where the number becomes zero, or is zero no longer.
        return type(value)(not value) if function == "bool" else _other(value, self.variant.number)

    @contextmanager
    def generators(self) -> Iterator[None]:
        """Seed Python's and NumPy's generators, and notice which of them run.

        What is drawn from torch's, the dispatch mode draws from a stream of the run's own.
        """
        known = python_generators()
        number = self.variant.number if self.variant.site is None else 0
        for generator in known.values():
            seed_generator(generator, number)
        before = {name: generator.getstate() for name, generator in known.items()}
        watching = Draws(known, self.draws).installed() if self.located else nullcontext()
        try:
            with watching:
                yield
        finally:
            for name, generator in known.items():
                if not same_state(before[name], generator.getstate()):
                    self.draws.setdefault(name, None)

    def raw(self, trace: Trace) -> tuple[ValueRead, ...]:
        """The reads whose values are not certain, a record for each site."""
        origins = Origins(trace)
        reads: dict[Site, ValueRead] = {}
        for read in self.found:
            origin = origins.of(read.tensors, read.before)
            if origin is None:
                continue
            known = reads.get(read.site)
            if known is None:
                reads[read.site] = ValueRead(*read.site, read.path, origin, read.number)
            elif read.number and not known.number:
                reads[read.site] = replace(known, number=True)
        drawn = [ValueRead("", "", 0, "", GENERATORS[name], True) for name in self.draws]
        return (*reads.values(), *drawn)


def _other(value: Any, number: int) -> Any:
    """Another value of the same type; `number` chooses which."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float) and number == 2:
        return type(value)(0)
    if isinstance(value, int):
        return value + 1 if number == 0 else value - 1 if value > 0 else value + 2
    if isinstance(value, float | complex):
        return -value - 1 if number == 0 else value + 1
    if isinstance(value, list):
        return [_other(item, number) for item in value]
    kind = getattr(getattr(value, "dtype", None), "kind", "")  # of a NumPy array
    if kind == "b":
        return ~value
    if kind in "iu" and kind:
        return value * 0 + number
    return -value - 1 if number == 0 else value + 1
