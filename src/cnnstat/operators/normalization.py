"""Normalisations, with fvcore's factors, so that its totals can be explained from ours.

Per element: batch norm in eval mode is one affine map (2; 1 without learnt parameters); a norm
that computes its statistics takes 5 (4 without).
"""

from __future__ import annotations

from ..trace.records import Op, TensorSpec
from .registry import Cost, rule


@rule("aten.native_batch_norm")  # (x, weight, bias, mean, var, training, momentum, eps)
def native_batch_norm(op: Op) -> Cost:
    return _norm(op, statistics=bool(op.args[5]))


@rule("aten.cudnn_batch_norm", "aten.miopen_batch_norm", "aten._batch_norm_with_update")
def batch_norm_training(op: Op) -> Cost:
    return _norm(op, statistics=True)


@rule("aten._native_batch_norm_legit")  # (x, weight, bias, [mean, var,] training, momentum, eps)
def native_batch_norm_legit(op: Op) -> Cost:
    return _norm(op, statistics=op.overload == "no_stats" or bool(op.args[5]))


@rule("aten._native_batch_norm_legit_no_training", "aten._batch_norm_no_update")
def native_batch_norm_no_training(op: Op) -> Cost:
    return _norm(op, statistics=False)


@rule("aten.native_group_norm")
def native_group_norm(op: Op) -> Cost:
    return _norm(op, statistics=True)


@rule("aten.native_layer_norm", "aten._fused_rms_norm")  # (x, shape, weight, …)
def native_layer_norm(op: Op) -> Cost:
    return _norm(op, statistics=True, weight=2)


def _norm(op: Op, statistics: bool, weight: int = 1) -> Cost:
    affine = isinstance(op.args[weight], TensorSpec)
    return Cost(0, op.args[0].numel * ((4 if statistics else 1) + affine))
