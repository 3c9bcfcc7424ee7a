"""Views of matrix products, attention, recurrent layers and embeddings: what they make of shapes is
what torch makes of them."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest
import torch

from cnnstat.diagnosis import replay
from cnnstat.operators.costs import Cost
from cnnstat.operators.einsum import Einsum
from cnnstat.operators.field_algebra import features
from cnnstat.operators.linear import Matmul, matrix_product
from cnnstat.operators.reach import ENTIRE_INPUT, Factor, Field, Reach
from cnnstat.operators.registry import cost_of, recorded, view_of
from cnnstat.operators.sequences import Attention, Embedding, Recurrent
from cnnstat.operators.shape_rules import Misfit, Unknown
from cnnstat.results import Shape
from cnnstat.trace.records import Op, TensorSpec


def tensor(*shape: int, value: int = 0, parameter: str | None = None) -> TensorSpec:
    return TensorSpec(value, shape, "float32", 4, parameter)


def op(name: str, *args: Any, outputs: tuple[TensorSpec, ...] = (), **kwargs: Any) -> Op:
    return Op(f"aten.{name}", "default", args, kwargs, outputs, 0, 0)


def shapes_by_torch(name: str, *shapes: Shape) -> list[Shape] | None:
    """What torch makes; None where it refuses."""
    try:
        made = getattr(torch.ops.aten, name)(*(torch.zeros(shape) for shape in shapes))
    except (RuntimeError, IndexError):
        return None
    return [tuple(made.shape)]


PRODUCTS: list[tuple[str, tuple[Shape, ...]]] = [
    ("mm", ((2, 3), (3, 5))),
    ("mm", ((2, 3), (4, 5))),
    ("mm", ((2, 3), (3,))),
    ("addmm", ((5,), (2, 3), (3, 5))),
    ("addmm", ((2, 5), (2, 3), (3, 5))),
    ("addmm", ((2, 1), (2, 3), (3, 5))),
    ("addmm", ((), (2, 3), (3, 5))),
    ("addmm", ((4,), (2, 3), (3, 5))),
    ("addmm", ((1, 2, 5), (2, 3), (3, 5))),
    ("bmm", ((2, 3, 4), (2, 4, 5))),
    ("bmm", ((2, 3, 4), (3, 4, 5))),
    ("bmm", ((2, 3, 4), (2, 3, 5))),
    ("baddbmm", ((2, 3, 5), (2, 3, 4), (2, 4, 5))),
    ("baddbmm", ((3, 1), (2, 3, 4), (2, 4, 5))),
    ("addbmm", ((3, 5), (2, 3, 4), (2, 4, 5))),
    ("addbmm", ((5,), (2, 3, 4), (2, 4, 5))),
    ("addbmm", ((2, 3, 5), (2, 3, 4), (2, 4, 5))),
    ("mv", ((2, 3), (3,))),
    ("mv", ((2, 3), (2,))),
    ("addmv", ((2,), (2, 3), (3,))),
    ("dot", ((5,), (5,))),
    ("dot", ((5,), (4,))),
    ("linear", ((2, 7, 3), (5, 3), (5,))),
    ("linear", ((3,), (5, 3))),
    ("linear", ((2, 4), (5, 3))),
    ("matmul", ((2, 3), (3, 5))),
    ("matmul", ((3,), (3,))),
    ("matmul", ((4, 2, 3), (3,))),
    ("matmul", ((3,), (4, 3, 5))),
    ("matmul", ((4, 1, 2, 3), (7, 3, 5))),
    ("matmul", ((4, 2, 3), (5, 3, 5))),
    ("matmul", ((2, 3), (4, 5))),
    ("matmul", ((), (4, 5))),
]


@pytest.mark.parametrize(("name", "shapes"), PRODUCTS)
def test_products_have_the_shape_that_torch_makes(name: str, shapes: tuple[Shape, ...]) -> None:
    view = view_of(op(name, *(tensor(*shape) for shape in shapes)))
    assert isinstance(view, Matmul)
    assert made_by(view.shapes) == shapes_by_torch(name, *shapes)


def made_by(shapes: Callable[..., list[Shape]]) -> list[Shape] | None:
    try:
        return shapes(recorded)
    except Misfit:
        return None


@pytest.mark.parametrize("name", sorted({name for name, _ in PRODUCTS}))
def test_arguments_are_written_in_the_order_in_which_they_are_read(name: str) -> None:
    places = 3 if name.startswith("add") or name in ("baddbmm", "linear") else 2
    args = tuple(tensor(n + 2, n + 3, n + 4, value=n) for n in range(places))
    view = Matmul.of(op(name, *args))
    assert (view.name, view.args) == (f"aten.{name}", args)
    assert view.added == {"linear": args[-1]}.get(name, args[0] if places == 3 else None)


def test_a_product_with_a_bias_is_one_operator() -> None:
    a, b, bias = tensor(2, 3), tensor(3, 5), tensor(5)
    assert matrix_product(a, b).args == (a, b)
    assert (matrix_product(a, b, bias).name, matrix_product(a, b, bias).args) == (
        "aten.addmm", (bias, a, b)
    )  # fmt: skip
    assert Matmul.of(op("linear", a, tensor(5, 3), bias=bias)).added == bias


def test_in_place_forms_are_the_plain_ones() -> None:
    a, b, added = tensor(2, 3), tensor(3, 5), tensor(2, 5)
    assert Matmul.of(op("addmm_", added, a, b)) == Matmul.of(op("addmm", added, a, b))


# A diagnosis replays an operator with other shapes


def replayed(recorded_op: Op, changed: dict[int, Shape], settings: Any = None) -> list[Shape]:
    shapes = {**{spec.value: spec.shape for spec in recorded_op.inputs}, **changed}
    return list(replay.replayed(recorded_op, lambda s: shapes[s.value], settings))


@pytest.mark.parametrize(
    ("name", "operands", "changed", "made"),
    [
        ("addmm", [(5,), (2, 3), (3, 5)], {1: (7, 3)}, (7, 5)),
        ("addbmm", [(3, 5), (2, 3, 4), (2, 4, 5)], {1: (6, 3, 4), 2: (6, 4, 5)}, (3, 5)),
        # square, with a batch that looks like a row
        ("addbmm", [(3, 3), (3, 3, 3), (3, 3, 3)], {1: (4, 3, 3), 2: (4, 3, 3)}, (3, 3)),
        ("baddbmm", [(2, 3, 5), (2, 3, 4), (2, 4, 5)], {1: (2, 3, 7), 2: (2, 7, 5)}, (2, 3, 5)),
        ("linear", [(2, 7, 3), (5, 3), (5,)], {0: (4, 9, 3)}, (4, 9, 5)),
        ("linear", [(2, 3), (5, 3)], {0: (2, 4), 1: (6, 4)}, (2, 6)),
        ("mv", [(2, 3), (3,)], {0: (7, 3)}, (7,)),
        ("matmul", [(4, 2, 3), (3, 5)], {0: (9, 2, 3)}, (9, 2, 5)),
        ("scaled_dot_product_attention", [(2, 4, 5, 8), (2, 4, 7, 8), (2, 4, 7, 6)],
         {0: (2, 4, 9, 8)}, (2, 4, 9, 6)),
        ("embedding", [(30, 8), (2, 5)], {1: (2, 9)}, (2, 9, 8)),
    ],
)  # fmt: skip
def test_a_replay_has_the_shapes_of_a_run(
    name: str, operands: list[Shape], changed: dict[int, Shape], made: Shape
) -> None:
    specs = [tensor(*shape, value=place) for place, shape in enumerate(operands)]
    views = view_of(op(name, *specs))
    assert views is not None
    out = tensor(*views.shapes(recorded)[0], value=len(specs))
    assert replayed(op(name, *specs, outputs=(out,)), changed) == [made]


@pytest.mark.parametrize(
    ("name", "operands", "changed"),
    [
        ("addbmm", [(3, 5), (2, 3, 4), (2, 4, 5)], {1: (6, 3, 4)}),
        ("addbmm", [(3, 5), (2, 3, 4), (2, 4, 5)], {0: (2, 3, 5)}),
        ("linear", [(2, 3), (5, 3), (5,)], {0: (2, 4)}),
        ("linear", [(2, 3), (5, 3), (5,)], {2: (6,)}),
        ("scaled_dot_product_attention", [(2, 4, 5, 8)] * 3, {1: (2, 4, 6, 8)}),
    ],
)
def test_a_replay_refuses_what_does_not_fit(
    name: str, operands: list[Shape], changed: dict[int, Shape]
) -> None:
    specs = [tensor(*shape, value=place) for place, shape in enumerate(operands)]
    with pytest.raises(Misfit):
        replayed(op(name, *specs), changed)


# Recurrent layers


def lstm(
    size: int = 6, hidden: int = 4, *, proj: int = 0, layers: int = 2, both: bool = True
) -> Op:
    """As `nn.LSTM(size, hidden, layers, bidirectional=both, proj_size=proj)` runs it on [7, 3]."""
    net = torch.nn.LSTM(size, hidden, layers, bidirectional=both, proj_size=proj)
    weights = tuple(tensor(*w.shape, parameter=name) for name, w in net.named_parameters())
    out, states = net(torch.zeros(7, 3, size))
    outputs = tuple(tensor(*t.shape) for t in (out, *states))
    x, hx = tensor(7, 3, size, value=1), tuple(outputs[1:])
    return op("lstm", x, hx, weights, True, layers, 0.0, False, both, False, outputs=outputs)


@pytest.mark.parametrize("how", [{}, {"proj": 3}, {"layers": 1}, {"both": False}, {"layers": 3}])
def test_recurrent_layers_have_the_shapes_and_products_of_torch(how: dict[str, Any]) -> None:
    run = lstm(**how)
    view = Recurrent.of(run)
    assert view.shapes(recorded) == [out.shape for out in run.outputs]
    matrices = sum(w.numel for w in run.args[2] if len(w.shape) == 2)
    assert view.cost().macs == 7 * 3 * matrices
    assert cost_of(run) == view.cost()


def test_a_layer_with_other_settings() -> None:
    run = lstm()
    batch = replayed(run, {1: (7, 5, 6)})
    assert batch == [(7, 5, 8), (4, 5, 4), (4, 5, 4)]
    other = lstm(6, 5, layers=1, both=False)
    settings = {"input_size": 6, "hidden_size": 5, "num_layers": 1, "bidirectional": False,
                "bias": True, "proj_size": 0}  # fmt: skip
    assert replayed(run, {}, settings) == [out.shape for out in other.outputs]
    assert Recurrent.of(run).changed(settings).cost() == Recurrent.of(other).cost()
    with pytest.raises(Misfit):
        replayed(run, {1: (7, 3, 9)})
    with pytest.raises(Unknown):
        replayed(run, {}, {**settings, "proj_size": 2})


# The rest


EQUATIONS = [
    ("bij, bjk -> bik", (2, 3, 4), (2, 4, 5)),
    ("ij,jk", (3, 4), (4, 5)),
    ("ba,cb", (3, 4), (5, 3)),
    ("...ij,...jk->...ik", (7, 1, 3, 4), (6, 4, 5)),
    ("...i,i", (2, 3, 4), (4,)),
    ("i,j->ij", (3,), (4,)),
    ("ii->i", (3, 3)),
    ("ijk->kj", (2, 3, 4)),
    ("ij,jk->ik", (3, 4), (5, 4)),
]


@pytest.mark.parametrize(("equation", "shapes"), [(e, s) for e, *s in EQUATIONS])
def test_einsum_has_the_shape_that_torch_makes(equation: str, shapes: list[Shape]) -> None:
    view = Einsum.of(op("einsum", equation, tuple(tensor(*shape) for shape in shapes)))
    try:
        made = [tuple(torch.einsum(equation, *(torch.zeros(shape) for shape in shapes)).shape)]
    except RuntimeError:
        made = None
    assert made_by(view.shapes) == made


def test_embeddings_are_free_and_written_as_they_are_read() -> None:
    looked_up = op("embedding", tensor(30, 8), tensor(2, 5), outputs=(tensor(2, 5, 8),))
    view = Embedding.of(looked_up)
    assert view.args == looked_up.args
    assert view.shapes(recorded) == [(2, 5, 8)]
    assert cost_of(looked_up) == Cost()
    with pytest.raises(Misfit):
        Embedding(tensor(30), tensor(2)).shapes(recorded)


def test_attention_counts_the_pairs_of_queries_and_keys() -> None:
    view = Attention(tensor(2, 4, 5, 8), tensor(2, 4, 7, 8), tensor(2, 4, 7, 6))
    assert view.scores == 2 * 4 * 5 * 7
    assert view.cost() == Cost(view.scores * (8 + 6), 5 * view.scores)


# A product mixes the features of a row


PIXEL = Reach(Fraction(0), Fraction(0), 16)
PIXELS = (Factor(16, 0, Fraction(1)),)


@pytest.mark.parametrize("name", ["mm", "_addmm_activation", "linear", "mkldnn_linear"])
def test_features_of_a_pixel_stay_those_of_the_pixel(name: str) -> None:
    x, weight = tensor(16, 8, value=1), tensor(8, 3, parameter="w")
    if "linear" in name:
        weight = tensor(3, 8, parameter="w")
    args = (tensor(3), x, weight) if "addmm" in name else (x, weight)
    pixels = Field((PIXELS, features(8)), {0: PIXEL})
    view = Matmul.of(op(name, *args))
    field = view.field(pixels, tensor(16, 3), {1: pixels})
    assert field == Field((PIXELS, features(3)), {0: PIXEL})
    turned = Field((features(16), (Factor(8, 0, Fraction(2)),)), {0: PIXEL})
    whole = view.field(turned, tensor(16, 3), {1: turned})
    assert whole is not None
    assert whole.reason == ENTIRE_INPUT
