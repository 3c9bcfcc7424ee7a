"""The costs of models over a size of the input or an argument of the constructor."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log2
from typing import Any

import torch
from msgspec import structs

from ..analysis.results import Analysis, Tool
from ..call_arguments import parse_sizes
from ..choices import Mode
from ..errors import ModelError, UsageError
from ..inputs import InputSpec
from ..models.load import load
from ..models.saved import is_saved, refusal_of_options
from ..pipeline import load_model, run_model
from ..run_config import ModelRequest, RunConfig
from ..symbols.evaluation import at, parse
from ..tracing.process.isolation import process_preserved
from ..version import __version__
from .default_sizes import doublings, nearest_valid, valid_together
from .fitting import FittedModel
from .formulas import index_notes, layer_formulas, total_formulas
from .over import Over
from .results import FIGURES, FormulaTotals, GrowthRate, ScalePoint, Scaling, Series, SymbolicInput
from .symbolic_model import SymbolicModel, format_values, starting_sizes

_USUAL_NAMES = {5: "NCDHW", 4: "NCHW", 3: "NCL", 2: "NT"}
"""Names of the dimensions of an input, by its rank; of others only the first has one."""


def scaling_of(
    models: Sequence[str],
    over: Over | None,
    input: Any,
    arguments: Mapping[str, Any] | None,
    mode: Mode,
    fit: bool,
) -> Scaling:
    """Run models over sizes or values; by default over height and width."""
    spec = None if input is None else parse_sizes(input, "scale")
    inputs = [_input_of(model, spec, arguments) for model in models]
    chosen = over or Over(_usual_names(inputs[0]))
    series = tuple(
        _series(model, spec, chosen, _Settings(mode, dict(arguments or {}), fit))
        for model, spec in zip(models, inputs, strict=True)
    )
    if not any(point.reason is None for one in series for point in one.points):
        reasons = dict.fromkeys(p.reason for one in series for p in one.points if p.reason)
        raise ModelError(f"nothing runs over {', '.join(chosen.names)}", *list(reasons)[:3])
    tool = Tool(__version__, str(torch.__version__), platform.python_version())
    return Scaling(tool=tool, over=chosen.names, series=series)


def _input_of(model: str, spec: InputSpec | None, arguments: Any) -> InputSpec:
    """The input with a name for each dimension: the names of the user, else the usual ones."""
    if spec is not None and spec.symbols:
        return spec
    if spec is None:
        base = load(model, (), {}, arguments)
        values = (*base.inputs, *base.named_inputs.values())
        names = (*(None for _ in base.inputs), *base.named_inputs)
        pairs = [(n, v) for n, v in zip(names, values, strict=True) if hasattr(v, "shape")]
        if len(pairs) != 1:
            raise UsageError(f"{model} has no one input to vary", hint="--input 1,3,H,W")
        name, spec = pairs[0]
        spec = InputSpec(tuple(spec.shape), str(spec.dtype).removeprefix("torch."), name)
    if not spec.shape:
        raise UsageError(f"{model}: the input has no dimension to vary", hint="--input 1,3,H,W")
    usual = _USUAL_NAMES.get(len(spec.shape), "N")
    return InputSpec(spec.shape, spec.dtype, spec.name, tuple(enumerate(usual)))


def _usual_names(spec: InputSpec) -> tuple[str, ...]:
    names = [name for _, name in spec.symbols]
    for usual in (("H", "W"), ("L",), ("T",)):
        if all(name in names for name in usual):
            return usual
    return tuple(names[:1])


@dataclass(frozen=True)
class _Settings:
    """How each model is constructed and run."""

    mode: Mode
    arguments: dict[str, Any]
    fit: bool


@process_preserved()  # what the file of one model sets is not for the next
def _series(model: str, spec: InputSpec, over: Over, settings: _Settings) -> Series:
    names = [name for _, name in spec.symbols]
    if not any(name in names for name in over.names):
        return _over_argument(model, spec, over, settings)
    unknown = [name for name in over.names if name not in names]
    if unknown:
        raise UsageError(
            f"{unknown[0]} is no letter of the input {spec}", f"its letters: {', '.join(names)}"
        )
    return _over_sizes(model, spec, over, settings)


def _over_argument(model: str, spec: InputSpec, over: Over, settings: _Settings) -> Series:
    if len(over.names) > 1 or not over.values:
        what = over.names[0]
        raise UsageError(
            f"{what} is no letter of the input {spec}, and an argument needs values",
            f"letters: {', '.join(name for _, name in spec.symbols)}",
            hint=f"--over {what}=1,2,4",
        )
    (name,) = over.names
    if not all(spec.shape):
        raise UsageError(f"{name} is varied: the sizes of the input {spec} are to be numbers")
    if is_saved(model):
        raise refusal_of_options(model)
    config = RunConfig(settings.mode)
    points, analyses = [], []
    for value in over.values:
        try:
            loaded = load_model(
                ModelRequest(model, (_plain(spec),), {}, {**settings.arguments, name: value})
            )
            analysis = run_model(loaded, config).analysis
        except ModelError as error:
            points.append(ScalePoint(value, reason=error.message))
        else:
            analyses.append(analysis)
            points.append(_point(value, analysis))
    plain = SymbolicInput(spec.name, _plain(spec).shape, spec.dtype)
    return Series(
        name=model, model=analyses[0].model if analyses else None, inputs=(plain,),
        points=tuple(points), growth=growth_of(points), formulas=None,
        formulas_reason=f"{name} is an argument: it changes the model, not only its sizes",
    )  # fmt: skip


def _over_sizes(model: str, spec: InputSpec, over: Over, settings: _Settings) -> Series:
    varied = tuple((dim, name) for dim, name in spec.symbols if name in over.names)
    symbolic = InputSpec(
        _with_fixed_sizes(model, spec, varied, settings), spec.dtype, spec.name, varied
    )
    subject = SymbolicModel.of(
        ModelRequest(model, (symbolic,), {}, settings.arguments), settings.mode
    )
    base = subject.analysis(subject.base)
    values = over.values or doublings(subject.base[over.names[0]])
    analyses = {value: _at(subject, over, value) for value in values}
    valid = None
    is_free = not over.values and not settings.fit
    failed = [value for value, found in analyses.items() if isinstance(found, ModelError)]
    if failed and is_free and (valid := valid_together(subject, over.names)) is not None:
        analyses = {v: _at(subject, over, v) for v in nearest_valid(values, valid)}
    changed = FittedModel(subject, model, symbolic, settings.arguments, settings.mode)
    fitting = changed.fitting(failed[0], _sizes(over, failed[0])) if failed else None
    points, samples = [], [(subject.base, base)]
    for value, found in analyses.items():
        sizes = _sizes(over, value)
        if not isinstance(found, ModelError):
            samples.append((sizes, found))
            points.append(_point(value, found))
            continue
        variant = changed.analysis(fitting, value, sizes) if settings.fit and fitting else None
        if fitting is None or variant is None:
            points.append(ScalePoint(value, reason=found.message))
        else:
            points.append(structs.replace(_point(value, variant), fitted=fitting.name))
    formulas, reason = _formulas(subject, samples)
    return Series(
        name=model, model=base.model,
        inputs=tuple(subject.symbolic_inputs()), points=tuple(points), growth=growth_of(points),
        formulas=formulas, formulas_reason=reason, valid=valid, fitting=fitting,
    )  # fmt: skip


def _with_fixed_sizes(
    model: str, spec: InputSpec, varied: tuple[tuple[int, str], ...], settings: _Settings
) -> tuple[int, ...]:
    """The shape with sizes for letters that are not varied: the model's own, 1 for a batch."""
    others = [pair for pair in spec.symbols if pair not in varied]
    shape = list(spec.shape)
    if any(not shape[dim] for dim, _ in others):
        starts = starting_sizes(ModelRequest(model, (spec,), {}, settings.arguments))
        for dim, name in others:
            shape[dim] = starts.get(name, 0) or int(dim == 0)
            if not shape[dim]:
                raise UsageError(f"{name} of the input {spec} is not varied, and has no size",
                                 hint=f"--over {name}=1:64:*2, or a number instead")  # fmt: skip
    return tuple(shape)


def _sizes(over: Over, value: Any) -> dict[str, int]:
    if type(value) is not int or value < 1:
        raise UsageError(f"{', '.join(over.names)} = {value!r} is no size")
    return dict.fromkeys(over.names, value)


def _at(subject: SymbolicModel, over: Over, value: Any) -> Analysis | ModelError:
    sizes = _sizes(over, value)
    try:
        return subject.analysis(sizes)
    except ModelError as error:
        return error


def _formulas(
    subject: SymbolicModel, samples: Sequence[tuple[dict[str, int], Analysis]]
) -> tuple[FormulaTotals | None, str | None]:
    """The formulas of the branch taken at the base sizes, and the sizes that take another."""
    run, reason = subject.symbolic_run(subject.base)
    if run is None:
        return None, reason
    trace = subject.trace_at(subject.base)
    layers = layer_formulas(trace)
    macs = layers[0].macs
    number = parse(macs) if isinstance(macs, str) else macs
    matching = [(v, a) for v, a in samples if number is None or at(number, v) == a.totals.macs]
    others = [format_values(sizes) for sizes, a in samples if (sizes, a) not in matching]
    formulas = total_formulas(trace, layers, [(v, a.totals) for v, a in matching])
    reasons = [f"do not hold at {'; '.join(others)}: it takes another way there"] if others else []
    return formulas, "; ".join([*reasons, *index_notes(subject)]) or None


def _point(value: Any, analysis: Analysis) -> ScalePoint:
    return ScalePoint(value, **{name: getattr(analysis.totals, name) for name in FIGURES})


def _plain(spec: InputSpec) -> InputSpec:
    return InputSpec(spec.shape, spec.dtype, spec.name)


def growth_of(points: Sequence[ScalePoint]) -> GrowthRate | None:
    """The factor per doubling from the first valid point to the last; None for fewer than two.

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
