"""Broadcasting: one rule for shapes of numbers and of letters."""

import pytest
import torch

from cnnstat.fast_meta.kernels import elementwise
from cnnstat.fast_meta.kernels.registry import KERNELS
from cnnstat.operators.registry import Trait, traits_of
from cnnstat.operators.shape_rules import Misfit, broadcast, broadcasts_to
from cnnstat.symbols.expressions import symbol

SHAPES = [
    [(2, 3)],
    [(2, 3), (2, 3)],
    [(2, 3), (3,)],
    [(2, 1), (1, 3)],
    [(), (4, 5)],
    [(5, 1, 4), (3, 1), (1, 1, 1)],
    [(0, 3), (1, 3)],
    [(1,), (0,)],
    [(2, 3), (2,)],
    [(2, 3), (4, 3)],
    [(0,), (2,)],
]


@pytest.mark.parametrize("shapes", SHAPES, ids=str)
def test_broadcasting_is_as_in_torch(shapes) -> None:
    try:
        common = tuple(torch.broadcast_shapes(*shapes))
    except RuntimeError:
        with pytest.raises(Misfit):
            broadcast(shapes)
        assert not broadcasts_to(shapes[0], shapes[1])
        return
    assert broadcast(shapes) == common
    assert all(broadcasts_to(shape, common) for shape in shapes)
    assert not any(broadcasts_to(common, s) for s in shapes if s != common and 1 in s)


def test_letters_broadcast() -> None:
    n, h = symbol("N"), symbol("H")
    assert broadcast([(n, 3, h, h), (3, 1, 1)]) == (n, 3, h, h)
    assert broadcast([(1, h), (n, 1)]) == (n, h)
    with pytest.raises(Misfit):
        broadcast([(n, 2), (n, 3)])


def test_fast_kernels_of_elementwise_operators_are_for_those() -> None:
    own = [name for name, kernel in KERNELS.items() if kernel.__module__ == elementwise.__name__]
    assert len(own) > 50
    for name in own:
        operator = name.partition(".")[0].replace("::", ".")
        assert operator == "aten.full_like" or Trait.ELEMENTWISE in traits_of(operator), name
