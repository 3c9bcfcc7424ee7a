"""Which figures depend on the values that a model reads, measured.

The model runs again with other results of the same reads, and the records are compared.
"""

from __future__ import annotations

import dis
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from ...errors import ModelError
from ...operators.costs import Cost
from ...operators.registry import cost_of
from ...trace.records import Op, Trace, ValueRead
from .generators import GENERATORS, VARIANTS
from .value_reads import Site, TooLong, ValueReads, Variant

_MAX_SITES = 6  # that are tried with other values
_MAX_MACS = 100e9  # of all further runs together
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
        if not read.file and read.origin in GENERATORS.values():
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
    if read.origin in GENERATORS.values():
        return [Variant(number=number) for number in range(1, VARIANTS + 1)]
    site = Site(read.function, read.file, read.line)
    return [Variant(site, number) for number in range(3 if read.number else 1)]


def _located(read: ValueRead, rerun: Rerun) -> ValueRead:
    """The read with the first place at which the model uses the generator, as far as it is found.

    Python offers no notice of a draw, so the run is repeated, line by line.
    """
    reads = ValueReads(located=True)
    rerun(reads)
    place = next((reads.draws[n] for n, text in GENERATORS.items()
                  if text == read.origin and reads.draws.get(n)), None)  # fmt: skip
    return read if place is None else replace(read, file=place[0], line=place[1])


def _effects(trace: Trace, rerun: Rerun, variant: Variant, limit: int) -> tuple[str, ...] | None:
    """The figures that another value changes; None if the model fails with it."""
    try:
        other = rerun(ValueReads(variant, limit))
    except TooLong:
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
