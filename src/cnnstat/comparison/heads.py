"""What the linear layers at the end of a model cost, beside traced variants of the model."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ..analysis.results import Analysis
from ..errors import ModelError
from ..inputs import InputSpec
from ..models.loaded import Loaded, Recorded
from ..pipeline import ModelRun
from . import classifier as classifiers
from .results import Classifier, Growth, NinHead
from .variants import resized, with_nin_head

_GROWTH = (1, 10 / 7, 2)  # of the input side: 224 → 320 → 448


def classifier_of_saved(analysis: Analysis) -> Classifier | None:
    site = classifiers.find_site(analysis)
    if site is None:
        return None
    linears = classifiers.linears_of(analysis, site)
    reason = "read from a file: there is no model to trace variants of"
    return classifiers.classifier_of(linears, None, (), reason)


def classifier_of_run(run: ModelRun) -> Classifier | None:
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
