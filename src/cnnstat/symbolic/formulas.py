"""Shapes, costs and valid sizes of a model as formulas in its symbolic dimensions."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

from ..analysis.results import Analysis, Totals
from ..choices import Mode
from ..errors import ModelError
from ..operators.registry import cost_of
from ..run_config import ModelRequest
from ..symbols.evaluation import at, function_of, greatest, parse
from ..symbols.expressions import Expr, Number
from ..trace.records import Op, Trace
from .results import Formulas, FormulaTotals, LayerFormulas, Size, ValidSizes
from .runs import Values, shapes_at
from .symbolic_model import SymbolicModel, format_values, specs_in
from .valid_sizes import valid_sizes_of

_SAMPLES = 3  # plain runs
_POINTS = 100  # at which the formula of the peak is built


def formulas_of(request: ModelRequest, mode: Mode) -> Formulas:
    """Run a model with symbolic sizes, and at plain sizes that confirm the formulas."""
    subject = SymbolicModel.of(request, mode)
    first, reason = subject.symbolic_run(subject.base)
    domains = tuple(
        valid_sizes_of(
            name, subject.base, first, subject.outcome, lambda v: subject.symbolic_run(v)[0]
        )
        for name in subject.dimensions
    )
    return _formulas(subject, domains, reason)


def _formulas(subject: SymbolicModel, domains: Sequence[ValidSizes], reason: str) -> Formulas:
    example = subject.analysis(subject.base)
    notes = [reason] if reason else []
    # a dimension with one valid size is replaced by that size
    fixed = {d.letter: d.ranges[0].lowest for d in domains if is_fixed(d)}
    layers: tuple[LayerFormulas, ...] = ()
    totals = FormulaTotals(example.totals.params, None, None, None)
    if subject.traces:
        samples, refused = _sampled(subject, domains)
        if refused:
            notes.append(f"not every combination of legal sizes runs: {'; '.join(refused[:3])}")
        values, trace, matching = _most_general(subject, samples)
        layers = layer_formulas(trace, fixed)
        points = valid_samples(domains, subject.base, _POINTS)
        confirmed = [(v, a.totals) for v, a in matching]
        totals = total_formulas(trace, layers, confirmed, points, fixed)
        elsewhere = [format_values(v) for v, a in samples if (v, a) not in matching]
        if elsewhere:
            notes.append(f"the model takes another way at some sizes, such as {elsewhere[0]}: the "
                         f"formulas are those of {format_values(values)}")  # fmt: skip
    notes += index_notes(subject)
    return Formulas(
        tool=example.tool,
        model=example.model,
        inputs=tuple(subject.symbolic_inputs()),
        values=subject.base,
        domains=tuple(domains),
        totals=totals,
        layers=layers,
        example=example,
        notes=tuple(dict.fromkeys(notes)),
    )


_Sample = tuple[dict[str, int], Analysis]


def _sampled(
    subject: SymbolicModel, domains: Sequence[ValidSizes]
) -> tuple[list[_Sample], list[str]]:
    """Plain runs at valid sizes, and the combinations of sizes that fail."""
    samples = [(subject.base, subject.analysis(subject.base))]
    refused = []
    for values in valid_samples(domains, subject.base, _SAMPLES):
        try:
            samples.append((values, subject.analysis(values)))
        except ModelError as error:
            refused.append(f"{format_values(values)}: {error.message}")
    return samples, refused


def _most_general(
    subject: SymbolicModel, samples: Sequence[_Sample]
) -> tuple[dict[str, int], Trace, list[_Sample]]:
    """The symbolic run that predicts the shapes of most samples, and these samples.

    Its rows are combined with those of the example, so it must predict the example's shapes.
    """
    best: tuple[dict[str, int], Trace, list[_Sample]] | None = None
    for key, trace in subject.traces.items():
        matching = [
            (values, plain) for values, plain in samples
            if tuple(layer.outputs for layer in plain.layers) == shapes_at(trace, values)
        ]  # fmt: skip
        if samples[0] in matching and (best is None or len(matching) > len(best[2])):
            best = dict(key), trace, matching
    assert best is not None  # the first symbolic run was made at the example's sizes
    return best


def is_fixed(domain: ValidSizes) -> bool:
    return len(domain.ranges) == 1 and domain.ranges[0].lowest == domain.ranges[0].highest


def index_notes(subject: SymbolicModel) -> list[str]:
    """A note on what a run without values cannot check: whether an index is inside its table."""
    for spec in specs_in((subject.inputs, subject.named)):
        names = [name for dim, name in spec.symbols if dim > 0]
        if spec.dtype.startswith("int") and names:
            return [
                f"indices have no values here: a table of positions may end before {names[0]} does"
            ]
    return []


def valid_samples(
    domains: Sequence[ValidSizes], base: Mapping[str, int], number: int
) -> list[dict[str, int]]:
    """Valid sizes for all dimensions at once: the lowest of each, then `number` random ones."""
    draw = random.Random(0)
    samples = [{d.letter: d.ranges[0].lowest for d in domains if d.ranges}]
    for _ in range(number):
        samples.append({d.letter: draw.choice(sizes_in(d, base[d.letter])) for d in domains})
    return [{**base, **sample} for sample in samples]


def sizes_in(domain: ValidSizes, start: int) -> list[int]:
    """The valid sizes up to the end of the range, or to a multiple of `start` where it is open."""
    top = max(4 * start, 64)
    return [
        size
        for part in domain.ranges
        for size in range(part.lowest, (part.highest or max(top, part.lowest)) + 1, part.step)
    ] or [start]


def layer_formulas(trace: Trace, fixed: Values | None = None) -> tuple[LayerFormulas, ...]:
    """A row for each call, as in the analysis of a plain run, including its children's figures.

    `fixed` dimensions are replaced by their values.
    """
    fixed = fixed or {}
    macs = _macs_by_call(trace)
    leaves = {call.index for call in trace.calls} - {call.parent for call in trace.calls}
    activation: dict[int, Number] = {
        call.index: call.new_bytes if call.index in leaves else 0 for call in trace.calls
    }
    for call in reversed(trace.calls):  # children follow their parents
        if call.parent is not None:
            activation[call.parent] = activation[call.parent] + activation[call.index]
            macs[call.parent] = _sum(macs[call.parent], macs[call.index])
    return tuple(
        LayerFormulas(
            call.path, call.call,
            tuple(tuple(as_size(at(n, fixed)) for n in t.shape) for t in call.outputs),
            _or_none(macs[call.index], fixed), as_size(at(activation[call.index], fixed)),
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
    """The totals, each None unless it equals that of all plain runs in `samples`.

    `points` are additional sizes at which candidates for the peak are compared.
    """
    macs = _confirmed(layers[0].macs, [(v, t.macs) for v, t in samples])
    activation = _confirmed(
        layers[0].activation_bytes, [(v, t.activation_bytes) for v, t in samples]
    )
    peak = _peak_bytes(trace, [(v, t.peak_bytes) for v, t in samples], points)
    return FormulaTotals(
        params=sum(p.numel for p in trace.parameters if not p.buffer),
        macs=macs,
        activation_bytes=activation,
        peak_bytes=_or_none(peak, fixed or {}),
    )


def _confirmed(size: Size | None, samples: Iterable[tuple[Values, int]]) -> Size | None:
    if size is None:
        return None
    number = parse(size) if isinstance(size, str) else size
    return size if all(at(number, values) == figure for values, figure in samples) else None


def as_size(number: Number) -> Size:
    """The number as it is written to a record."""
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
    except TypeError:  # the rule compares a size, which is symbolic
        return None
    return 0 if cost is None else cost.macs


def _sum(a: Number | None, b: Number | None) -> Number | None:
    return None if a is None or b is None else a + b


def _peak_bytes(
    trace: Trace, samples: Sequence[tuple[Values, int]], points: Iterable[Values]
) -> Number | None:
    """The maximum of the live bytes after each operator, over those that are the largest somewhere.

    Only operators that are the largest at a sample or a point are kept, so that the formula stays
    short. None where the plain run of a sample has another peak.
    """
    resident = sum(parameter.nbytes for parameter in trace.parameters)
    alive: list[Number] = list(dict.fromkeys(op.live_bytes for op in trace.ops))
    alive = alive or [trace.input_bytes]
    names = sorted({name for n in alive if isinstance(n, Expr) for name in n.symbols})
    functions = [_function(number, names) for number in alive]
    largest: dict[Number, Callable[..., int]] = {}
    for values, peak in (*samples, *((point, None) for point in points)):
        arguments = [values[name] for name in names]
        here = [function(*arguments) for function in functions]
        if peak is not None and resident + max(here) != peak:
            return None
        if not any(function(*arguments) == max(here) for function in largest.values()):
            place = here.index(max(here))
            largest[alive[place]] = functions[place]
    return greatest(*largest) + resident if largest else None


def _function(number: Number, names: Sequence[str]) -> Callable[..., int]:
    if isinstance(number, Expr):
        return function_of(number, names)
    return lambda *_: number
