"""What models cost over a size of the input or over an argument of the constructor."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log2
from typing import Any

import torch
from msgspec import structs

from ..analysis.results import Analysis, Tool
from ..choices import Mode
from ..comparison.classifier import find_site
from ..errors import ModelError, UsageError
from ..inputs import InputSpec, as_input
from ..models.load import load
from ..models.saved import is_saved, refusal_of_options
from ..pipeline import load_model, run_model
from ..run_config import ModelRequest, RunConfig
from ..symbols.evaluation import at, parse
from ..version import __version__
from .formulas import index_notes, layer_formulas, total_formulas
from .over import Over
from .results import FIGURES, FormulaTotals, GrowthRate, LetteredInput, ScalePoint, Scaling, Series
from .subject import Subject

_LETTERS = {5: "NCDHW", 4: "NCHW", 3: "NCL", 2: "NT"}
"""What the dimensions of an input are called, by their number."""
_DOUBLINGS = (0.5, 1, 2, 4)


def scaling_of(
    models: Sequence[str],
    over: Over | None,
    input: Any,
    arguments: Mapping[str, Any] | None,
    mode: Mode,
    fit: bool,
) -> Scaling:
    """Run models over sizes or values; without `over` over height and width."""
    given = None if input is None else as_input(input)
    inputs = [_input_of(model, given, arguments) for model in models]
    chosen = over or Over(_usual(inputs[0]))
    series = tuple(
        _series(model, spec, chosen, _How(mode, dict(arguments or {}), fit))
        for model, spec in zip(models, inputs, strict=True)
    )
    if not any(point.reason is None for one in series for point in one.points):
        reasons = dict.fromkeys(p.reason for one in series for p in one.points if p.reason)
        raise ModelError(f"nothing runs over {', '.join(chosen.names)}", *list(reasons)[:3])
    tool = Tool(__version__, str(torch.__version__), platform.python_version())
    return Scaling(tool=tool, over=chosen.names, series=series)


def _input_of(model: str, given: Any, arguments: Any) -> InputSpec:
    """The input with a letter for each dimension: the letters of the user, else the usual ones."""
    if isinstance(given, InputSpec) and given.letters:
        return given
    if given is None:
        own = load(model, (), {}, arguments)
        values = (*own.inputs, *own.named_inputs.values())
        names = (*(None for _ in own.inputs), *own.named_inputs)
        pairs = [(n, v) for n, v in zip(names, values, strict=True) if hasattr(v, "shape")]
        if len(pairs) != 1:
            raise UsageError(f"{model} has no one input to vary", hint="--input 1,3,H,W")
        name, given = pairs[0]
        given = InputSpec(tuple(given.shape), str(given.dtype).removeprefix("torch."), name)
    usual = _LETTERS.get(len(given.shape), "")
    return InputSpec(given.shape, given.dtype, given.name, tuple(enumerate(usual)))


def _usual(spec: InputSpec) -> tuple[str, ...]:
    names = [name for _, name in spec.letters]
    for wanted in (("H", "W"), ("L",), ("T",)):
        if all(name in names for name in wanted):
            return wanted
    return tuple(names[:1])


@dataclass(frozen=True)
class _How:
    """How each model is made and run."""

    mode: Mode
    arguments: dict[str, Any]
    fit: bool


def _series(model: str, spec: InputSpec, over: Over, how: _How) -> Series:
    letters = [name for _, name in spec.letters]
    if not any(name in letters for name in over.names):
        return _over_argument(model, spec, over, how)
    unknown = [name for name in over.names if name not in letters]
    if unknown:
        raise UsageError(
            f"{unknown[0]} is no letter of the input {spec}", f"its letters: {', '.join(letters)}"
        )
    return _over_letters(model, spec, over, how)


def _over_argument(model: str, spec: InputSpec, over: Over, how: _How) -> Series:
    if len(over.names) > 1 or not over.values:
        what = over.names[0]
        raise UsageError(
            f"{what} is no letter of the input {spec}, and an argument needs values",
            f"letters: {', '.join(name for _, name in spec.letters)}",
            hint=f"--over {what}=1,2,4",
        )
    (name,) = over.names
    if not all(spec.shape):
        raise UsageError(f"{name} is varied: the sizes of the input {spec} are to be numbers")
    if is_saved(model):
        raise refusal_of_options(model)
    config = RunConfig(how.mode)
    points, analyses = [], []
    for value in over.values:
        try:
            loaded = load_model(
                ModelRequest(model, (_plain(spec),), {}, {**how.arguments, name: value})
            )
            analysis = run_model(loaded, config).analysis
        except ModelError as error:
            points.append(ScalePoint(value, reason=error.message))
        else:
            analyses.append(analysis)
            points.append(_point(value, analysis))
    told = LetteredInput(spec.name, _plain(spec).shape, spec.dtype)
    return Series(
        name=model, model=analyses[0].model if analyses else None, inputs=(told,),
        points=tuple(points), growth=growth_of(points), formulas=None,
        formulas_reason=f"{name} is an argument: it changes the model, not only its sizes",
    )  # fmt: skip


def _over_letters(model: str, spec: InputSpec, over: Over, how: _How) -> Series:
    kept = tuple((dim, name) for dim, name in spec.letters if name in over.names)
    lettered = InputSpec(spec.shape, spec.dtype, spec.name, kept)
    subject = Subject.of(ModelRequest(model, (lettered,), {}, how.arguments), how.mode)
    start = subject.base[over.names[0]]
    values = over.values or tuple(n for f in _DOUBLINGS if (n := round(f * start)) > 0)
    own = subject.analysis(subject.base)
    points, samples = [], [(subject.base, own)]
    for value in values:
        if type(value) is not int or value < 1:
            raise UsageError(f"{', '.join(over.names)} = {value!r} is no size")
        sizes = dict.fromkeys(over.names, value)
        try:
            analysis = subject.analysis(sizes)
        except ModelError as error:
            fitted = _fitted(subject, own, value, sizes) if how.fit else None
            points.append(fitted or ScalePoint(value, reason=error.message))
        else:
            samples.append((sizes, analysis))
            points.append(_point(value, analysis))
    formulas, reason = _formulas(subject, samples)
    return Series(
        name=model, model=own.model,
        inputs=tuple(subject.lettered_inputs()), points=tuple(points), growth=growth_of(points),
        formulas=formulas, formulas_reason=reason,
    )  # fmt: skip


def _fitted(
    subject: Subject, own: Analysis, value: int, sizes: Mapping[str, int]
) -> ScalePoint | None:
    """The figures with the first linear layer made to fit; None where that does not help."""
    site = find_site(own)
    if site is None:
        return None
    linear = site.linears[0].path
    try:
        variant = subject.resized(sizes, linear)
    except ModelError:
        return None
    return structs.replace(_point(value, variant), fitted=linear)


def _formulas(
    subject: Subject, samples: Sequence[tuple[dict[str, int], Analysis]]
) -> tuple[FormulaTotals | None, str | None]:
    """The formulas of the way that the model takes at its own size, and where it takes another."""
    piece, reason = subject.with_letters(subject.base)
    if piece is None:
        return None, reason
    trace = subject.trace_at(subject.base)
    layers = layer_formulas(trace)
    macs = layers[0].macs
    number = parse(macs) if isinstance(macs, str) else macs
    alike = [(v, a) for v, a in samples if number is None or at(number, v) == a.totals.macs]
    others = [_told(sizes) for sizes, a in samples if (sizes, a) not in alike]
    formulas = total_formulas(trace, layers, [(v, a.totals) for v, a in alike])
    reasons = [f"do not hold at {'; '.join(others)}: it takes another way there"] if others else []
    return formulas, "; ".join([*reasons, *index_notes(subject)]) or None


def _told(sizes: Mapping[str, int]) -> str:
    return ", ".join(f"{name} = {size}" for name, size in sizes.items())


def _point(value: Any, analysis: Analysis) -> ScalePoint:
    return ScalePoint(value, **{name: getattr(analysis.totals, name) for name in FIGURES})


def _plain(spec: InputSpec) -> InputSpec:
    return InputSpec(spec.shape, spec.dtype, spec.name)


def growth_of(points: Sequence[ScalePoint]) -> GrowthRate | None:
    """The factor per doubling, from the first point that runs to the last; None for fewer than two.

    y ∝ x^p grows by 2^p: p = log(yₙ/y₁) / log(xₙ/x₁).
    """
    known = [point for point in points if point.reason is None and is_number(point.value)]
    if len(known) < 2:
        return None
    first, last = known[0], known[-1]
    if first.value <= 0 or last.value <= 0 or first.value == last.value:
        return None
    doublings = log2(last.value / first.value)
    factors = {}
    for name in FIGURES:
        low, high = getattr(first, name), getattr(last, name)
        factors[name] = 2 ** (log2(high / low) / doublings) if low and high else None
    return GrowthRate(first.value, last.value, **factors)


def is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
