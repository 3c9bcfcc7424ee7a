"""What views do to axes, and which taps and positions kernels use, against real execution."""

from __future__ import annotations

from itertools import product
from math import prod

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import conv1d

from cnnstat.linting.axes import changes_order, cuts_across, keeps_together, suffix_products
from cnnstat.linting.taps import live_taps, positions_read, share_on_padding
from cnnstat.operators.shape_rules import Window


def rows_that_a_view_divides(old: tuple[int, ...], new: tuple[int, ...], behind: int) -> bool:
    """Whether elements of one run of `behind` are in several runs of the same size of `new`."""
    ids = torch.arange(prod(old)).div(behind, rounding_mode="floor").view(new)
    for axis in range(1, len(new) + 1):
        runs = ids.reshape(-1, prod(new[axis:]))
        if prod(new[axis:]) < behind:  # a run of the view lies within one of the old
            if any(len(row.unique()) > 1 for row in runs):
                return True
        elif any((ids == number).view(runs.shape).any(1).sum() > 1 for number in ids.unique()):
            return True
    return False


@pytest.mark.parametrize(
    ("old", "new", "cut"),
    [
        ((2, 3136, 96), (2, 96, 56, 56), True),
        ((2, 49, 3, 4, 8), (2, 49, 96), False),
        ((2, 4, 15, 6), (2, 15, 24), True),
        ((2, 64), (2, 4, 4, 4), False),
        ((2, 3, 32, 32), (2, 32, 32, 3), True),
        ((6, 5, 7), (30, 7), False),
        ((11, 18, 7, 7), (11, 147, 6), True),
        ((8, 1, 5), (8, 5), False),
    ],
)
def test_views_that_cut_across_axes(old: tuple[int, ...], new: tuple[int, ...], cut: bool) -> None:
    assert cuts_across(old, new) is cut
    assert any(rows_that_a_view_divides(old, new, n) for n in suffix_products(old)) is cut


sizes = st.lists(st.sampled_from([1, 2, 3, 4, 5, 7]), min_size=1, max_size=4).map(tuple)


@given(sizes, st.data())
def test_merging_and_splitting_never_cuts(shape: tuple[int, ...], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(shape)))
    merged = (*shape[:at], prod(shape[at : at + 2]), *shape[at + 2 :])
    assert not cuts_across(shape, merged)
    assert not cuts_across(merged, shape)
    assert keeps_together(prod(shape[1:]), shape)


def test_an_empty_view_cuts_nothing() -> None:
    assert not cuts_across((0, 3), (3, 0))


def test_sizes_in_another_order() -> None:
    assert changes_order((2, 16, 4), (2, 4, 16))
    assert not changes_order((2, 1, 16), (2, 16, 1))  # nothing moves
    assert not changes_order((2, 16, 4), (2, 8, 8))


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize(("padding", "dilation"), [(0, 1), (1, 1), (2, 2), (5, 5), (7, 7), (3, 1)])
@pytest.mark.parametrize("kernel", [1, 3, 4])
def test_taps_and_positions_as_gradients_have_them(
    kernel: int, padding: int, dilation: int, stride: int
) -> None:
    size = 9
    if size + 2 * padding < dilation * (kernel - 1) + 1:
        pytest.skip("the kernel does not fit")
    x = torch.ones(1, 1, size, requires_grad=True)
    weight = torch.ones(1, 1, kernel, requires_grad=True)
    y = conv1d(x, weight, stride=stride, padding=padding, dilation=dilation)
    y.sum().backward()
    assert x.grad is not None
    assert weight.grad is not None
    out = y.shape[-1]
    live = int((weight.grad != 0).sum())
    assert live_taps(size, out, kernel, stride, padding, dilation) == live
    window = Window((kernel,), (stride,), (padding,), (dilation,))
    assert positions_read(window, (size,), (out,)) == [set(x.grad[0, 0].nonzero()[:, 0].tolist())]
    assert share_on_padding(window, (size,), (out,)) * kernel == kernel - live


def test_the_share_of_a_dilated_kernel() -> None:
    window = Window((3, 3), (1, 1), (36, 36), (36, 36))
    assert share_on_padding(window, (33, 33), (33, 33)) * 9 == 8
    assert [share_on_padding(window, s, s) == 0 for s in product((37,), (37, 36))] == [True, False]
