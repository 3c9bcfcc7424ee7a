"""From a request to a run: load the model, trace and analyse it, or diagnose its failure."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from msgspec import structs
from torch import Tensor

from .analysis.results import Analysis, Model, Tool
from .analysis.rollup import analyse
from .choices import Mode
from .errors import ModelError, UsageError
from .escaping import value_in_words
from .fast_meta import gc_paused
from .inputs import InputFunction, InputSpec
from .linting.notes import notes_of
from .models.built_in import ONLY_INPUT
from .models.input_functions import call_input_functions
from .models.load import load
from .models.loaded import Loaded, Recorded
from .models.model_inputs import implied_input, with_default_dtype, with_inputs_unpacked
from .models.objects import load_object
from .models.spec_resolution import resolve
from .models.zoo.catalog import CATALOG
from .public_calls import check_inputs_by_name
from .run_config import ModelRequest, RunConfig
from .trace.records import Trace
from .tracing.process.turns import one_at_a_time
from .tracing.run.lane_selection import trace_on_lanes
from .tracing.structure.modules import class_name
from .version import __version__

if TYPE_CHECKING:
    from .linting.results import Lint
    from .linting.settings import LintConfig


@dataclass(frozen=True)
class ModelRun:
    loaded: Loaded | Recorded
    mode: Mode
    trace: Trace
    analysis: Analysis

    def analyse(self, variant: Trace) -> Analysis:
        return analyse(variant, self.analysis.model, self.analysis.tool)


@one_at_a_time()
def load_model(request: ModelRequest) -> Loaded | Recorded:
    """Build the model of a request on `meta`, or copy it there.

    Raises:
        UsageError: the spec or an input cannot be understood, or an input is missing.
        ModelError: the model cannot be built; with a diagnosis where there is one.
    """
    is_typed = bool(request.inputs) and not request.is_parsed
    request = request.parsed()
    if isinstance(request.model, str) and request.model in CATALOG:
        named = {name: v for name, v in request.named_inputs.items() if name not in ONLY_INPUT}
        check_inputs_by_name(request.call, _of_built_in, named)
    loaded = _load(request)
    if isinstance(loaded, Loaded):
        check_inputs_by_name(request.call, loaded.model.forward, request.named_inputs)
        loaded = with_inputs_unpacked(loaded) if is_typed else loaded
    return with_default_dtype(loaded) if isinstance(loaded, Loaded) else loaded


def _of_built_in(input: Tensor) -> Tensor:
    """The forward of every built-in network."""
    raise NotImplementedError


def _load(request: ModelRequest) -> Loaded | Recorded:
    model, arguments = request.model, request.arguments
    positional, named = tuple(request.inputs), dict(request.named_inputs)
    if any(isinstance(value, InputFunction) for value in positional):
        positional, named = call_input_functions(positional, named)
    for value in (*positional, *named.values()):
        if isinstance(value, InputSpec) and value.symbols:
            raise UsageError(
                f"sizes are numbers here, not {value}",
                hint=f"cnnstat shapes MODEL --input {value}",
            )
    if isinstance(model, str):
        try:
            return load(model, positional, named, arguments)
        except ModelError as error:
            raise _diagnosed_unbuilt(error, request) from error
    return load_object(model, positional, named, arguments, request.call)


@one_at_a_time()
def run_model(loaded: Loaded | Recorded, config: RunConfig) -> ModelRun:
    if loaded.mode == "eval" and config.mode == "train":
        raise UsageError(
            f"{loaded.spec} was exported in eval mode: its graph has no other",
            hint="leave out --mode, or export it again in train mode",
        )
    config = replace(config, mode=loaded.mode or config.chosen_mode)
    if isinstance(loaded, Recorded):
        if config.lane is not None or config.training:
            option = "--training" if config.training else "--lane"
            raise UsageError(f"{loaded.spec} is a graph that is not run: it takes no {option}")
        recorded = loaded.trace
    else:
        try:
            recorded = trace_on_lanes(
                loaded.model, loaded.builders, loaded.inputs, loaded.named_inputs, config
            )
        except ModelError as error:
            if not config.diagnosed:
                raise
            raise _diagnosed(error, loaded, config.chosen_mode) from error
        recorded = replace(recorded, devices={**loaded.devices, **recorded.devices})
    model = model_of(loaded, recorded.model)
    with gc_paused():
        analysis = analyse(recorded, model, this_tool())
    if isinstance(loaded, Loaded) and loaded.notes:
        analysis = structs.replace(analysis, notes=(*loaded.notes, *analysis.notes))
    if config.diagnosed:
        notes = (*analysis.notes, *notes_of(loaded, recorded))
        analysis = structs.replace(analysis, notes=notes)
    return ModelRun(loaded, config.chosen_mode, recorded, analysis)


@one_at_a_time()
def lint_model(request: ModelRequest, config: LintConfig, known: Lint | None = None) -> Lint:
    """Check a model by the rules of `linting/`, without the findings that are known.

    Raises:
        ModelError: it cannot be built, or does not run in eval mode.
    """
    from .linting.linter import lint_loaded, without_known

    loaded = load_model(request)
    model = model_of(loaded, _class_of(loaded))
    try:
        result = lint_loaded(loaded, config, model, this_tool())
        return result if known is None else without_known(result, known)
    except ModelError as error:
        if isinstance(loaded, Recorded):
            raise
        raise _diagnosed(error, loaded, "eval") from error


def _class_of(loaded: Loaded | Recorded) -> str:
    return class_name(loaded.model) if isinstance(loaded, Loaded) else loaded.trace.model


def this_tool() -> Tool:
    return Tool(__version__, str(torch.__version__), platform.python_version())


def model_of(loaded: Loaded | Recorded, class_name: str) -> Model:
    return Model(
        spec=loaded.spec, source=loaded.source, class_name=class_name, arguments=loaded.arguments
    )


def _diagnosed_unbuilt(error: ModelError, request: ModelRequest) -> ModelError:
    """The error of a user-defined model that cannot be imported or built, with a diagnosis."""
    if error.phase not in ("import", "construction") or error.diagnosis is not None:
        return error
    from .diagnosis.diagnose import unbuilt

    inputs, named = tuple(request.inputs), dict(request.named_inputs)
    spec = resolve(request.model).spec
    loaded = unbuilt(spec, inputs, named, dict(request.arguments or {}))
    return _with_diagnosis(error, loaded, "eval", model_of(loaded, spec.rpartition(":")[2] or spec))


def _diagnosed(error: ModelError, loaded: Loaded, mode: Mode) -> ModelError:
    """The error with a diagnosis, as far as one can be made."""
    # Imported here: a model that runs needs none of it.
    from .diagnosis.diagnose import is_diagnosed

    if not is_diagnosed(error):
        return error
    return _with_diagnosis(error, loaded, mode, model_of(loaded, error.failure.trace.model))


def _with_diagnosis(error: ModelError, loaded: Loaded, mode: Mode, model: Model) -> ModelError:
    from .diagnosis.diagnose import diagnose, with_diagnosis

    try:
        found = diagnose(loaded, mode, error, model, this_tool())
    except Exception as fault:  # a fault of ours must not hide the model's error
        error.details = (*error.details, f"not diagnosed: {type(fault).__name__}: {fault}")
        return error
    diagnosed = with_diagnosis(error, found)
    if passed := _passed_as_it_is(loaded):
        diagnosed.details = (*diagnosed.details, passed)
        diagnosed.context = (*diagnosed.context, passed)
    return diagnosed


def _passed_as_it_is(loaded: Loaded) -> str | None:
    """That the first input is neither a tensor nor a shape, where the model fails on it."""
    value, *_ = loaded.inputs or (InputSpec(()),)
    plain = (str, bytes, list, tuple, set, int, float, Mapping, type(None))
    if not (isinstance(value, plain) or callable(value)):
        return None
    shape = implied_input(loaded.model).shape
    return f"forward gets {value_in_words(value)} as it is; a shape is {shape}"
