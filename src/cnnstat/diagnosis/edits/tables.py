"""Tables that a constructor creates: `nn.Parameter(torch.zeros(1, patches + 1, dim))`.

Their sizes follow from arguments such as `image_size`, `block_size` or `max_len`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...results import Shape
from ..changes import Proposal, Situation
from ..literals import Literal, evaluated, plain, solved
from ..uses import literals_among
from ..weights import Features, Prior
from .layer_settings import change_of


def sizes_of_tables(situation: Situation) -> Iterator[Proposal]:
    """Other values for the literals behind the size of a table."""
    if situation.mismatch.kind not in ("broadcast", "join", "indices"):
        return
    shapes = {parameter.shape for parameter in situation.failure.trace.parameters}
    tables = [table for table in situation.sized if _is_of(tuple(map(plain, table.sizes)), shapes)]
    found: dict[tuple[Literal, int], None] = {}
    for table in tables:
        for size in table.sizes:
            for expected, actual in situation.mismatch.pairs:
                if plain(size) != expected:
                    continue
                for literal, origin in literals_among(size):
                    value = _value_for(situation, literal, origin, actual)
                    if value is not None and 0 < value != literal.value:
                        found[literal, value] = None
    for literal, value in found:
        is_length = value in _lengths(situation)
        prior = Prior.TABLE_BY_INPUT if is_length else Prior.TABLE_SIZE
        yield Proposal(change_of((literal,), value), Features(prior=prior))


def _is_of(sizes: Shape, shapes: set[Shape]) -> bool:
    """Whether a parameter has these sizes, or an axis that `arange(size)` gave it."""
    return sizes in shapes or (len(sizes) == 1 and any(sizes[0] in shape for shape in shapes))


def _value_for(situation: Situation, literal: Literal, origin: object, target: int) -> int | None:
    """The literal with which a size is `target`: a side or length of the input, if one fits."""
    for length in _lengths(situation):
        try:
            if evaluated(origin, {literal: length}) == target:
                return length
        except (ArithmeticError, ValueError, TypeError):
            continue
    return solved(origin, literal, target)


def _lengths(situation: Situation) -> list[int]:
    return [size for x in situation.failure.trace.inputs for size in reversed(x.tensor.shape[1:])]
