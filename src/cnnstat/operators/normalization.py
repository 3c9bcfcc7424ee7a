"""Normalisations: y = w · (x − mean) · r + b, over a batch, channels or the last axes.

Operations per element follow fvcore's factors, so that its totals can be explained: batch norm in
eval mode is one affine map (2; 1 without learnt parameters); a norm that computes its statistics
takes 5 (4 without).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Self

from msgspec import structs

from ..results import Shape
from ..trace.records import Op, TensorSpec
from .costs import Cost, per_element
from .field_algebra import combined, union
from .field_rules import joint_field
from .reach import Field
from .registry import ShapeOf, Trait, View, operator
from .shape_rules import Misfit


class Norm(View, frozen=True):
    """`statistics`: whether they are computed from `x`, rather than arguments."""

    x: TensorSpec
    weight: TensorSpec | None
    bias: TensorSpec | None
    outputs: tuple[TensorSpec, ...]
    statistics: bool = True

    def cost(self) -> Cost:
        each = (4 if self.statistics else 1) + (self.weight is not None)
        return per_element(self.x, each)

    @property
    def parameters(self) -> tuple[TensorSpec, ...]:
        """The operands other than `x`, running statistics included."""
        return _present(self.weight, self.bias)

    def shapes(self, shape: ShapeOf) -> list[Shape]:
        x = shape(self.x)
        self.check(x, shape)
        return [x if out.shape == self.x.shape else out.shape for out in self.outputs] or [x]

    def check(self, x: Shape, shape: ShapeOf) -> None:
        """Raise Misfit if the parameters do not fit an input of this shape."""
        raise NotImplementedError

    def field(self, x: Field, out: TensorSpec, fields: Mapping[int, Field]) -> Field | None:
        """An affine map, after the statistics of what is normalised if they are computed."""
        dims = self.normalized_dims(len(x.dims))
        if dims and any(x.is_along(dim) for dim in dims):
            return union(x, combined(x, dims))
        return joint_field((self.x, *self.parameters), out, fields)

    def normalized_dims(self, rank: int) -> Collection[int]:
        """The dimensions over which statistics are computed at inference."""
        return ()


class ChannelNorm(Norm, frozen=True):
    """A norm with one parameter per channel, the second axis."""

    def check(self, x: Shape, shape: ShapeOf) -> None:
        if any(shape(parameter) != (x[1],) for parameter in self.parameters):
            raise Misfit


_BATCH = ("input", "weight", "bias", "running_mean", "running_var")
# Whether statistics are computed is an argument, or follows from the operator.
_BY_ARGUMENT = {
    "aten.native_batch_norm": "training", "aten.batch_norm": "training",
    "aten._native_batch_norm_legit": "training", "aten.instance_norm": "use_input_stats",
}  # fmt: skip
_IN_TRAINING = ("aten.cudnn_batch_norm", "aten.miopen_batch_norm", "aten._batch_norm_with_update")
_IN_EVAL = ("aten._native_batch_norm_legit_no_training", "aten._batch_norm_no_update")


@operator(*_BY_ARGUMENT, *_IN_TRAINING, *_IN_EVAL, traits=Trait.NORM)
class BatchNorm(ChannelNorm, frozen=True):
    """Over the batch and all positions; with `statistics` in training."""

    mean: TensorSpec | None = None
    var: TensorSpec | None = None

    @classmethod
    def of(cls, op: Op) -> Self:
        if op.overload == "no_stats":  # (input, weight, bias, training, momentum, eps)
            x, weight, bias = _first(op, _BATCH[:3])
            return cls(x, weight, bias, op.outputs)
        x, weight, bias, mean, var = _first(op, _BATCH)
        name = _BY_ARGUMENT.get(op.name)
        statistics = op.name in _IN_TRAINING if name is None else bool(op.arg(5, name))
        return cls(x, weight, bias, op.outputs, statistics, mean, var)

    @property
    def parameters(self) -> tuple[TensorSpec, ...]:
        return _present(self.weight, self.bias, self.mean, self.var)

    def normalized_dims(self, rank: int) -> Collection[int]:
        # In training running statistics are kept for inference, which uses them.
        return {0, *range(2, rank)} if self.statistics and self.mean is None else ()

    @property
    def writes(self) -> tuple[TensorSpec, ...] | None:
        # fixed statistics are not saved for the backward pass
        return None if self.statistics else self.outputs[:1]


_GROUPS = {
    "aten.native_group_norm": ("input", "weight", "bias"),
    "aten.group_norm": ("input", "num_groups", "weight", "bias"),
}


@operator(*_GROUPS, traits=Trait.NORM)
class GroupNorm(ChannelNorm, frozen=True):
    """Over the positions and channels of a group, for each example."""

    groups: int = 1

    @classmethod
    def of(cls, op: Op) -> Self:
        if op.name == "aten.group_norm":
            x, groups, weight, bias = _first(op, _GROUPS[op.name])
        else:
            x, weight, bias = _first(op, _GROUPS[op.name])
            groups = op.arg(6, "group")
        return cls(x, weight, bias, op.outputs, groups=groups)

    def normalized_dims(self, rank: int) -> Collection[int]:
        return range(1, rank)


_LAYER_NORMS = ("aten.native_layer_norm", "aten.layer_norm")
_RMS_NORMS = ("aten._fused_rms_norm", "aten.rms_norm")


@operator(*_LAYER_NORMS, *_RMS_NORMS, traits=Trait.NORM)
class LayerNorm(Norm, frozen=True):
    """Over the last axes, of `normalized` sizes. An RMS norm has no bias and no mean."""

    normalized: Shape = ()
    has_mean: bool = True

    @classmethod
    def of(cls, op: Op) -> Self:
        x, normalized, weight = _first(op, ("input", "normalized_shape", "weight"))
        bias = None if op.name in _RMS_NORMS else op.arg(3, "bias")
        return cls(x, weight, bias, op.outputs, normalized=tuple(normalized),
                   has_mean=op.name not in _RMS_NORMS)  # fmt: skip

    def changed(self, settings: Mapping[str, Any]) -> Self:
        size = settings.get("normalized_shape", self.normalized)
        return structs.replace(self, normalized=size if isinstance(size, tuple) else (size,))

    def normalized_dims(self, rank: int) -> Collection[int]:
        return range(max(0, rank - len(self.normalized)), rank)

    def check(self, x: Shape, shape: ShapeOf) -> None:
        if x[max(0, len(x) - len(self.normalized)) :] != self.normalized:
            raise Misfit


def _first(op: Op, names: Sequence[str]) -> Sequence[Any]:
    """The first arguments, by these names where they were not passed by position."""
    if len(op.args) >= len(names):
        return op.args[: len(names)]
    return [op.arg(place, name) for place, name in enumerate(names)]


def _present(*tensors: TensorSpec | None) -> tuple[TensorSpec, ...]:
    return tuple(tensor for tensor in tensors if tensor is not None)
