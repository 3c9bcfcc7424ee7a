"""The linear layers at the end of a network: their cost, and the cost of alternatives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, Literal

from torch import Tensor

from ..analysis.results import Analysis, Layer
from ..errors import ModelError
from ..inputs import InputSpec
from ..models.loaded import Loaded, Recorded
from ..pipeline import ModelRun
from .results import Classifier, Growth, Linear, NinHead
from .variants import resized, with_nin_head

_PASSED_OVER = ("activation", "dropout", "norm", "shape", "pool", "other", "join")


@dataclass(frozen=True, slots=True)
class Site:
    """The linear layers of a classifier, and the layer whose output is the last feature map."""

    linears: tuple[Layer, ...]
    features: Layer | None


def find_site(analysis: Analysis) -> Site | None:
    """Find the classifier; None if the model does not end in linear layers."""
    layers = analysis.layers
    linears: list[Layer] = []
    features: Layer | None = None
    for index in range(len(layers) - 1, -1, -1):
        layer = layers[index]
        is_container = index + 1 < len(layers) and layers[index + 1].depth > layer.depth
        if is_container or not layer.outputs:
            continue
        if len(layer.outputs[0]) > 3 and prod(layer.outputs[0][2:]) > 1:
            features = layer
            break
        if layer.role == "linear" and layer.inputs and layer.inputs[0] and layer.outputs[0]:
            linears.append(layer)
        elif layer.role not in _PASSED_OVER:
            break
    if not linears:
        return None
    return Site(tuple(reversed(linears)), features)


def linears_of(analysis: Analysis, site: Site) -> tuple[Linear, ...]:
    return tuple(_linear(layer, analysis) for layer in site.linears)


def _linear(layer: Layer, analysis: Analysis) -> Linear:
    return Linear(
        path=layer.path,
        in_features=layer.inputs[0][-1],
        out_features=layer.outputs[0][-1],
        params=layer.params,
        param_bytes=layer.param_bytes,
        share=layer.params / max(1, analysis.totals.params),
    )


def head_of(analysis: Analysis, variant: Analysis, features: Layer) -> NinHead:
    """The cost of the variant with a NiN head, the module `head`.

    The variant still contains the classifier, which no longer runs: parameters that only the
    original uses are subtracted.
    """
    head = next(layer for layer in variant.layers if layer.path == "head")
    replaced = _used(analysis, "params") + head.total.params - _used(variant, "params")
    replaced_bytes = (
        _used(analysis, "param_bytes")
        + sum(layer.param_bytes for layer in variant.layers if layer.path.startswith("head"))
        - _used(variant, "param_bytes")
    )
    return NinHead(
        features=features.outputs[0][1:],
        head_params=head.total.params,
        params=variant.totals.params - replaced,
        macs=variant.totals.macs,
        param_bytes=variant.totals.param_bytes - replaced_bytes,
        peak_bytes=variant.totals.peak_bytes - replaced_bytes,
    )


def _used(analysis: Analysis, figure: Literal["params", "param_bytes"]) -> int:
    """The part of the model's parameters that its rows contain."""
    return sum(getattr(layer, figure) for layer in analysis.layers)


def growth_of(variant: Analysis, first: str) -> Growth:
    """The figures of the variant; `first` is the path of its first linear layer."""
    layer = next(layer for layer in variant.layers if layer.path == first)
    by_role = variant.by_role
    return Growth(
        input=variant.inputs[0].shape,
        in_features=layer.inputs[0][-1],
        linear_params=by_role["linear"].params,
        conv_params=by_role["conv"].params if "conv" in by_role else 0,
        total_params=variant.totals.params,
    )


def classifier_of(
    linears: tuple[Linear, ...],
    head: NinHead | None,
    growth: Sequence[Growth],
    reason: str | None,
) -> Classifier:
    return Classifier(
        linears,
        sum(linear.params for linear in linears),
        sum(linear.share for linear in linears),
        head,
        tuple(growth),
        reason,
    )


_GROWTH = (1, 10 / 7, 2)  # of the input side: 224 → 320 → 448


def classifier_of_saved(analysis: Analysis) -> Classifier | None:
    site = find_site(analysis)
    if site is None:
        return None
    linears = linears_of(analysis, site)
    reason = "read from a file: there is no model to trace variants of"
    return classifier_of(linears, None, (), reason)


def classifier_of_run(run: ModelRun) -> Classifier | None:
    """The linear layers at the end, and traced variants: a NiN head, larger inputs."""
    site = find_site(run.analysis)
    if site is None:
        return None
    linears = linears_of(run.analysis, site)
    if isinstance(run.loaded, Recorded):
        reason = "a graph that is not run: there is no model to trace variants of"
        return classifier_of(linears, None, (), reason)
    if site.features is None:
        return classifier_of(linears, None, (), "no feature map stands before them")
    reasons = []
    head: NinHead | None = None
    growth: tuple[Growth, ...] = ()
    inputs = run.loaded.inputs, run.loaded.named_inputs
    try:
        variant = with_nin_head(
            run.loaded.model, inputs, run.mode, site.features, linears[-1].out_features
        )
        head = head_of(run.analysis, run.analyse(variant), site.features)
    except ModelError as error:
        reasons.append(f"no NiN head: {error.message}")
    try:
        growth = tuple(_grown(run, run.loaded, linears[0].path, factor) for factor in _GROWTH)
    except ModelError as error:
        reasons.append(f"not traced at larger inputs: {error.message}")
    return classifier_of(linears, head, growth, "; ".join(reasons) or None)


def _grown(run: ModelRun, loaded: Loaded, linear: str, factor: float) -> Growth:
    inputs = [_scaled(value, factor) for value in loaded.inputs]
    named = {name: _scaled(value, factor) for name, value in loaded.named_inputs.items()}
    variant = resized(loaded.model, (inputs, named), run.mode, linear)
    return growth_of(run.analyse(variant), linear)


def _scaled(value: Any, factor: float) -> InputSpec:
    if not isinstance(value, InputSpec | Tensor) or len(value.shape) < 3:
        raise ModelError("the input is no image")
    batch, channels, *sides = value.shape
    dtype = str(value.dtype).removeprefix("torch.")
    return InputSpec((batch, channels, *(round(side * factor) for side in sides)), dtype)
