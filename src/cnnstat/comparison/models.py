"""Models → Comparison: each is run, or read, on one input."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from ..analysis.results import Analysis
from ..errors import ModelError, ShapeError
from ..inputs import InputSpec, as_input, format_shape
from ..models.saved import is_saved, read_analysis
from ..pipeline import load_model, run_model
from ..run_config import ModelRequest, RunConfig
from .compare import compare
from .heads import classifier_of_run, classifier_of_saved
from .results import Classifier, Comparison


def compare_models(
    models: Sequence[str | nn.Module],
    input: Any,
    config: RunConfig,
    arguments: Mapping[str, Any] | None,
) -> Comparison:
    """Compare models on `input`; None is the default input of the first."""
    inputs: tuple[Any, ...] = () if input is None else (as_input(input),)
    origin = "the given input"
    results: list[tuple[Analysis, Classifier | None]] = []
    for model in models:
        if is_saved(model):
            result, shapes = _saved_result(str(model), inputs, origin)
        else:
            result, shapes = _traced_result(model, inputs, origin, config, arguments)
        results.append(result)
        if not inputs:
            inputs, origin = shapes, f"the default input of {result[0].model.spec}"
    return compare([a for a, _ in results], [c for _, c in results])


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
    config: RunConfig,
    arguments: Mapping[str, Any] | None,
) -> _Result:
    call = "cnnstat.compare(…, input={})"
    loaded = load_model(ModelRequest(model, inputs, arguments=arguments, call=call))
    try:
        run = run_model(loaded, config)
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
