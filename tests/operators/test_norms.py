"""Norms and reductions as typed views, over the argument orders of their many operators."""

import pytest
import torch
from torch import nn

import cnnstat
from cnnstat.diagnosis.mismatch import mismatch_of
from cnnstat.diagnosis.replay import replayed
from cnnstat.operators.normalization import BatchNorm, LayerNorm, Norm
from cnnstat.operators.reductions import Reduction
from cnnstat.operators.registry import view_of
from cnnstat.operators.shape_rules import Misfit, Unknown
from cnnstat.trace.records import Failure, Op, TensorSpec, Trace


def spec(*shape: int, value: int = 0) -> TensorSpec:
    return TensorSpec(value, shape, "float32", 4)


X, C = spec(2, 6, 4, 4), spec(6, value=1)
OUT = spec(2, 6, 4, 4, value=2)


def op(name, *args, out=(OUT,), overload="default", **kwargs) -> Op:
    return Op(f"aten.{name}", overload, args, kwargs, tuple(out), 0, 0)


BATCH = (X, C, C, C, C)
NORMS = [  # operator, whether it has a weight, whether it computes its statistics
    (op("native_batch_norm", *BATCH, False, 0.1, 1e-5), True, False),
    (op("native_batch_norm", *BATCH, True, 0.1, 1e-5), True, True),
    (op("native_batch_norm", X, None, None, C, C, False, 0.1, 1e-5), False, False),
    (op("native_batch_norm", X, weight=C, bias=C, training=True), True, True),
    (op("batch_norm", *BATCH, True, 0.1, 1e-5, True), True, True),
    (op("instance_norm", X, C, C, None, None, True, 0.1, 1e-5, True), True, True),
    (op("cudnn_batch_norm", *BATCH, False, 0.1, 1e-5), True, True),
    (op("_batch_norm_with_update", *BATCH, 0.1, 1e-5), True, True),
    (op("_batch_norm_no_update", *BATCH, 0.1, 1e-5), True, False),
    (op("_native_batch_norm_legit", *BATCH, False, 0.1, 1e-5), True, False),
    (op("_native_batch_norm_legit", X, C, C, True, 0.1, 1e-5, overload="no_stats"), True, True),
    (op("_native_batch_norm_legit_no_training", *BATCH, 0.1, 1e-5), True, False),
    (op("native_group_norm", X, C, C, 2, 6, 16, 3, 1e-5), True, True),
    (op("group_norm", X, 3, C, C, 1e-5, True), True, True),
    (op("group_norm", X, 3), False, True),
    (op("native_layer_norm", X, (4,), spec(4), spec(4), 1e-5), True, True),
    (op("layer_norm", X, (4,)), False, True),
    (op("_fused_rms_norm", X, (4,), spec(4), None), True, True),
    (op("rms_norm", X, (4, 4), None, 1e-5), False, True),
]
ids = [f"{row[0].name}-{n}" for n, row in enumerate(NORMS)]


@pytest.mark.parametrize(("op", "weight", "statistics"), NORMS, ids=ids)
def test_a_norm_says_what_it_has(op, weight, statistics) -> None:
    norm = view_of(op)
    assert isinstance(norm, Norm)
    assert (norm.x, norm.weight is not None, norm.statistics) == (X, weight, statistics)
    assert norm.cost().other_ops == 2 * 6 * 16 * ((4 if statistics else 1) + weight)
    assert norm.shapes(lambda tensor: tensor.shape) == [OUT.shape]


@pytest.mark.parametrize(("op", "weight", "statistics"), NORMS, ids=ids)
def test_a_norm_refuses_what_it_was_not_made_for(op, weight, statistics) -> None:
    norm = view_of(op)
    larger = {X: (2, 7, 5, 5)}
    if not norm.parameters and not isinstance(norm, LayerNorm):
        assert norm.shapes(lambda tensor: larger.get(tensor, tensor.shape)) == [(2, 7, 5, 5)]
        return
    with pytest.raises(Misfit):
        norm.shapes(lambda tensor: larger.get(tensor, tensor.shape))


def test_fixed_statistics_are_not_written() -> None:
    outputs = (OUT, C, C)
    fixed, computed = (
        view_of(op("native_batch_norm", *BATCH, training, 0.1, 1e-5, out=outputs))
        for training in (False, True)
    )
    assert isinstance(fixed, BatchNorm)
    assert isinstance(computed, BatchNorm)
    assert (fixed.writes, computed.writes) == ((OUT,), None)


def test_a_changed_layer_normalizes_other_sizes() -> None:
    norm = view_of(op("native_layer_norm", X, (4,), spec(4), spec(4), 1e-5))
    assert norm.changed({"normalized_shape": (5,)}).shapes(lambda _: (2, 6, 4, 5)) == [(2, 6, 4, 5)]
    with pytest.raises(Misfit):
        norm.changed({"normalized_shape": (5,)}).shapes(lambda tensor: tensor.shape)


def test_the_norm_of_a_weight_is_no_norm_of_channels() -> None:
    """It was replayed as one, and refused weights that fit."""
    v, g = spec(8, 6, 3, 3), spec(8, 1, 1, 1, value=1)
    weight_norm = op("_weight_norm_interface", v, g, 0, out=(spec(8, 6, 3, 3), spec(8)))
    with pytest.raises(Unknown):
        replayed(weight_norm, lambda tensor: tensor.shape, None)


@pytest.mark.parametrize(
    ("layer", "shape", "kind", "pair"),
    [
        (nn.BatchNorm2d(6), (2, 5, 4, 4), "channels", (6, 5)),
        (nn.GroupNorm(3, 6), (2, 9, 4, 4), "channels", (6, 9)),
    ],
)
def test_a_norm_of_other_channels(layer, shape, kind, pair) -> None:
    with pytest.raises(cnnstat.ShapeError) as raised:
        cnnstat.analyze(nn.Sequential(layer), shape)
    mismatch = mismatch_of(raised.value.failure)
    assert (mismatch.kind, (mismatch.expected, mismatch.actual)) == (kind, pair)


def test_elementwise_operators_that_are_refused_do_not_fit_by_broadcasting() -> None:
    a, b = spec(2, 3), spec(2, 4, value=1)
    trace = Trace("", "eval", "meta", (), 0, (), (), {}, ())
    for name in ("add", "add_", "lerp", "eq", "copy_", "atan2"):
        refused = op(name, a, b, out=())
        failure = Failure(trace, (), refused, "RuntimeError", "", (), False, "shapes")
        assert mismatch_of(failure).kind == "broadcast", name


x = torch.empty(2, 6, 4, 5)
REDUCTIONS = [
    ((), {}, ()),
    (((2, 3),), {}, (2, 6)),
    (((-1, -2), True), {}, (2, 6, 1, 1)),
    (((),), {}, ()),
    ((), {"dim": (1,), "keepdim": True}, (2, 1, 4, 5)),
    ((0,), {}, (6, 4, 5)),
]


@pytest.mark.parametrize(("args", "kwargs", "shape"), REDUCTIONS, ids=str)
@pytest.mark.parametrize("name", ["mean", "sum", "amax", "amin"])
def test_reductions_are_as_in_torch(name, args, kwargs, shape) -> None:
    reduction = view_of(op(name, spec(*x.shape), *args, out=(spec(*shape),), **kwargs))
    assert isinstance(reduction, Reduction)
    assert tuple(getattr(torch, name)(x, *args, **kwargs).shape) == shape
    assert reduction.shapes(lambda tensor: tensor.shape) == [shape]
    assert reduction.cost().other_ops == x.numel()


def test_an_adaptive_pooling_to_one_may_be_changed_to_another_size() -> None:
    mean = view_of(op("mean", spec(*x.shape), (-1, -2), True, out=(spec(2, 6, 1, 1),)))
    assert mean.changed({"output_size": 3}).shapes(lambda tensor: tensor.shape) == [(2, 6, 3, 3)]
    assert mean.changed({"output_size": (3, 2)}).shapes(lambda t: t.shape) == [(2, 6, 3, 2)]
