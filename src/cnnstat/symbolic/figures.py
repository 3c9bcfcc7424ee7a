"""Figures as formulas: the rules of `costs`, given shapes that hold letters."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

from ..analysis.results import Totals
from ..operators.registry import cost_of
from ..symbols.expressions import Expr, Number
from ..symbols.extremes import greatest
from ..symbols.parsing import parse
from ..symbols.values import at, function_of, value_at
from ..trace.records import Op, Trace
from .pieces import Shapes
from .results import FormulaTotals, LayerFormulas, Size

Values = Mapping[str, int]


def shapes_at(trace: Trace, values: Values) -> Shapes:
    """The outputs of all calls of a run with letters, at some sizes."""
    return tuple(
        tuple(tuple(value_at(n, values) for n in tensor.shape) for tensor in call.outputs)
        for call in trace.calls
    )


def layer_formulas(trace: Trace, fixed: Values | None = None) -> tuple[LayerFormulas, ...]:
    """A row for each call, as in the analysis of a plain run, with its children's figures.

    `fixed` letters are replaced by their values.
    """
    fixed = fixed or {}
    macs = _macs_by_call(trace)
    leaves = {call.index for call in trace.calls} - {call.parent for call in trace.calls}
    made: dict[int, Number] = {
        call.index: call.new_bytes if call.index in leaves else 0 for call in trace.calls
    }
    for call in reversed(trace.calls):  # children stand behind their parents
        if call.parent is not None:
            made[call.parent] = made[call.parent] + made[call.index]
            macs[call.parent] = _sum(macs[call.parent], macs[call.index])
    return tuple(
        LayerFormulas(
            call.path, call.call,
            tuple(tuple(as_size(at(n, fixed)) for n in t.shape) for t in call.outputs),
            _or_none(macs[call.index], fixed), as_size(at(made[call.index], fixed)),
        )
        for call in trace.calls
    )  # fmt: skip


def total_formulas(
    trace: Trace,
    layers: Sequence[LayerFormulas],
    samples: Sequence[tuple[Values, Totals]],
    points: Iterable[Values] = (),
    fixed: Values | None = None,
) -> FormulaTotals:
    """The sums, each where it is that of the plain runs in `samples`; None where it is not.

    `points` are more sizes at which to look which of many sums is the peak.
    """
    macs = _confirmed(layers[0].macs, [(v, t.macs) for v, t in samples])
    made = _confirmed(layers[0].activation_bytes, [(v, t.activation_bytes) for v, t in samples])
    peak = _peak_bytes(trace, [(v, t.peak_bytes) for v, t in samples], points)
    return FormulaTotals(
        params=sum(p.numel for p in trace.parameters if not p.buffer),
        macs=macs,
        activation_bytes=made,
        peak_bytes=_or_none(peak, fixed or {}),
    )


def _confirmed(size: Size | None, samples: Iterable[tuple[Values, int]]) -> Size | None:
    if size is None:
        return None
    number = parse(size) if isinstance(size, str) else size
    return size if all(at(number, values) == figure for values, figure in samples) else None


def as_size(number: Number) -> Size:
    """As a record holds it."""
    return str(number) if isinstance(number, Expr) else number


def _or_none(number: Number | None, fixed: Values) -> Size | None:
    return None if number is None else as_size(at(number, fixed))


def _macs_by_call(trace: Trace) -> dict[int, Number | None]:
    macs: dict[int, Number | None] = defaultdict(lambda: 0)
    for op in trace.ops:
        macs[op.call] = _sum(macs[op.call], _macs(op))
    return macs


def _macs(op: Op) -> Number | None:
    try:
        cost = cost_of(op)
    except TypeError:  # a rule that asks how large a size is
        return None
    return 0 if cost is None else cost.macs


def _sum(a: Number | None, b: Number | None) -> Number | None:
    return None if a is None or b is None else a + b


def _peak_bytes(
    trace: Trace, samples: Sequence[tuple[Values, int]], points: Iterable[Values]
) -> Number | None:
    """The largest of what is alive behind an operator, for those that are the largest somewhere.

    Which ones are is seen at samples and points; None where the peak at a sample is another.
    """
    resident = sum(parameter.nbytes for parameter in trace.parameters)
    alive: list[Number] = list(dict.fromkeys(op.live_bytes for op in trace.ops))
    alive = alive or [trace.input_bytes]
    letters = sorted({name for n in alive if isinstance(n, Expr) for name in n.letters})
    functions = [_function(number, letters) for number in alive]
    largest: dict[Number, Callable[..., int]] = {}
    for values, peak in (*samples, *((point, None) for point in points)):
        at_letters = [values[name] for name in letters]
        here = [function(*at_letters) for function in functions]
        if peak is not None and resident + max(here) != peak:
            return None
        if not any(function(*at_letters) == max(here) for function in largest.values()):
            place = here.index(max(here))
            largest[alive[place]] = functions[place]
    return greatest(*largest) + resident if largest else None


def _function(number: Number, letters: Sequence[str]) -> Callable[..., int]:
    if isinstance(number, Expr):
        return function_of(number, letters)
    return lambda *_: number
