"""From a model to its shapes, costs and legal sizes where sizes are letters."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from ..analysis.results import Analysis
from ..choices import Mode
from ..errors import ModelError
from ..run_config import ModelRequest
from ..trace.records import Trace
from .domain import domain_of
from .figures import layer_formulas, shapes_at, total_formulas
from .letters import specs_in, told
from .results import Domain, Formulas, FormulaTotals, LayerFormulas
from .subject import Subject

_SAMPLES = 3  # plain runs
_POINTS = 100  # at which the peak's formula is made


def formulas_of(request: ModelRequest, mode: Mode) -> Formulas:
    """Run a model with letters for sizes, and at sizes that confirm the formulas."""
    subject = Subject.of(request, mode)
    first, reason = subject.with_letters(subject.base)
    domains = tuple(
        domain_of(name, subject.base, first, subject.outcome, lambda v: subject.with_letters(v)[0])
        for name in subject.letters
    )
    return _formulas(subject, domains, reason)


def _formulas(subject: Subject, domains: Sequence[Domain], reason: str) -> Formulas:
    example = subject.analysis(subject.base)
    notes = [reason] if reason else []
    # a letter with one legal size is that size
    fixed = {d.letter: d.ranges[0].lowest for d in domains if is_fixed(d)}
    layers: tuple[LayerFormulas, ...] = ()
    totals = FormulaTotals(example.totals.params, None, None, None)
    if subject.traces:
        samples, refused = _sampled(subject, domains)
        if refused:
            notes.append(f"not every combination of legal sizes runs: {'; '.join(refused[:3])}")
        values, trace, alike = _holding_most(subject, samples)
        layers = layer_formulas(trace, fixed)
        points = legal_samples(domains, subject.base, _POINTS)
        confirmed = [(v, a.totals) for v, a in alike]
        totals = total_formulas(trace, layers, confirmed, points, fixed)
        elsewhere = [told(v) for v, a in samples if (v, a) not in alike]
        if elsewhere:
            notes.append(f"the model takes another way at some sizes, such as {elsewhere[0]}: the "
                         f"formulas are those of {told(values)}")  # fmt: skip
    notes += index_notes(subject)
    return Formulas(
        tool=example.tool,
        model=example.model,
        inputs=tuple(subject.lettered_inputs()),
        values=subject.base,
        domains=tuple(domains),
        totals=totals,
        layers=layers,
        example=example,
        notes=tuple(dict.fromkeys(notes)),
    )


_Sample = tuple[dict[str, int], Analysis]


def _sampled(subject: Subject, domains: Sequence[Domain]) -> tuple[list[_Sample], list[str]]:
    """Plain runs at legal sizes, and what does not run together."""
    samples = [(subject.base, subject.analysis(subject.base))]
    refused = []
    for values in legal_samples(domains, subject.base, _SAMPLES):
        try:
            samples.append((values, subject.analysis(values)))
        except ModelError as error:
            refused.append(f"{told(values)}: {error.message}")
    return samples, refused


def _holding_most(
    subject: Subject, samples: Sequence[_Sample]
) -> tuple[dict[str, int], Trace, list[_Sample]]:
    """Of the runs with letters, the one that tells the shapes of most samples, and those.

    The rows are those of the example, so it tells the shapes of that.
    """
    best: tuple[dict[str, int], Trace, list[_Sample]] | None = None
    for key, trace in subject.traces.items():
        alike = [
            (values, plain) for values, plain in samples
            if tuple(layer.outputs for layer in plain.layers) == shapes_at(trace, values)
        ]  # fmt: skip
        if samples[0] in alike and (best is None or len(alike) > len(best[2])):
            best = dict(key), trace, alike
    assert best is not None  # the first run with letters was made at the example's sizes
    return best


def is_fixed(domain: Domain) -> bool:
    return len(domain.ranges) == 1 and domain.ranges[0].lowest == domain.ranges[0].highest


def index_notes(subject: Subject) -> list[str]:
    """What no run without values can tell: whether an index is inside its table."""
    for spec in specs_in((subject.inputs, subject.named)):
        names = [name for dim, name in spec.letters if dim > 0]
        if spec.dtype.startswith("int") and names:
            return [
                f"indices have no values here: a table of positions may end before {names[0]} does"
            ]
    return []


def legal_samples(
    domains: Sequence[Domain], base: Mapping[str, int], number: int
) -> list[dict[str, int]]:
    """Legal sizes for all letters at once: the lowest of each, and as many drawn as asked for."""
    draw = random.Random(0)
    samples = [{d.letter: d.ranges[0].lowest for d in domains if d.ranges}]
    for _ in range(number):
        samples.append({d.letter: draw.choice(sizes_in(d, base[d.letter])) for d in domains})
    return [{**base, **sample} for sample in samples]


def sizes_in(domain: Domain, start: int) -> list[int]:
    """The legal sizes up to the end of the range, or to some times the start where it is open."""
    top = max(4 * start, 64)
    return [
        size
        for part in domain.ranges
        for size in range(part.lowest, (part.highest or max(top, part.lowest)) + 1, part.step)
    ] or [start]
