"""Values that a model's Python code reads from tensors or generators, and what depends on them.

A size or a branch may depend on a value: `int(x.mean())`, `if x.sum() > 0`, `random.random()`. The
values of a run are made up where the user passes shapes only, so the figures are certain only if
they are the same for other values. That is measured: the model runs again with other results of the
same reads, and the two records are compared. Reads of values that follow from shapes alone
(`torch.tensor(x.shape)[1].item()`) are the same for every input and need no second run.
"""

from __future__ import annotations

import dis
import random
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from torch import Tensor

from ...errors import ModelError
from ...operators.costs import Cost
from ...operators.registry import Trait, cost_of, is_in_place, traits_of, view_of
from ...trace.records import Op, TensorSpec, Trace, ValueRead
from ..places import innermost_frame, is_model_source
from ..process.global_state import SEED
from ..recording.recorder import Recorder

INPUT, PARAMETERS, TORCH = "the input", "the parameters", "torch's random numbers"
NEED_DATA = {INPUT, PARAMETERS}
"""Origins of values that exist only where tensors have data."""
_MAX_SITES = 6  # that are tried with other values
_MAX_MACS = 100e9  # of all further runs together
_GENERATORS = {"Python": "Python's random numbers", "NumPy": "NumPy's random numbers"}


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


class _TooLong(ModelError):
    """A variant runs much longer than the original."""


@dataclass
class ValueReads:
    """The reads of one run. With `variant`, those at its site return other values."""

    variant: Variant = Variant()
    limit: int | None = None
    located: bool = False
    found: list[_Read] = field(default_factory=list)
    draws: dict[str, Site | None] = field(default_factory=dict)

    def read(self, recorder: Recorder, function: str, tensors: Sequence[Tensor], value: Any) -> Any:
        """Record a read, and return the value that the model gets."""
        if self.limit is not None and len(self.found) > self.limit:
            raise _TooLong("the model reads more values than before")
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
        known = _python_generators()
        number = self.variant.number if self.variant.site is None else 0
        for generator in known.values():
            _seed(generator, number)
        before = {name: generator.getstate() for name, generator in known.items()}
        watching = _Draws(known, self.draws).installed() if self.located else _nothing()
        try:
            with watching:
                yield
        finally:
            for name, generator in known.items():
                if not _same(before[name], generator.getstate()):
                    self.draws.setdefault(name, None)

    def raw(self, trace: Trace) -> tuple[ValueRead, ...]:
        """The reads whose values are not certain, a record for each site."""
        origins = _Origins(trace)
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
        drawn = [ValueRead("", "", 0, "", _GENERATORS[name], True) for name in self.draws]
        return (*reads.values(), *drawn)


@contextmanager
def _nothing() -> Iterator[None]:
    yield


# What a value depends on


class _Origins:
    """What the values of tensors depend on, followed through the operators in their order."""

    def __init__(self, trace: Trace) -> None:
        self._ops = trace.ops
        self._next = 0
        self._base: dict[int, int] = {}  # from a view to the tensor whose memory it shows
        self._origin: dict[int, str] = {item.tensor.value: INPUT for item in trace.inputs}
        self._buffers = {p.name for p in trace.parameters if p.buffer}

    def of(self, tensors: Sequence[TensorSpec], before: int) -> str | None:
        """The first origin of these tensors after `before` operators; None: shapes alone."""
        for op in self._ops[self._next : before]:
            self._follow(op)
        self._next = max(self._next, before)
        if any(self._is_parameter(tensor) for tensor in tensors):
            return PARAMETERS
        found = (self._origin.get(self._root(tensor.value)) for tensor in tensors)
        return next(filter(None, found), None)

    def _is_parameter(self, tensor: TensorSpec) -> bool:
        return tensor.parameter is not None and tensor.parameter not in self._buffers

    def _root(self, value: int) -> int:
        while value in self._base:
            value = self._base[value]
        return value

    def _follow(self, op: Op) -> None:
        traits = traits_of(op.name)
        origin = None
        if Trait.RANDOM in traits:
            origin = TORCH
        elif Trait.CREATES not in traits:
            for tensor in op.inputs:
                root = self._root(tensor.value)
                if self._is_parameter(tensor):
                    self._origin.setdefault(root, PARAMETERS)
                origin = origin or self._origin.get(root)
        if op.inputs and (Trait.LAYOUT in traits):
            for tensor in op.outputs:
                if tensor.value != op.inputs[0].value:
                    self._base[tensor.value] = self._root(op.inputs[0].value)
        if origin is None:
            return
        written = op.inputs[:1] if is_in_place(op.name) else op.outputs
        for tensor in written:
            origin_of_output = self._origin_of(op, tensor, origin)
            if origin_of_output is not None:
                self._origin.setdefault(self._root(tensor.value), origin_of_output)

    def _origin_of(self, op: Op, out: TensorSpec, origin: str) -> str | None:
        """The origin of one output of an operator that has `origin`."""
        view = view_of(op) if len(op.outputs) > 1 else None
        inputs = None if view is None else view.origins(out)
        if inputs is None:
            return origin
        return next(filter(None, (self._origin.get(self._root(t.value)) for t in inputs)), None)


# Other values


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


class _Python:
    """Python's generator."""

    def getstate(self) -> Any:
        return random.getstate()

    def seed(self, number: int) -> None:
        random.seed(number)

    def set_words(self, words: Sequence[int]) -> None:
        random.setstate((3, (*words, 0), None))


class _NumPy:
    """NumPy's global generator."""

    def __init__(self, numpy: Any) -> None:
        self.numpy = numpy

    def getstate(self) -> Any:
        name, words, *rest = self.numpy.random.get_state()
        return name, words.tobytes(), *rest

    def seed(self, number: int) -> None:
        self.numpy.random.seed(number)

    def set_words(self, words: Sequence[int]) -> None:
        array = self.numpy.array(words, dtype=self.numpy.uint32)
        self.numpy.random.set_state(("MT19937", array, 0, 0, 0.0))


def _python_generators() -> dict[str, Any]:
    numpy = sys.modules.get("numpy")  # a model cannot use it without an import
    known: dict[str, Any] = {"Python": _Python()}
    if numpy is not None and hasattr(numpy, "random"):
        known["NumPy"] = _NumPy(numpy)
    return known


def _same(a: Any, b: Any) -> bool:
    return bool(a == b)


# A Mersenne Twister whose next words are all 0, or all 2³² − 1: random numbers at either end of
# their range, so a comparison with any threshold has both results. The second is the state that
# the generator's tempering maps to 2³² − 1. Some distributions draw until a number fits, so the
# words after the first are ordinary ones.
_EXTREMES = 0x00000000, 0x12DD9BB3
_EXTREME_WORDS, _WORDS = 64, 624
_VARIANTS = 4  # of generators: the two extremes and two further seeds


def _seed(generator: Any, number: int) -> None:
    if 1 <= number <= 2:
        ordinary = random.Random(SEED)
        words = [_EXTREMES[number - 1]] * _EXTREME_WORDS
        words += [ordinary.getrandbits(32) for _ in range(_WORDS - _EXTREME_WORDS)]
        generator.set_words(words)
    else:
        generator.seed(SEED + number)


@dataclass
class _Draws:
    """Finds the lines of the model after which the state of a generator is another one."""

    generators: dict[str, Any]
    draws: dict[str, Site | None]

    @contextmanager
    def installed(self) -> Iterator[None]:
        previous = sys.gettrace()
        self.states = {name: g.getstate() for name, g in self.generators.items()}
        sys.settrace(self._trace)
        try:
            yield
        finally:
            sys.settrace(previous)

    def _trace(self, frame: Any, event: str, argument: Any) -> Any:
        code = frame.f_code
        # Methods that `dataclasses` and `collections` generate are in "<string>" too.
        generated = code.co_filename == "<string>" and frame.f_globals["__name__"] != "__main__"
        if generated or not is_model_source(code.co_filename):
            return None
        line = frame.f_lineno

        def of_lines(frame: Any, event: str, argument: Any) -> Any:
            nonlocal line
            for name, generator in self.generators.items():
                if self.draws.get(name) is None:
                    state = generator.getstate()
                    if not _same(self.states[name], state):
                        self.draws[name] = Site("", code.co_filename, line)
                    self.states[name] = state
            line = frame.f_lineno
            return of_lines

        return of_lines


# What depends on the values


Rerun = Callable[[ValueReads], Trace]


def with_effects(trace: Trace, rerun: Rerun) -> Trace:
    """The trace with, for each read, the figures that were different in runs with other values.

    Args:
        rerun: runs a new copy of the model in the same way.
    """
    if not trace.value_reads:
        return trace
    allowed = _MAX_MACS / max(1, sum(_macs(trace)))
    examined: list[ValueRead] = []
    sites = 0
    for read in trace.value_reads:
        variants = _variants_of(read)
        sites += 1
        allowed -= len(variants)
        if sites > _MAX_SITES or allowed < 0:
            examined.append(read)
            continue
        if not read.file and read.origin in _GENERATORS.values():
            read = _located(read, rerun)
        limit = 10 * len(trace.ops) + 100
        results = [_effects(trace, rerun, variant, limit) for variant in variants]
        known = [result for result in results if result is not None]
        effects = None
        if known:
            effects = tuple(dict.fromkeys(name for result in known for name in result))
        examined.append(replace(read, effects=effects))
    return replace(trace, value_reads=tuple(examined))


def _variants_of(read: ValueRead) -> list[Variant]:
    if read.origin in _GENERATORS.values():
        return [Variant(number=number) for number in range(1, _VARIANTS + 1)]
    site = Site(read.function, read.file, read.line)
    return [Variant(site, number) for number in range(3 if read.number else 1)]


def _located(read: ValueRead, rerun: Rerun) -> ValueRead:
    """The read with the first place at which the model uses the generator, as far as it is found.

    Python offers no notice of a draw, so the run is repeated, line by line.
    """
    reads = ValueReads(located=True)
    rerun(reads)
    place = next((reads.draws[n] for n, text in _GENERATORS.items()
                  if text == read.origin and reads.draws.get(n)), None)  # fmt: skip
    return read if place is None else replace(read, file=place.file, line=place.line)


def _effects(trace: Trace, rerun: Rerun, variant: Variant, limit: int) -> tuple[str, ...] | None:
    """The figures that another value changes; None if the model fails with it."""
    try:
        other = rerun(ValueReads(variant, limit))
    except _TooLong:
        return "MACs", "other operations"
    except ModelError as error:
        # A check that refuses the value before anything is different: a run that succeeds does not
        # depend on it.
        if error.failure is None:
            return None
        changed = tuple(_differences_before(trace, error.failure.trace))
        return changed or (() if _is_raised(error.__cause__) else None)
    return tuple(_differences(trace, other))


def _is_raised(error: BaseException | None) -> bool:
    """Whether a `raise` or `assert` in Python raised the exception, rather than an operator."""
    step = error.__traceback__ if error else None
    if step is None:
        return False
    while step.tb_next is not None:
        step = step.tb_next
    code, at = step.tb_frame.f_code, step.tb_lasti
    return dis.opname[code.co_code[at]] == "RAISE_VARARGS"


def _differences_before(trace: Trace, other: Trace) -> Iterator[str]:
    """What is different up to where the other run ends, operator by operator."""
    pairs = [(a, b) for a, b in zip(trace.ops, other.ops, strict=False) if _shapes(a) != _shapes(b)]
    if not pairs:
        return
    costs = [(cost_of(a) or Cost(), cost_of(b) or Cost()) for a, b in pairs]
    if any(a.macs != b.macs for a, b in costs):
        yield "MACs"
    if any(a.other_ops != b.other_ops for a, b in costs):
        yield "other operations"
    yield "activation memory"


def _differences(trace: Trace, other: Trace) -> Iterator[str]:
    macs, other_ops = _macs(trace), _macs(other)
    (a, b), (c, d) = macs, other_ops
    if a != c:
        yield "MACs"
    if b != d:
        yield "other operations"
    if [call.new_bytes for call in trace.calls] != [call.new_bytes for call in other.calls]:
        yield "activation memory"
    if [call.path for call in trace.calls] != [call.path for call in other.calls]:
        yield "layers"
    if _outputs(trace) != _outputs(other):
        yield "output shapes"


def _outputs(trace: Trace) -> list[Any]:
    return [tensor.shape for tensor in trace.calls[0].outputs] if trace.calls else []


def _macs(trace: Trace) -> tuple[int, int]:
    """MACs and other operations; uncounted operators add nothing."""
    costs = [cost for cost in map(cost_of, trace.ops) if cost is not None]
    return sum(cost.macs for cost in costs), sum(cost.other_ops for cost in costs)


def _shapes(op: Op) -> Any:
    return op.name, [tensor.shape for tensor in op.outputs]
