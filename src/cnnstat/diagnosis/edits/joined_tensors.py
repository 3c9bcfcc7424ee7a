"""Tensors that do not go together: one of them is projected, resized, transposed, or gets an axis.

A residual block that changes the channels or the sides needs a 1×1 convolution on its shortcut; a
decoder whose maps are a pixel too small is resized to the map of the encoder.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path

from ...operators.joins import Cat
from ...operators.registry import view_of
from ...results import Shape
from ...trace.records import TensorSpec
from ..changes import Change, Proposal, Situation
from ..failing_code import failing_code
from ..naming import Places
from ..provenance import Provenance
from ..source_text import Replacement
from ..syntax import Code, name_of_called, nodes
from ..weights import Features, Prior
from .resized_maps import operands_of, resized_maps
from .shortcuts import Operand, is_assigned, projected

_KINDS = ("broadcast", "join", "product")


def joined_tensors(situation: Situation) -> Iterator[Proposal]:
    """For `a + b`, `a * b`, `a @ b` and `torch.cat([a, b])`."""
    site, failure = failing_code(situation), situation.failure
    kind, op = situation.mismatch.kind, failure.op
    is_checked = kind == "other" and op is None and failure.what == "shapes"
    if failure.calls and failure.calls[-1].module is None and kind == "features":
        kind = "product"  # with a parameter, which is no layer's
    if site is None or not failure.calls or not (is_checked or kind in _KINDS):
        return
    view = None if op is None else view_of(op)
    is_cat = isinstance(view, Cat)
    specs = list(view.tensors) if isinstance(view, Cat) else _two_tensors(situation)
    written = operands_of(site.node, site.operand)
    if len(written) != len(specs) or len(specs) < 2:
        return
    pairs = list(zip(written, specs, strict=True))
    if kind == "product":
        yield from _transposed(site.code, pairs)
        return
    yield from _with_axes(site.code, pairs, is_cat)
    if is_cat:
        yield from _of_fewer_axes(site.code, pairs)
    else:
        yield from _swapped(site.code, pairs)
    yield from _channels_last(site.code, pairs, is_cat)
    if len({len(spec.shape) for spec in specs}) > 1:
        return
    # The branch with more calls is the one that is resized: the other one goes past it.
    provenance = Provenance(situation.failure, Places(Path(), {}))
    pairs.sort(key=lambda pair: len(provenance.calls_before(pair[1])))
    yield from resized_maps(situation, site, pairs, view.dim if isinstance(view, Cat) else None)
    if not is_cat:
        yield from projected(situation, site, pairs[0], pairs[1])


def _two_tensors(situation: Situation) -> list[TensorSpec]:
    """The operands of a refused operator or, as in a loss, of a function that checks them."""
    op, call = situation.failure.op, situation.failure.calls[-1]
    return list((op.inputs if op is not None else call.inputs)[:2])


def _proposal(prior: Prior, *replacements: Replacement) -> Proposal:
    return Proposal(Change(replacements=replacements), Features(prior=prior))


# Another layout


def _transposed(code: Code, pairs: Sequence[Operand]) -> Iterator[Proposal]:
    """For a product of rows with rows."""
    (left, a), (right, b) = pairs
    if min(len(a.shape), len(b.shape)) < 2 or any(_is_transposed(node) for node, _ in pairs):
        return
    text = ".transpose(-2, -1)"
    if a.shape[-1] == b.shape[-1]:
        yield _proposal(Prior.TRANSPOSED, code.wrapped(right, "", text))
    if a.shape[-2] == b.shape[-2]:
        yield _proposal(Prior.TRANSPOSED, code.wrapped(left, "", text))


def _is_transposed(node: ast.expr) -> bool:
    """Whether the axes of an operand are moved where it is written: the user thought of them."""
    names = {name_of_called(call) for call in nodes(node, ast.Call)}
    names |= {attribute.attr for attribute in nodes(node, ast.Attribute)}
    return bool(names & {"transpose", "permute", "swapaxes", "t", "T", "mT"})


def _with_axes(code: Code, pairs: Sequence[Operand], is_cat: bool) -> Iterator[Proposal]:
    """An axis of 1 for the tensor with fewer axes: `weights[:, :, None, None]`."""
    longest = max((spec.shape for _, spec in pairs), key=len)
    for node, spec in pairs:
        missing = len(longest) - len(spec.shape)
        if not 0 < missing <= 2 or not spec.shape or (is_cat and missing > 1):
            continue
        for places in combinations(range(len(longest)), missing):
            if not _aligned(spec.shape, longest, places, is_cat) or is_assigned(code, node):
                continue
            yield _proposal(Prior.BROADCAST_AXIS, code.wrapped(node, "", _index(places, longest)))


def _of_fewer_axes(code: Code, pairs: Sequence[Operand]) -> Iterator[Proposal]:
    """Maps flattened for a `cat` with vectors, or as tokens for one with a sequence."""
    fewest = min((spec.shape for _, spec in pairs), key=len)
    longer = [(node, spec) for node, spec in pairs if len(spec.shape) > len(fewest)]
    if longer and len(fewest) == 2:
        yield _proposal(Prior.FLATTENED, *(code.wrapped(n, "", ".flatten(1)") for n, _ in longer))
    if longer and len(fewest) == 3 and all(spec.shape[1] == fewest[2] for _, spec in longer):
        text = ".flatten(2).transpose(1, 2)"
        yield _proposal(Prior.TOKENS, *(code.wrapped(n, "", text) for n, _ in longer))


def _swapped(code: Code, pairs: Sequence[Operand]) -> Iterator[Proposal]:
    """The steps of a table, which are first, exchanged with its batch of 1: (L, 1, D)."""
    for (node, spec), (_, other) in (pairs, pairs[::-1]):
        shape, target = spec.shape, other.shape
        if len(shape) != len(target) or len(shape) < 3 or is_assigned(code, node):
            continue
        swapped = (shape[1], shape[0], *shape[2:])
        if shape[1] == 1 and all(a in (1, b) for a, b in zip(swapped, target, strict=True)):
            yield _proposal(Prior.TRANSPOSED, code.wrapped(node, "", ".transpose(0, 1)"))


def _channels_last(code: Code, pairs: Sequence[Operand], is_cat: bool) -> Iterator[Proposal]:
    """The channels of a sequence moved to the end, where the other tensor, a table, has them."""
    for (node, spec), (_, other) in (pairs[:2], pairs[1::-1]):
        shape, target = spec.shape, other.shape
        if not len(shape) == len(target) == 3 or _is_table(spec, shape):
            continue
        fits = shape[1] == target[2] and (is_cat or shape[2] == target[1])
        if fits and shape[2] != target[2] and not is_assigned(code, node):
            replacement = code.wrapped(node, "", ".transpose(1, 2)")
            yield _proposal(Prior.MOVED_AXIS_IN_CODE, replacement)


def _is_table(spec: TensorSpec, shape: Shape) -> bool:
    """Whether a tensor is a parameter, or one expanded over the batch."""
    return spec.parameter is not None or shape[0] == 1


def _aligned(shape: Shape, longest: Shape, places: tuple[int, ...], is_cat: bool) -> bool:
    """Whether the axes of a tensor, with new ones at `places`, are those of the longest."""
    rest = [size for axis, size in enumerate(longest) if axis not in places]
    fit = all(a in (b, 1) if not is_cat else a == b for a, b in zip(shape, rest, strict=True))
    return fit and shape[0] == rest[0]


def _index(places: tuple[int, ...], longest: Shape) -> str:
    if len(places) == 1:
        place = places[0] if places[0] < len(longest) - 1 else -1
        return f".unsqueeze({place})"
    items = ["None" if axis in places else ":" for axis in range(len(longest))]
    return f"[{', '.join(items)}]"
