"""The public functions: from models to results.

>>> import cnnstat
>>> cnnstat.analyze("nin")                     # a built-in network
>>> cnnstat.analyze(net, (1, 1, 28, 28))       # your own nn.Module; it is left untouched
>>> cnnstat.compare("nin", "alexnet")
>>> cnnstat.explain("alexnet", "conv1")        # the arithmetic of one layer
>>> cnnstat.verify("nin")                      # what other counters say, and why they differ
"""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import torch
from msgspec import structs
from torch import Tensor, nn

from .analysis import classifier as classifiers
from .analysis.compare import compare as compare_analyses
from .analysis.diagnosis.batch import is_suspicious
from .analysis.records import (
    Analysis,
    Classifier,
    Comparison,
    Growth,
    Model,
    NinHead,
    Tool,
    Verification,
)
from .analysis.rollup import analyse
from .errors import ModelError, ShapeError, UsageError
from .shapes import InputSpec, as_input, format_shape
from .sources.construction import copies_of
from .sources.implied import implied_input
from .sources.load import load
from .sources.loaded import Loaded, Recorded
from .sources.saved import is_saved, read_analysis
from .tracing.attempts import LANES, LaneName, trace_on_lanes
from .tracing.copies import meta_copy
from .tracing.records import Trace
from .tracing.variants import resized, with_nin_head
from .version import __version__

if TYPE_CHECKING:
    from .analysis.explanation.records import Explanation

Mode = Literal["eval", "train"]
MODES = ("eval", "train")
_GROWTH = (1, 10 / 7, 2)  # of the input side: 224 → 320 → 448


def analyze(
    model: str | nn.Module,
    *inputs: Any,
    mode: Mode | None = None,
    training: bool = False,
    lane: LaneName | None = None,
    arguments: Mapping[str, Any] | None = None,
    **named_inputs: Any,
) -> Analysis:
    """Tell what a model is and costs on the given inputs. No weights are read or allocated.

    Args:
        model: a spec (`"nin"`, `"run.json"`) or an `nn.Module`, which is left untouched.
        inputs: positional inputs, each a shape `(1, 3, 224, 224)`, the text of an `--input`, or a
            tensor, whose data is not read. A spec without inputs runs on its default.
        mode: "eval" or "train"; without it "train" if `training` is set, else "eval".
        training: whether to count the backward pass too, as autograd runs it: for every parameter
            that requires a gradient, from all outputs of the model.
        lane: "meta", "fake" or "cpu", the one to run on; by default the first that the model runs
            on. On "cpu" it is executed, on made-up inputs where only their shapes are given.
        arguments: the model's constructor arguments, for a spec.
        named_inputs: inputs passed by keyword, likewise.

    Raises:
        UsageError: the spec or an input cannot be understood.
        ModelError: the model cannot be built or run; ShapeError if its shapes don't fit.
    """
    options = RunOptions(mode, lane, training)
    if is_saved(model):
        if inputs or named_inputs or arguments or training:
            raise UsageError(
                f"{model} is a saved analysis: it takes no input, no arguments and no training"
            )
        return read_analysis(str(model))
    return run_model(load_model(model, inputs, named_inputs, arguments), options).analysis


def explain(
    model: str | nn.Module,
    layer: str,
    *inputs: Any,
    mode: Mode = "eval",
    lane: LaneName | None = None,
    arguments: Mapping[str, Any] | None = None,
    **named_inputs: Any,
) -> Explanation:
    """Tell how the figures of one layer come about, with its numbers put into the formulas.

    `layer` is a path as `analyze` has it (`"features.0"`), `path#2` for the second call of one
    module, or the end of a path if no other ends so. Takes and raises what `analyze` does
    otherwise; a saved analysis tells what its figures suffice for.

    Raises:
        UsageError: no layer or several have the name.
        ModelError: the model has the layer and did not call it.
    """
    from .analysis.explanation.explainer import explain as explain_layer

    if is_saved(model):
        from .analysis.explanation.saved import explain_saved

        if mode != "eval" or lane is not None:
            raise UsageError(f"{model} is a saved analysis: it takes no mode and no lane")
        return explain_saved(analyze(model, *inputs, arguments=arguments, **named_inputs), layer)
    call = f"cnnstat.explain(model, {layer!r}, {{}})"
    loaded = load_model(model, inputs, named_inputs, arguments, call)
    run = run_model(loaded, RunOptions(mode, lane))
    return explain_layer(run.trace, run.analysis, layer)


def verify(
    model: str | nn.Module,
    *inputs: Any,
    mode: Mode = "eval",
    arguments: Mapping[str, Any] | None = None,
    **named_inputs: Any,
) -> Verification:
    """Count the model with other counters too, and explain every difference.

    fvcore, torchinfo and torch's FlopCounterMode are asked, and thop, ptflops, calflops and
    torchprofile where they are installed. Takes and raises what `analyze` does; a counter that
    fails on the model is part of the result.
    """
    # Not above: no other function needs them.
    from .analysis.verify import Run as Counted
    from .analysis.verify import verify as explain
    from .referees import Question, absent, consult

    options = RunOptions(mode, None)
    if is_saved(model):
        raise UsageError(f"{model} is a saved analysis: other counters need the model itself")
    loaded = load_model(model, inputs, named_inputs, arguments, "cnnstat.verify(model, {})")
    if isinstance(loaded, Recorded):
        raise UsageError(f"{model} is a graph: other counters need a PyTorch model")
    untouched = meta_copy(loaded.model)
    run = run_model(loaded, options)
    has_data, notes = run.trace.lane != "meta", []
    if has_data:  # all are to see the same values then
        notes.append(f"run on the CPU by all: {run.trace.lane_reason}")
        run = run_model(loaded, replace(options, lane="cpu"))
        assert loaded.builders.with_data is not None  # it was executed just now
        untouched = loaded.builders.with_data()
    needed = run.analysis.totals.peak_bytes
    given = (loaded.inputs, loaded.named_inputs)
    question = Question(untouched, *given, mode, needed, has_data)
    question.settle()
    counted = Counted(
        run.analysis, question.trace(composites=False), question.trace(composites=True)
    )
    if missing := absent():
        notes.append(f"not installed, so not asked: {', '.join(missing)}")
    return explain(counted, consult(question), notes)


def compare(
    *models: str | nn.Module,
    input: Any = None,
    mode: Mode | None = None,
    training: bool = False,
    lane: LaneName | None = None,
    arguments: Mapping[str, Any] | None = None,
) -> Comparison:
    """Tell how two or more models differ on one input, and why.

    Without `input`, all run on the default of the first. Raises what `analyze` raises.
    """
    if len(models) < 2:
        raise UsageError("compare takes two or more models", hint="cnnstat compare nin alexnet")
    options = RunOptions(mode, lane, training)
    inputs: tuple[Any, ...] = () if input is None else (as_input(input),)
    origin = "the given input"
    results: list[tuple[Analysis, Classifier | None]] = []
    for model in models:
        if is_saved(model):
            result, shapes = _saved_result(str(model), inputs, origin)
        else:
            result, shapes = _traced_result(model, inputs, origin, options, arguments)
        results.append(result)
        if not inputs:
            inputs, origin = shapes, f"the default input of {result[0].model.spec}"
    return compare_analyses([a for a, _ in results], [c for _, c in results])


_Result = tuple[tuple[Analysis, Classifier | None], tuple[Any, ...]]
"""A model of a comparison, and the inputs that it ran on."""


def _saved_result(path: str, inputs: tuple[Any, ...], origin: str) -> _Result:
    analysis = read_analysis(path)
    shapes = tuple(InputSpec(i.shape, i.dtype, i.name) for i in analysis.inputs)
    if inputs and [tuple(i.shape) for i in inputs] != [i.shape for i in shapes]:
        raise ModelError(
            f"{path} was made on {_listed(shapes)}, not on {_listed(inputs)}, {origin}",
            "the figures of a saved analysis hold for its own input",
        )
    return (analysis, _classifier_of_saved(analysis)), shapes


def _traced_result(
    model: str | nn.Module,
    inputs: tuple[Any, ...],
    origin: str,
    options: RunOptions,
    arguments: Mapping[str, Any] | None,
) -> _Result:
    loaded = load_model(model, inputs, {}, arguments, "cnnstat.compare(…, input={})")
    try:
        run = run_model(loaded, options)
    except ShapeError as error:
        told = ShapeError(
            f"{loaded.spec} does not run on {_listed(loaded.inputs)}, {origin}",
            error.message,
            *error.details,
            "all models of a comparison run on one input: --input names another",
        )
        told.diagnosis, told.further, told.failure = error.diagnosis, error.further, error.failure
        raise told from error
    return (run.analysis, _classifier(run)), (*loaded.inputs, *loaded.named_inputs.values())


def _listed(inputs: Sequence[Any]) -> str:
    return " and ".join(
        str(i) if isinstance(i, InputSpec) else format_shape(i.shape) for i in inputs
    )


@dataclass(frozen=True)
class RunOptions:
    """How to run; `mode` is None where it was left to the model and to `training`."""

    mode: Mode | None
    lane: LaneName | None
    training: bool = False
    diagnosed: bool = True  # whether a failure is to be explained

    def __post_init__(self) -> None:
        _check_choice("mode", self.mode, (None, *MODES))
        _check_choice("lane", self.lane, (None, *LANES))


def _check_choice(what: str, choice: str | None, known: Sequence[str | None]) -> None:
    if choice not in known:
        raise UsageError(f"unknown {what} {choice!r}", f"known: {', '.join(filter(None, known))}")


@dataclass(frozen=True)
class ModelRun:
    loaded: Loaded | Recorded
    mode: Mode
    trace: Trace
    analysis: Analysis

    def analyse(self, variant: Trace) -> Analysis:
        return analyse(variant, self.analysis.model, self.analysis.tool)


def load_model(
    model: str | nn.Module,
    inputs: Sequence[Any],
    named_inputs: Mapping[str, Any],
    arguments: Mapping[str, Any] | None,
    call: str = "cnnstat.analyze(model, {})",
) -> Loaded | Recorded:
    given = [as_input(value) for value in inputs]
    named = {name: as_input(value) for name, value in named_inputs.items()}
    named |= {i.name: i for i in given if isinstance(i, InputSpec) and i.name}
    positional = tuple(i for i in given if not (isinstance(i, InputSpec) and i.name))
    for value in (*positional, *named.values()):
        if isinstance(value, InputSpec) and value.letters:
            raise UsageError(f"sizes are numbers here, not {value}", hint="cnnstat.formulas")
    if isinstance(model, str):
        try:
            return load(model, positional, named, arguments)
        except ModelError as error:
            raise _diagnosed_unbuilt(error, model, positional, named, arguments) from error
    if not isinstance(model, nn.Module):
        raise UsageError(
            f"{getattr(model, '__name__', model)!r} is neither a name nor an nn.Module",
            *(["it is a class: make an object of it"] if isinstance(model, type) else []),
        )
    if isinstance(model, torch.jit.ScriptModule):
        raise ModelError("a TorchScript module cannot be copied without its data",
                         "analyse the nn.Module that it was made from")  # fmt: skip
    model = getattr(model, "_orig_mod", model)  # what torch.compile wraps
    if arguments:
        raise UsageError("arguments are for a model named by a spec; this one is built already")
    name = type(model).__name__
    if not positional and not named:
        raise UsageError(f"{name} needs an input", hint=call.format(implied_input(model).shape))
    return Loaded(name, "object", meta_copy(model), copies_of(model), positional, named)


def run_model(loaded: Loaded | Recorded, options: RunOptions) -> ModelRun:
    if loaded.mode == "eval" and options.mode == "train":
        raise UsageError(
            f"{loaded.spec} was exported in eval mode: its graph has no other",
            hint="leave out --mode, or export it again in train mode",
        )
    mode = loaded.mode or options.mode or ("train" if options.training else "eval")
    if isinstance(loaded, Recorded):
        if options.lane is not None or options.training:
            option = "--training" if options.training else "--lane"
            raise UsageError(f"{loaded.spec} is a graph that is not run: it takes no {option}")
        recorded = loaded.trace
    else:
        try:
            recorded = trace_on_lanes(
                loaded.model,
                loaded.builders,
                loaded.inputs,
                loaded.named_inputs,
                mode=mode,
                lane=options.lane,
                training=options.training,
            )
        except ModelError as error:
            if not options.diagnosed:
                raise
            raise _diagnosed(error, loaded, mode) from error
    model = _model_of(loaded, recorded.model)
    analysis = analyse(recorded, model, _tool())
    if options.diagnosed and isinstance(loaded, Loaded) and is_suspicious(recorded):
        from .diagnosing.batches import mixed_batch

        told = mixed_batch(loaded, mode, recorded)
        analysis = structs.replace(analysis, notes=(*analysis.notes, *told))
    return ModelRun(loaded, mode, recorded, analysis)


def _tool() -> Tool:
    return Tool(__version__, str(torch.__version__), platform.python_version())


def _model_of(loaded: Loaded | Recorded, class_name: str) -> Model:
    return Model(
        spec=loaded.spec, source=loaded.source, class_name=class_name, arguments=loaded.arguments
    )


def _diagnosed_unbuilt(
    error: ModelError,
    spec: str,
    inputs: tuple[Any, ...],
    named: dict[str, Any],
    arguments: Mapping[str, Any] | None,
) -> ModelError:
    if not error.while_building or ":" not in spec:
        return error
    from .diagnosing import diagnose, unbuilt, with_diagnosis

    loaded = unbuilt(spec, inputs, named, dict(arguments or {}))
    found = diagnose(loaded, "eval", None, _model_of(loaded, spec.rpartition(":")[2]), _tool())
    return error if found is None else with_diagnosis(error, found)


def _diagnosed(error: ModelError, loaded: Loaded, mode: Mode) -> ModelError:
    """The failure of a run with what it means and what would mend it, as far as that is told."""
    # Not above: a model that works needs none of it.
    from .diagnosing import diagnose, is_diagnosed, with_diagnosis

    if not is_diagnosed(error):
        return error
    model = _model_of(loaded, error.failure.trace.model)
    try:
        found = diagnose(loaded, mode, error.failure, model, _tool())
    except Exception as fault:  # ours; what failed is to be told all the same
        error.details = (*error.details, f"not diagnosed: {type(fault).__name__}: {fault}")
        return error
    return error if found is None else with_diagnosis(error, found)


def _classifier_of_saved(analysis: Analysis) -> Classifier | None:
    site = classifiers.find_site(analysis)
    if site is None:
        return None
    linears = classifiers.linears_of(analysis, site)
    reason = "read from a file: there is no model to trace variants of"
    return classifiers.classifier_of(linears, None, (), reason)


def _classifier(run: ModelRun) -> Classifier | None:
    """What the linear layers at the end cost, beside traced variants without them and larger."""
    site = classifiers.find_site(run.analysis)
    if site is None:
        return None
    linears = classifiers.linears_of(run.analysis, site)
    if isinstance(run.loaded, Recorded):
        reason = "a graph that is not run: there is no model to trace variants of"
        return classifiers.classifier_of(linears, None, (), reason)
    if site.features is None:
        return classifiers.classifier_of(linears, None, (), "no feature map stands before them")
    reasons = []
    head: NinHead | None = None
    growth: tuple[Growth, ...] = ()
    inputs = run.loaded.inputs, run.loaded.named_inputs
    try:
        variant = with_nin_head(
            run.loaded.model, inputs, run.mode, site.features, linears[-1].out_features
        )
        head = classifiers.head_of(run.analysis, run.analyse(variant), site.features)
    except ModelError as error:
        reasons.append(f"no NiN head: {error.message}")
    try:
        growth = tuple(_grown(run, run.loaded, linears[0].path, factor) for factor in _GROWTH)
    except ModelError as error:
        reasons.append(f"not traced at larger inputs: {error.message}")
    return classifiers.classifier_of(linears, head, growth, "; ".join(reasons) or None)


def _grown(run: ModelRun, loaded: Loaded, linear: str, factor: float) -> Growth:
    inputs = [_scaled(value, factor) for value in loaded.inputs]
    named = {name: _scaled(value, factor) for name, value in loaded.named_inputs.items()}
    variant = resized(loaded.model, (inputs, named), run.mode, linear)
    return classifiers.growth_of(run.analyse(variant), linear)


def _scaled(value: Any, factor: float) -> InputSpec:
    if not isinstance(value, InputSpec | Tensor) or len(value.shape) < 3:
        raise ModelError("the input is no image")
    batch, channels, *sides = value.shape
    dtype = str(value.dtype).removeprefix("torch.")
    return InputSpec((batch, channels, *(round(side * factor) for side in sides)), dtype)
