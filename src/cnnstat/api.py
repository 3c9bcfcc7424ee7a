"""The public functions: from models to results.

>>> import cnnstat
>>> cnnstat.analyze("nin")                     # a built-in network
>>> cnnstat.analyze(net, (1, 1, 28, 28))       # your own nn.Module; it is left untouched
>>> cnnstat.compare("nin", "alexnet")
>>> cnnstat.explain("alexnet", "conv1")        # the arithmetic of one layer
>>> cnnstat.verify("nin")                      # what other counters say, and why they differ
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from torch import nn

from .analysis.results import Analysis
from .choices import LaneName, Mode
from .comparison.compare import compare as compare_analyses
from .comparison.heads import classifier_of_run, classifier_of_saved
from .comparison.results import Classifier, Comparison
from .errors import ModelError, ShapeError, UsageError
from .inputs import InputSpec, as_input, format_shape
from .models.loaded import Recorded
from .models.saved import is_saved, read_analysis
from .pipeline import RunOptions, load_model, run_model
from .tracing.copies import meta_copy
from .verification.results import Verification

if TYPE_CHECKING:
    from .explanation.results import Explanation


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
    from .explanation.explainer import explain as explain_layer

    if is_saved(model):
        from .explanation.saved import explain_saved

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
    from .verification.counters import Question, absent, consult
    from .verification.differ import Run as Counted
    from .verification.differ import verify as explain

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
    return (analysis, classifier_of_saved(analysis)), shapes


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
    return (run.analysis, classifier_of_run(run)), (*loaded.inputs, *loaded.named_inputs.values())


def _listed(inputs: Sequence[Any]) -> str:
    return " and ".join(
        str(i) if isinstance(i, InputSpec) else format_shape(i.shape) for i in inputs
    )
