"""Functions of `torch.linalg`, `fft`, `special` and of boxes are counted, or named with a reason.

A new release of torch may have more of them: the test of completeness then names what to add.
"""

from __future__ import annotations

import pytest
import torch

import cnnstat
from cnnstat.models.torchvision_import import torchvision
from tests.networks import Function

ROWS = torch.rand(4, 4, generator=torch.Generator().manual_seed(0)) / 2 + 0.1
MATRIX = ROWS @ ROWS.T + torch.eye(4)  # symmetric and positive

# how to call a function on 4×4 matrices, where one matrix is not enough
CALLS = {
    "linalg": {
        "cross": lambda f, x: f(x[:3, :3], x[1:, :3]),
        "householder_product": lambda f, x: f(x, x[0]),
        "ldl_solve": lambda f, x: f(*torch.linalg.ldl_factor(x), x),
        "lstsq": lambda f, x: f(x, x),
        "lu_solve": lambda f, x: f(*torch.linalg.lu_factor(x), x),
        "matmul": lambda f, x: f(x, x),
        "matrix_power": lambda f, x: f(x, 3),
        "multi_dot": lambda f, x: f([x, x, x]),
        "solve": lambda f, x: f(x, x),
        "solve_ex": lambda f, x: f(x, x),
        "solve_triangular": lambda f, x: f(x, x, upper=True),
        "tensorinv": lambda f, x: f(x.view(4, 2, 2), ind=1),
        "tensorsolve": lambda f, x: f(x.view(2, 2, 4), x[0].view(2, 2)),
        "vander": lambda f, x: f(x[0]),
        "vecdot": lambda f, x: f(x, x),
    },
    "fft": {
        "fftfreq": lambda f, x: f(4, device=x.device),
        "rfftfreq": lambda f, x: f(4, device=x.device),
        **dict.fromkeys(
            ("hfft", "hfft2", "hfftn", "irfft", "irfft2", "irfftn"),
            lambda f, x: f(x.to(torch.complex64)),
        ),
    },
    "special": {
        "polygamma": lambda f, x: f(1, x),
        "multigammaln": lambda f, x: f(x + 2, 2),
        "logsumexp": lambda f, x: f(x, 1),
        "softmax": lambda f, x: f(x, 1),
        "log_softmax": lambda f, x: f(x, 1),
        **dict.fromkeys(
            ("gammainc", "gammaincc", "xlogy", "xlog1py", "zeta"), lambda f, x: f(x, x + 1)
        ),
    },
}  # fmt: skip
ON_TWO = "polynomial"  # special functions of a degree and a position
NEED_VALUES = {"linalg.lstsq"}
LOWER_BOUNDS = {"linalg.matrix_exp"}


def names_in(namespace):
    module = getattr(torch, namespace)
    return sorted(
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and callable(value) and not isinstance(value, type)
    )


WALKED = [(space, name) for space in CALLS for name in names_in(space) if name != "common_args"]


def call_of(space, name):
    function = getattr(getattr(torch, space), name)
    call = CALLS[space].get(name)
    if call is not None:
        return lambda x: call(function, x)
    return (lambda x: function(x, x)) if ON_TWO in name else function


CREATORS = ["bartlett_window", "blackman_window", "hamming_window", "hann_window",
            "kaiser_window", "arange", "eye", "ones", "empty"]  # fmt: skip


@pytest.mark.parametrize("name", CREATORS)
def test_a_function_that_makes_a_tensor_is_free(name):
    analysis = cnnstat.analyze(
        Function(lambda x: x[0, 0] * getattr(torch, name)(8, device=x.device)), MATRIX
    )
    assert analysis.totals.uncounted == {}


BOXES = torch.tensor([[0.0, 0, 4, 4], [1, 1, 5, 6], [2, 2, 8, 8]])
OF_BOXES = {
    "box_area": lambda f, b: f(b),
    "clip_boxes_to_image": lambda f, b: f(b, (8, 8)),
    "box_convert": lambda f, b: f(b, "xyxy", "cxcywh"),
    "remove_small_boxes": lambda f, b: f(b, 1.0),
    "masks_to_boxes": lambda f, b: f((b > 1).float().expand(2, 3, 4)),
    "sigmoid_focal_loss": lambda f, b: f(b, b),
    "nms": lambda f, b: f(b, b[:, 0], 0.5),
    **dict.fromkeys(
        ("box_iou", "generalized_box_iou", "distance_box_iou", "complete_box_iou",
         "generalized_box_iou_loss", "distance_box_iou_loss", "complete_box_iou_loss"),
        lambda f, b: f(b, b),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", OF_BOXES)
def test_a_function_of_boxes(name):
    function, call = getattr(torchvision().ops, name), OF_BOXES[name]
    analysis = cnnstat.analyze(Function(lambda b: call(function, b)), BOXES)
    assert (analysis.totals.uncounted, analysis.lane) == ({}, "meta")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("space", "name"), WALKED, ids=[f"{s}.{n}" for s, n in WALKED])
def test_a_function(space, name):
    full = f"{space}.{name}"
    analysis = cnnstat.analyze(Function(call_of(space, name)), MATRIX)
    assert bool(analysis.totals.uncounted) == (full in LOWER_BOUNDS), analysis.totals.uncounted
    assert analysis.lane == ("cpu" if full in NEED_VALUES else "meta")
