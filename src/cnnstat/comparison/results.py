"""The result of `compare`."""

from __future__ import annotations

from typing import Literal

from ..analysis.results import Analysis, Stage, Tool
from ..results import Record, Result, Shape

Unit = Literal["count", "bytes", "pixels", "layers"]


class Figure(Record, frozen=True):
    """One figure of each model. `ratios` are relative to the first model."""

    name: str
    unit: Unit
    values: tuple[int | float | None, ...]
    ratios: tuple[float | None, ...]


class RoleFigures(Record, frozen=True):
    """The parameters and MACs of one role in each model; shares are fractions of the total."""

    role: str
    params: tuple[int, ...]
    params_share: tuple[float, ...]
    macs: tuple[int, ...]
    macs_share: tuple[float, ...]


class Linear(Record, frozen=True):
    """A fully connected layer; `share` is its fraction of the parameters of the model."""

    path: str
    in_features: int
    out_features: int
    params: int
    param_bytes: int
    share: float


class Growth(Record, frozen=True):
    """The model traced at another input size, with its first linear layer resized to fit."""

    input: Shape
    in_features: int
    linear_params: int
    conv_params: int
    total_params: int


class NinHead(Record, frozen=True):
    """The same features with a 1×1 convolution to the classes and global average pooling."""

    features: Shape
    head_params: int
    params: int
    macs: int
    param_bytes: int
    peak_bytes: int


class Classifier(Record, frozen=True):
    """The linear layers at the end of a model, and the costs of alternatives.

    `head` is None and `growth` empty if they could not be traced; `reason` says why.
    """

    linears: tuple[Linear, ...]
    params: int
    share: float
    head: NinHead | None
    growth: tuple[Growth, ...]
    reason: str | None


class Comparison(Result, frozen=True, kw_only=True):
    """The differences between models on one input.

    `classifiers` has None for models that do not end in linear layers.
    """

    kind: Literal["comparison"] = "comparison"
    tool: Tool
    names: tuple[str, ...]
    summary: tuple[str, ...]
    totals: tuple[Figure, ...]
    by_role: tuple[RoleFigures, ...]
    stages: tuple[tuple[Stage | None, ...], ...]
    classifiers: tuple[Classifier | None, ...]
    analyses: tuple[Analysis, ...]
