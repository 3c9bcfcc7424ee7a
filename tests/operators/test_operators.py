"""What is known of an operator: its arguments by name, the sizes it makes, what it depends on."""

from __future__ import annotations

import itertools
import re
from fractions import Fraction
from pathlib import Path

import pytest
import torch

from cnnstat.analysis.receptive_field import field_after, field_of_input
from cnnstat.operators import convolution, costs, pooling, registry
from cnnstat.operators.convolution import CONVOLUTIONS, Convolution, convolved
from cnnstat.operators.costs import Cost
from cnnstat.operators.describe import config_of, window_of
from cnnstat.operators.pooling import AdaptivePool, Pool, pooled
from cnnstat.operators.reach import ENTIRE_INPUT
from cnnstat.operators.registry import cost_of, view_of
from cnnstat.operators.shape_rules import Misfit, Window
from cnnstat.trace.records import Call, Module, Op, TensorSpec

assert costs  # registers the operators
SOURCE = Path(__file__).parent.parent.parent / "src" / "cnnstat"


def tensor(*shape: int, value: int = 0) -> TensorSpec:
    return TensorSpec(value, shape, "float32", 4)


def record(name: str, *args: object, out: TensorSpec) -> Op:
    return Op(f"aten.{name}", "default", args, {}, (out,), 0, 0)


def names_in_torch(name: str) -> list[str]:
    (schema, *_) = [getattr(getattr(torch.ops.aten, name), overload)._schema
                    for overload in ("default", "")
                    if hasattr(getattr(torch.ops.aten, name), overload)]  # fmt: skip
    return [argument.name for argument in schema.arguments]


# The order of arguments is torch's


@pytest.mark.parametrize("name", sorted(convolution._ORDERS))
def test_convolutions_have_the_argument_order_of_torch(name):
    order = convolution._ORDERS[name].split()
    assert names_in_torch(name.removeprefix("aten."))[: len(order)] == order


@pytest.mark.parametrize("name", sorted(pooling._ORDERS))
def test_pools_have_the_argument_order_of_torch(name):
    order = [argument for _, argument in pooling._ORDERS[name][1]]
    assert names_in_torch(name.removeprefix("aten."))[1 : len(order) + 1] == order


X, WEIGHT = tensor(2, 4, 20, 21), tensor(6, 4, 3, 5, value=1)
GEOMETRY = ((2, 3), (1, 2), (2, 1))  # stride, padding, dilation
STRIDE, PADDING, DILATION = GEOMETRY
PLAIN = Window((3, 5), STRIDE, PADDING, (1, 1))
DILATED = Window((3, 5), *GEOMETRY)
OUT = tensor(2, 6, 9, 7)
CONV = (X, WEIGHT)
ON_BACKENDS = [
    ("convolution", (*CONV, None, *GEOMETRY, False, (0, 0), 1), DILATED),
    ("_convolution", (*CONV, None, *GEOMETRY, False, (0, 0), 1, False, False, True, True), DILATED),
    ("convolution_overrideable", (*CONV, None, *GEOMETRY, False, (0, 0), 1), DILATED),
    ("cudnn_convolution", (*CONV, PADDING, STRIDE, DILATION, 1, False, False, True), DILATED),
    ("mkldnn_convolution", (*CONV, None, PADDING, STRIDE, DILATION, 1), DILATED),
    ("thnn_conv2d", (*CONV, (3, 5), None, STRIDE, PADDING), PLAIN),
    ("_slow_conv2d_forward", (*CONV, (3, 5), None, STRIDE, PADDING), PLAIN),
    ("slow_conv_dilated2d", (*CONV, (3, 5), None, *GEOMETRY), DILATED),
    ("_conv_depthwise2d", (tensor(2, 6, 20, 21), tensor(6, 1, 3, 5), (3, 5), None, *GEOMETRY),
     DILATED),
    ("slow_conv_transpose2d",
     (tensor(2, 6, 9, 7), WEIGHT, (3, 5), None, STRIDE, PADDING, (0, 0), DILATION), DILATED),
    ("cudnn_convolution_transpose",
     (tensor(2, 6, 9, 7), WEIGHT, PADDING, (0, 0), STRIDE, DILATION, 1, False, False, True),
     DILATED),
]  # fmt: skip


@pytest.mark.parametrize(("name", "args", "window"), ON_BACKENDS, ids=lambda value: str(value)[:28])
def test_convolutions_of_every_backend_have_a_window_and_a_receptive_field(name, args, window):
    op = record(name, *args, out=OUT)
    assert window_of([op]) == window
    common = Convolution.of(op)
    plain = record("convolution", *common.args, out=OUT)
    assert Convolution.of(plain) == common
    assert common.groups == (6 if "depthwise" in name else 1)
    start = field_of_input(args[0], (2, 3))
    field = field_after(op, {0: start}, OUT)
    assert field.reason is None
    assert field == field_after(plain, {0: start}, OUT)
    if "transpose" not in name:
        assert field.size == tuple(
            (k - 1) * d + 1 for k, d in zip(window.kernel, window.dilation, strict=True)
        )


def test_a_convolution_of_a_backend_is_described_and_explained_like_others():
    module = Module("a", "Conv2d", "Conv2d", {})
    call = Call(0, None, 0, "a", 0, "module", "Conv2d", module, (X,), (OUT,), 0)
    op = record("_conv_depthwise2d", tensor(2, 6, 20, 21), tensor(6, 1, 3, 5), (3, 5), None,
                *GEOMETRY, out=OUT)  # fmt: skip
    assert config_of(call, [op]) == "3×5/2×3 dilated 2×1 depthwise"


POOL = (tensor(1, 4, 9, 9), (3, 3), (2, 2), (1, 1), (1, 1), False)
POOLED = tensor(1, 4, 5, 5)


@pytest.mark.parametrize("name", ["max_pool2d", "max_pool2d_with_indices", "mkldnn_max_pool2d"])
def test_pools_of_every_backend_have_a_window_and_a_receptive_field(name):
    op = record(name, *POOL, out=POOLED)
    assert window_of([op]) == Window((3, 3), (2, 2), (1, 1), (1, 1))
    assert Pool.of(op).args == POOL
    field = field_after(op, {0: field_of_input(POOL[0], (2, 3))}, POOLED)
    assert (field.size, field.stride) == ((3, 3), (2, 2))
    assert cost_of(op) == Cost(0, 4 * 5 * 5 * 9)


@pytest.mark.parametrize("name", ["max_pool3d", "max_pool3d_with_indices", "mkldnn_max_pool3d"])
def test_pools_of_three_dimensions_are_counted(name):
    op = record(name, tensor(1, 2, 8, 8, 8), (2,), (), (0,), (1,), False, out=tensor(1, 2, 4, 4, 4))
    assert cost_of(op) == Cost(0, 2 * 4 * 4 * 4 * 8)
    assert window_of([op]) == Window((2,) * 3, (2,) * 3, (0,) * 3, (1,) * 3)


def test_an_adaptive_pool_of_either_kind_is_a_pool_where_the_sizes_divide():
    x, start = tensor(1, 4, 8, 9), field_of_input(tensor(1, 4, 8, 9), (2, 3))
    for name in ("_adaptive_avg_pool2d", "adaptive_max_pool2d", "mkldnn_adaptive_avg_pool2d"):
        whole = record(name, x, (1, 1), out=tensor(1, 4, 1, 1))
        assert field_after(whole, {0: start}, whole.outputs[0]).reason == ENTIRE_INPUT
        parts = record(name, x, (4, 3), out=tensor(1, 4, 4, 3))
        field = field_after(parts, {0: start}, parts.outputs[0])
        assert (field.size, field.stride) == ((2, 3), (2, 3))
        assert AdaptivePool.of(parts).as_window == Window((2, 3), (2, 3), (0, 0), (1, 1))
        uneven = record(name, x, (3, 3), out=tensor(1, 4, 3, 3))
        assert AdaptivePool.of(uneven).as_window is None
        # rows 0–2, 2–5 and 5–7: the largest window
        assert field_after(uneven, {0: start}, uneven.outputs[0]).size == (4, 3)
        assert cost_of(uneven) == Cost(0, 4 * (3 + 4 + 3) * 9)


def test_a_pool_of_one_axis_that_runs_as_one_of_two_is_changed_along_its_own():
    x = tensor(2, 4, 1, 30)  # what MaxPool1d(3) and AdaptiveAvgPool1d(5) run on
    op = record("max_pool2d_with_indices", x, (1, 3), (1, 3), (0, 0), (1, 1), False,
                out=tensor(2, 4, 1, 10))  # fmt: skip
    settings = {"kernel_size": 4, "stride": None, "padding": 2, "dilation": 1}
    changed = Pool.of(op).changed(settings)
    assert changed.window == Window((1, 4), (1, 4), (0, 2), (1, 1))
    assert changed.shapes(lambda spec: spec.shape) == [(2, 4, 1, 8)]  # ⌊(30 + 4 − 4) / 4⌋ + 1
    op = record("_adaptive_avg_pool2d", x, (1, 5), out=tensor(2, 4, 1, 5))
    changed = AdaptivePool.of(op).changed({"output_size": 3})
    assert changed.shapes(lambda spec: spec.shape) == [(2, 4, 1, 3)]
    square = Pool.of(record("max_pool2d", *POOL, out=POOLED))
    assert square.changed({**settings, "stride": (2, 1)}).window == Window(
        (4, 4), (2, 1), (2, 2), (1, 1)
    )


def test_the_gradients_of_a_convolution_read_what_they_need():
    dy, x, weight = tensor(2, 6, 9, 9), tensor(2, 4, 9, 9, value=1), tensor(6, 4, 1, 1, value=2)
    geometry = ((1, 1), (0, 0), (1, 1), False, (0, 0), 1)
    for name, sizes in (
        ("convolution_backward", [(6,)]),
        ("convolution_backward_overrideable", []),
    ):
        for mask, read in (
            ((True, True, True), (dy, x, weight)),
            ((True, False, False), (dy, weight)),
            ((False, True, False), (dy, x)),
            ((False, False, True), (dy,)),
        ):
            view = view_of(record(name, dy, x, weight, *sizes, *geometry, mask, out=x))
            assert view is not None
            assert view.reads == read
            products = 2 * 81 * 6 * 4
            assert view.cost() == Cost(products * (mask[0] + mask[1]), dy.numel * mask[2])


# The sizes are torch's


SIDES, KERNELS, STRIDES, PADDINGS, DILATIONS = (1, 2, 5, 6, 9), (1, 2, 3), (1, 2, 3), (0, 1), (1, 2)
GRID = list(itertools.product(SIDES, KERNELS, STRIDES, PADDINGS, DILATIONS))


def shape_of(function, *args, **options) -> tuple[int, ...] | None:
    try:
        return tuple(function(*args, **options).shape)
    except RuntimeError:
        return None


def fits(function, *args) -> tuple[int, ...] | None:
    try:
        return function(*args)
    except Misfit:
        return None


@pytest.mark.parametrize("ceil_mode", [False, True])
def test_pools_have_the_sizes_of_torch(ceil_mode):
    for n, k, s, p, d in GRID:
        x = torch.zeros(1, 2, n)
        theirs = shape_of(torch.max_pool1d, x, k, s, p, d, ceil_mode)
        assert fits(pooled, x.shape, (k,), (s,), (p,), (d,), ceil_mode) == theirs, (n, k, s, p, d)


@pytest.mark.parametrize("beyond", [0, 1, 2])
@pytest.mark.parametrize("transposed", [False, True])
def test_convolutions_have_the_sizes_of_torch(transposed, beyond):
    for n, k, s, p, d in GRID:
        x, weight, bias = torch.zeros(1, 2, n), torch.zeros(2, 1, k), torch.zeros(2)
        geometry = ([s], [p], [d], transposed, [beyond if transposed else 0], 2)
        theirs = shape_of(torch.convolution, x, weight, bias, *geometry)
        ours = fits(convolved, x.shape, weight.shape, bias.shape, *geometry)
        # on the CPU torch lets a transposed one make an empty tensor
        assert ours == (None if theirs is None or 0 in theirs else theirs), (n, k, s, p, d)


def test_operands_that_torch_refuses_are_a_misfit():
    good = ((1, 4, 9), (6, 2, 3), (6,), (1,), (0,), (1,), False, (0,), 2)
    assert convolved(*good) == (1, 6, 7)
    for place, value in ((0, (1, 5, 9)), (0, (4, 9)), (1, (5, 2, 3)), (2, (5,)), (3, (0,)),
                         (4, (-1,)), (5, (0,)), (8, 0), (0, (1, 4, 2))):  # fmt: skip
        with pytest.raises(Misfit):
            convolved(*good[:place], value, *good[place + 1 :])


def test_padding_behind_that_is_not_that_in_front():
    x, pads = (1, 4, 9), ((2,), (0,), (1,))  # stride, padding, dilation
    # ⌊(9 + 0 + 1 − 3) / 2⌋ + 1
    assert convolved(x, (6, 4, 3), None, *pads, False, (0,), 1, (1,)) == (1, 6, 4)
    assert pooled((1, 4, 8), (3,), *pads, False, (1,)) == (1, 4, 4)
    # (9 − 1)·2 + 3 − 0 − 1
    assert convolved(x, (4, 6, 3), None, *pads, True, (0,), 1, (1,)) == (1, 6, 18)


def test_a_padding_that_is_given_once_is_that_of_all_axes():
    """As `padding="valid"` leaves it in the record."""
    op = record("convolution", tensor(1, 3, 9, 9), tensor(8, 3, 3, 3), None, (1, 1), (0,), (1, 1),
                False, (0, 0), 1, out=tensor(1, 8, 7, 7))  # fmt: skip
    assert window_of([op]) == Window((3, 3), (1, 1), (0, 0), (1, 1))


def test_a_transposed_convolution_between_strides_sees_one_input():
    op = record("convolution", tensor(1, 4, 8), tensor(4, 2, 2), None, (2,), (0,), (1,), True, (0,),
                1, out=tensor(1, 2, 16))  # fmt: skip
    field = field_after(op, {0: field_of_input(tensor(1, 4, 8), (2,))}, op.outputs[0])
    assert (field.size, field.stride) == ((1,), (float(Fraction(1, 2)),))


# Nobody else reads these arguments


def test_the_dimensions_of_a_pool_are_not_read_out_of_its_name():
    for file in SOURCE.rglob("*.py"):
        assert not re.search(r"split\(['\"]pool", file.read_text(encoding="utf-8")), file


def test_what_has_a_window_is_registered_with_its_trait():
    for name in (*CONVOLUTIONS, *pooling._ORDERS):
        assert registry.Trait.WINDOW in registry.traits_of(name)
