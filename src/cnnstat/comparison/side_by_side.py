"""Models → Comparison: each is run, or read from a file, on the same input."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from ..analysis.results import Analysis
from ..analysis.stages import align, stages_of
from ..call_arguments import parse_shape
from ..errors import ModelError, ShapeError
from ..inputs import InputSpec, format_shape
from ..models.saved import is_saved, read_analysis
from ..pipeline import load_model, run_model
from ..run_config import ModelRequest, RunConfig
from ..tracing.process.isolation import process_preserved
from ..units import format_ratio, format_share, quotient
from .classifier import classifier_of_run, classifier_of_saved
from .results import Classifier, Comparison, Figure, RoleFigures, Unit


def compare_models(
    models: Sequence[Any],
    input: Any,
    config: RunConfig,
    arguments: Mapping[str, Any] | None,
    failures: list[ModelError] | None = None,
) -> Comparison:
    """Compare models on `input`; None is the default input of the first.

    With a list of `failures`, models that do not run are left out, as long as two are left.
    """
    inputs: tuple[Any, ...] = () if input is None else (parse_shape(input),)
    origin = "the given input"
    results: list[tuple[Analysis, Classifier | None]] = []
    for model in models:
        try:
            if isinstance(model, Analysis) or is_saved(model):
                result, shapes = _finished_result(model, inputs, origin)
            else:
                result, shapes = _traced_result(model, inputs, origin, config, arguments)
        except ModelError as error:
            if failures is None:
                raise
            failures.append(error)
            continue
        results.append(result)
        if not inputs:
            inputs, origin = shapes, f"the default input of {result[0].model.spec}"
    if failures and len(results) < 2:
        raise failures[0]
    return compare([a for a, _ in results], [c for _, c in results])


_Result = tuple[tuple[Analysis, Classifier | None], tuple[Any, ...]]
"""The analysis and the classifier of a model, and the inputs it ran on."""


def _finished_result(model: Analysis | str, inputs: tuple[Any, ...], origin: str) -> _Result:
    """That of an analysis, or of a file that has one."""
    analysis = model if isinstance(model, Analysis) else read_analysis(model)
    name = analysis.model.spec if isinstance(model, Analysis) else model
    shapes = tuple(InputSpec(i.shape, i.dtype, i.name) for i in analysis.inputs)
    if inputs and [tuple(getattr(i, "shape", ())) for i in inputs] != [i.shape for i in shapes]:
        raise ModelError(
            f"{name} was made on {_shapes_text(shapes)}, not on {_shapes_text(inputs)}, {origin}",
            "the figures of an analysis hold for its own input",
        )
    return (analysis, classifier_of_saved(analysis)), shapes


@process_preserved()  # what the file of one model sets is not for the next
def _traced_result(
    model: str | nn.Module,
    inputs: tuple[Any, ...],
    origin: str,
    config: RunConfig,
    arguments: Mapping[str, Any] | None,
) -> _Result:
    call = "cnnstat.compare(…, input={})"
    loaded = load_model(ModelRequest(model, inputs, arguments=arguments, call=call))
    try:
        run = run_model(loaded, config)
    except ShapeError as error:
        what = f"{loaded.spec} does not run on {_shapes_text(loaded.inputs)}, {origin}"
        why = "all models of a comparison run on one input: --input names another"
        failed = ShapeError(what, error.message, *error.details, why)
        failed.context = (what, why)
        failed.diagnosis, failed.further = error.diagnosis, error.further
        failed.failure = error.failure
        raise failed from error
    return (run.analysis, classifier_of_run(run)), (*loaded.inputs, *loaded.named_inputs.values())


def _shapes_text(inputs: Sequence[Any]) -> str:
    return " and ".join(format_shape(i.shape) if isinstance(i, Tensor) else str(i) for i in inputs)


_FIGURES: tuple[tuple[str, Unit, str], ...] = (
    ("Parameters", "count", "params"),
    ("MACs", "count", "macs"),
    ("Backward MACs", "count", "backward_macs"),
    ("Training MACs", "count", "training_macs"),
    ("Other operations", "count", "other_ops"),
    ("Parameter memory", "bytes", "param_bytes"),
    ("Activation memory", "bytes", "activation_bytes"),
    ("Peak memory", "bytes", "peak_bytes"),
    ("Depth, in layers", "layers", "depth"),
)


def compare(analyses: Sequence[Analysis], classifiers: Sequence[Classifier | None]) -> Comparison:
    """Compare analyses; ratios are relative to the first model."""
    names = _names(analyses)
    by_role = _by_role(analyses)
    return Comparison(
        tool=analyses[0].tool,
        names=names,
        summary=_summary(names, analyses, by_role),
        totals=_totals(analyses),
        by_role=by_role,
        stages=align([stages_of(analysis.layers) for analysis in analyses]),
        classifiers=tuple(classifiers),
        analyses=tuple(analyses),
    )


def _names(analyses: Sequence[Analysis]) -> tuple[str, ...]:
    """The specs; models with the same spec are numbered."""
    counts: Counter[str] = Counter()
    names = []
    for analysis in analyses:
        spec = analysis.model.spec
        counts[spec] += 1
        names.append(spec if counts[spec] == 1 else f"{spec} ({counts[spec]})")
    return tuple(names)


def _totals(analyses: Sequence[Analysis]) -> tuple[Figure, ...]:
    rows = [
        (name, unit, [getattr(analysis.totals, field) for analysis in analyses])
        for name, unit, field in _FIGURES
    ]
    figures = [_figure(*row) for row in rows if row[2] != [None] * len(analyses)]
    fields = [analysis.totals.receptive_field for analysis in analyses]
    figures.append(_figure("Receptive field, px", "pixels", [f[0] if f else None for f in fields]))
    return tuple(figures)


def _figure(name: str, unit: Unit, values: list[float | None]) -> Figure:
    first = values[0]
    ratios = tuple(quotient(v, first) if v is not None and first else None for v in values)
    return Figure(name, unit, tuple(values), ratios)


def _by_role(analyses: Sequence[Analysis]) -> tuple[RoleFigures, ...]:
    """The roles, sorted by their parameters in all models together, largest first."""
    weight: Counter[str] = Counter()
    for analysis in analyses:
        for role, tally in analysis.by_role.items():
            weight[role] += tally.params
    return tuple(_role(role, analyses) for role, _ in weight.most_common())


def _role(role: str, analyses: Sequence[Analysis]) -> RoleFigures:
    tallies = [analysis.by_role.get(role) for analysis in analyses]
    params = tuple(tally.params if tally else 0 for tally in tallies)
    macs = tuple(tally.macs if tally else 0 for tally in tallies)
    totals = [analysis.totals for analysis in analyses]
    return RoleFigures(
        role,
        params,
        tuple(p / max(1, t.params) for p, t in zip(params, totals, strict=True)),
        macs,
        tuple(m / max(1, t.macs) for m, t in zip(macs, totals, strict=True)),
    )


def _summary(
    names: Sequence[str], analyses: Sequence[Analysis], by_role: Sequence[RoleFigures]
) -> tuple[str, ...]:
    """Sentences: the smallest and the largest model, and the role that differs most."""
    params = [analysis.totals.params for analysis in analyses]
    small, large = params.index(min(params)), params.index(max(params))
    if params[small] == params[large]:
        return (
            f"{_listed(names)} have {params[0]:,} parameters each.",
            *(_equal(names, analyses) or _work(names, analyses)),
        )
    smallest, largest = names[small], names[large]
    lead = f"Of {len(names)} models, {smallest} is the smallest: it" if len(names) > 2 else smallest
    factor = f", {_times(params[large], params[small])} as many" if params[small] else ""
    role = max(by_role, key=lambda figures: figures.params[large] - figures.params[small])
    part = (role.params[large] - role.params[small]) / (params[large] - params[small])
    share = f"{format_share(part)} of the difference is" if part <= 1 else "The difference is"
    return (
        f"{lead} has {params[small]:,} parameters, {largest} has {params[large]:,}{factor}.",
        f"{share} {_NOUNS.get(role.role, role.role)} layers: {largest} holds "
        f"{role.params[large]:,} parameters in them ({format_share(role.params_share[large])}), "
        f"{smallest} {f'{role.params[small]:,}' if role.params[small] else 'none'}.",
    )


def _equal(names: Sequence[str], analyses: Sequence[Analysis]) -> tuple[str, ...]:
    """Sentences for models whose layers are all equal, as those of a model named twice are."""
    first = analyses[0]
    if any(other.layers != first.layers for other in analyses[1:]):
        return ()
    spec = first.model.spec
    versions = f"cnnstat shapes {spec} --arg NAME=VALUE --output a.json"
    is_one = {analysis.model.spec for analysis in analyses} == {spec}
    return (
        "They are the same in every layer.",
        *([f"To compare versions of {spec}, save one: {versions}"] if is_one else []),
    )


def _work(names: Sequence[str], analyses: Sequence[Analysis]) -> tuple[str, ...]:
    """The difference in MACs of models with equal parameters."""
    macs = [analysis.totals.macs for analysis in analyses]
    least, most = macs.index(min(macs)), macs.index(max(macs))
    if macs[least] == macs[most] or not macs[least]:
        return ()
    return (f"{names[most]} does {_times(macs[most], macs[least])} the MACs of {names[least]}.",)


def _times(a: int, b: int) -> str:
    return f"{format_ratio(quotient(a, b)).rstrip('×')} times"


_NOUNS = {"conv": "convolution", "linear": "fully connected", "norm": "normalisation"}


def _listed(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"
