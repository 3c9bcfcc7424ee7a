"""The linear layers that a network ends in: where they are and what they cost.

Which variants of them to trace is decided here; the tracing itself needs torch and is done in
`comparison/variants.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Literal

from ..analysis.results import Analysis, Layer
from .results import Classifier, Growth, Linear, NinHead

_PASSED_OVER = ("activation", "dropout", "norm", "shape", "pool", "other", "join")


@dataclass(frozen=True, slots=True)
class Site:
    """The linear layers of a classifier, and the layer that makes the last feature map."""

    linears: tuple[Layer, ...]
    features: Layer | None


def find_site(analysis: Analysis) -> Site | None:
    """The site, or None for a model that does not end in linear layers."""
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
        if layer.role == "linear":
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
    """What the variant with a NiN head costs; its head is the module `head`.

    The variant still carries the classifier that it no longer runs: parameters that the original
    used and the variant does not are no part of it.
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
    """The part of the model's parameters that stands in its rows."""
    return sum(getattr(layer, figure) for layer in analysis.layers)


def growth_of(variant: Analysis, first: str) -> Growth:
    """The variant's figures, `first` being the path of its first linear layer."""
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
