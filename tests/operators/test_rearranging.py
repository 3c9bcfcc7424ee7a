"""Operators that rearrange: what their views say of shapes is what torch makes of other sizes."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from cnnstat.inputs import InputSpec
from cnnstat.operators import costs  # noqa: F401  registers all operators
from cnnstat.operators.joins import Cat, concatenated, stacked
from cnnstat.operators.parts import Pad, Select, Slice, Split, padded
from cnnstat.operators.registry import DEFINITIONS, Trait, view_of
from cnnstat.operators.shape_rules import Misfit, Unknown
from cnnstat.operators.views import Permute, Reshape, Squeeze, Unsqueeze, expanded, reshaped
from cnnstat.trace.records import Op, TensorSpec
from cnnstat.tracing.run.trace import trace
from tests.networks import Function


def recorded(function, *shapes):
    return trace(Function(function), tuple(InputSpec(shape) for shape in shapes))


def replayed(record, shapes):
    """The shapes of the outputs of the run if its inputs had these shapes, by views alone."""
    known = {item.tensor.value: shape for item, shape in zip(record.inputs, shapes, strict=True)}
    for op in record.ops:
        view = view_of(op)
        assert view is not None, op.name
        found = view.shapes(lambda spec: known.get(spec.value, spec.shape))
        known.update(zip((out.value for out in op.outputs), found, strict=True))
    return [known[tensor.value] for tensor in record.calls[0].outputs]


FOLLOWED = [  # (function, the shapes it was recorded with, others)
    (lambda x: x.view(-1, 12), [(2, 3, 4)], [(4, 6, 5)]),
    (lambda x: x.flatten(1), [(2, 3, 4)], [(5, 6, 7)]),
    (lambda x: x.view(2, 2, -1, 4), [(2, 6, 4)], [(2, 8, 4)]),
    # the last of those that were split takes what is left over
    (lambda x: x.view(2, 2, x.shape[1] // 2, 4), [(2, 6, 4)], [(2, 8, 4)]),
    (lambda x: x.permute(0, -1, 1, 2), [(2, 3, 4, 5)], [(6, 7, 8, 9)]),
    (lambda x: x.transpose(-1, -2), [(2, 3, 4)], [(5, 6, 7)]),
    (lambda x: x.t(), [(2, 3)], [(4, 5)]),
    (lambda x: x.t(), [(2,)], [(4,)]),
    (lambda x: x.unsqueeze(-1).unsqueeze(0), [(2, 3)], [(4, 5)]),
    (lambda x: x.squeeze(1), [(2, 1, 3)], [(4, 1, 5)]),
    (lambda x: x.squeeze((0, -1)), [(1, 2, 1)], [(1, 3, 1)]),
    (lambda x: x.squeeze(), [(1, 2, 1)], [(1, 3, 1)]),
    (lambda x: x[:, -1], [(2, 3, 4)], [(5, 6, 7)]),
    (lambda x: x[:, :, 1:3], [(2, 3, 4)], [(5, 6, 4)]),
    (lambda x: torch.ops.aten.slice(x, 1, 0, 9), [(2, 3, 4)], [(5, 6, 7)]),
    (lambda x: x.split(2, 1), [(2, 5, 3)], [(4, 5, 6)]),
    (lambda x: x.split([1, 4], -2), [(2, 5, 3)], [(4, 5, 6)]),
    (lambda x: x.chunk(2, 1), [(2, 5, 3)], [(4, 5, 6)]),
    (lambda x, y: torch.cat([x, y], 1), [(2, 3, 4), (2, 5, 4)], [(6, 1, 2), (6, 2, 2)]),
    (lambda x, y: torch.cat([x, y], -1), [(2, 3), (2, 5)], [(4, 1), (4, 2)]),
    (lambda x, y: torch.stack([x, y], -1), [(2, 3), (2, 3)], [(4, 5), (4, 5)]),
    (lambda x: F.interpolate(x, scale_factor=1.5), [(1, 3, 5)], [(2, 4, 9)]),
    (lambda x: F.interpolate(x, scale_factor=(2, 0.5), mode="bilinear"),
     [(1, 3, 5, 6)], [(2, 3, 7, 9)]),
]  # fmt: skip


@pytest.mark.parametrize(("function", "before", "after"), FOLLOWED)
def test_shapes_with_other_sizes(function, before, after):
    expected = [tensor.shape for tensor in recorded(function, *after).calls[0].outputs]
    assert replayed(recorded(function, *before), after) == expected
    again = [tensor.shape for tensor in recorded(function, *before).calls[0].outputs]
    assert replayed(recorded(function, *before), before) == again


UNKNOWN = [  # what a record cannot tell: these arguments may have been computed from sizes
    (lambda x: x[:, : x.shape[1] // 2], [(2, 6)], [(2, 8)]),
    (lambda x: x.chunk(2, 1), [(2, 6)], [(2, 8)]),
    (lambda x: x.expand(4, -1), [(1, 6)], [(1, 8)]),
    (lambda x: F.pad(x, (1, 1)), [(2, 6)], [(2, 8)]),
    (lambda x: F.interpolate(x, size=(7,)), [(1, 3, 5)], [(1, 3, 9)]),
]


@pytest.mark.parametrize(("function", "before", "after"), UNKNOWN)
def test_shapes_that_a_record_does_not_tell(function, before, after):
    with pytest.raises(Unknown):
        replayed(recorded(function, *before), after)


def torch_refuses(call):
    with pytest.raises((RuntimeError, IndexError, ValueError, TypeError)):
        call()


def zeros(*shapes):
    return [torch.zeros(shape) for shape in shapes]


PURE = [  # (our rule, torch's), alike in results and refusals
    (lambda: concatenated([(2, 3), (2, 4)], 1), lambda: torch.cat(zeros((2, 3), (2, 4)), 1)),
    (lambda: concatenated([(2, 3), (0,)], -1), lambda: torch.cat(zeros((2, 3), (0,)), -1)),
    (lambda: concatenated([(0,), (0,)]), lambda: torch.cat(zeros((0,), (0,)))),
    (lambda: concatenated([(2, 3), (2, 4)], 0), lambda: torch.cat(zeros((2, 3), (2, 4)), 0)),
    (lambda: concatenated([(2, 3), (2, 3, 1)], 0), lambda: torch.cat(zeros((2, 3), (2, 3, 1)))),
    (lambda: concatenated([(2, 3), (2, 3)], 2), lambda: torch.cat(zeros((2, 3), (2, 3)), 2)),
    (lambda: concatenated([(), ()]), lambda: torch.cat(zeros((), ()))),
    (lambda: stacked([(2, 3), (2, 3)], -1), lambda: torch.stack(zeros((2, 3), (2, 3)), -1)),
    (lambda: stacked([(2, 3), (2, 4)]), lambda: torch.stack(zeros((2, 3), (2, 4)))),
    (lambda: stacked([(2,), (2,)], 2), lambda: torch.stack(zeros((2,), (2,)), 2)),
    (lambda: stacked([]), lambda: torch.stack([])),
    (lambda: padded((2, 3), (1, 2)), lambda: F.pad(torch.zeros(2, 3), (1, 2))),
    (lambda: padded((2, 3), (0, -1, 1, 0)), lambda: F.pad(torch.zeros(2, 3), (0, -1, 1, 0))),
    (lambda: padded((2, 3), (1,)), lambda: F.pad(torch.zeros(2, 3), (1,))),
    (lambda: padded((2,), (1, 1, 1, 1)), lambda: F.pad(torch.zeros(2), (1, 1, 1, 1))),
    (lambda: padded((2, 3), (-2, -2)), lambda: F.pad(torch.zeros(2, 3), (-2, -2))),
    (lambda: reshaped((2, 6), (3, -1)), lambda: torch.zeros(2, 6).view(3, -1)),
    (lambda: reshaped((2, 6), (5, -1)), lambda: torch.zeros(2, 6).view(5, -1)),
    (lambda: reshaped((2, 6), (4, 4)), lambda: torch.zeros(2, 6).view(4, 4)),
    (lambda: reshaped((0, 6), (0, -1)), lambda: torch.zeros(0, 6).view(0, -1)),
    (lambda: expanded((1, 3), (2, 4, 3)), lambda: torch.zeros(1, 3).expand(2, 4, 3)),
    (lambda: expanded((2, 3), (-1, 3)), lambda: torch.zeros(2, 3).expand(-1, 3)),
    (lambda: expanded((2, 3), (4, 3)), lambda: torch.zeros(2, 3).expand(4, 3)),
    (lambda: expanded((2, 3), (3,)), lambda: torch.zeros(2, 3).expand(3)),
    (lambda: expanded((3,), (-1, 3)), lambda: torch.zeros(3).expand(-1, 3)),
]


@pytest.mark.parametrize(("ours", "theirs"), PURE)
def test_rules_on_shapes_alone(ours, theirs):
    try:
        shape = ours()
    except Misfit:
        torch_refuses(theirs)
    else:
        assert shape == tuple(theirs().shape)


def spec(*shape):
    return TensorSpec(1, shape, "float32", 4)


X = spec(2, 3, 4)


@pytest.mark.parametrize(("name", "view"), [
    ("aten.cat", Cat((X, X), -1)),
    ("aten.view", Reshape(X, (6, -1))),
    ("aten.squeeze", Squeeze(X)),
    ("aten.squeeze", Squeeze(X, (0, 1))),
    ("aten.unsqueeze", Unsqueeze(X, -1)),
    ("aten.permute", Permute(X, (2, 0, 1))),
    ("aten.select", Select(X, 1, -1)),
    ("aten.slice", Slice(X, 1, None, -1, 2)),
    ("aten.constant_pad_nd", Pad(X, (1, 2))),
])  # fmt: skip
def test_what_is_written_is_read_again(name, view):
    assert view_of(Op(name, "default", view.args, {}, (), 0, 0)) == view


def test_pieces_are_written_as_they_are_read():
    pieces = (spec(2, 1, 4), spec(2, 2, 4))
    view = Split(X, (1, 2), 1, outputs=pieces)
    assert view_of(Op("aten.split_with_sizes", "default", view.args, {}, pieces, 0, 0)) == view


def test_arguments_by_name():
    by_name = Op("aten.slice", "Tensor", (X,), {"dim": 1, "end": 2}, (spec(2, 2, 4),), 0, 0)
    view = view_of(by_name)
    assert (view.dim, view.start, view.end, view.step) == (1, None, 2, 1)


def test_every_view_of_the_family_says_whether_data_moves():
    family = ("views", "slicing", "joins", "padding", "resizing")
    for name, definition in DEFINITIONS.items():
        view = definition.view
        if view is not None and view.__module__.rpartition(".")[2] in family:
            moves = definition.traits & (Trait.LAYOUT | Trait.COPIES)
            assert bool(moves) == (definition.reason_free is not None), name
