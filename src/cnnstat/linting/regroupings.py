"""The views of a run, and what they do to axes, on all the sizes that were tried."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod

from ..operators.joins import Cat
from ..operators.parts import Pad, Slice
from ..operators.registry import view_of
from ..operators.views import Reshape
from ..results import Shape
from ..trace.records import TensorSpec
from .axes import changes_order, cuts_across, keeps_together
from .batches import Batches
from .flow import Flow, is_regrouping
from .runs import NotRun, Runs


@dataclass(frozen=True)
class Regrouped:
    """A view, or views of a view, of something that an operator computed.

    Attributes:
        path, call: of the call in which it runs.
        old, new: the shapes, in the run on the inputs of the user if it has the same operators.
        is_cut: whether it cuts across axes.
        is_swapped: whether it has the sizes of a transposition, in every run.
        cuts_batch: whether one of the axes that it cuts across is the batch.
        splits_rows: whether it splits the features of an example into several rows.
    """

    path: str
    call: int
    old: Shape
    new: Shape
    is_cut: bool = False
    is_swapped: bool = False
    cuts_batch: bool = False
    splits_rows: bool = False


def regroupings(runs: Runs) -> Iterator[Regrouped]:
    """Every view of something that depends on the input, in all runs with the same operators."""
    try:
        batches, (flow, _) = runs.batch_pair, runs.batch_flows
    except NotRun:
        batches, flow = None, runs.flow
    others = () if batches is None else runs.batch_flows
    flows = [other for other in (runs.flow, *others) if other.is_like(flow)]
    for number, op in enumerate(flow.ops):
        if not isinstance(view_of(op), Reshape) or number not in flow.from_inputs:
            continue
        if _is_undone(flow, number) or _is_shift(flow, number):
            continue
        shapes = [_shapes(other, number) for other in flows]
        old, new = shapes[0]
        if prod(old) != prod(new):  # another dtype
            continue
        is_cut = any(cuts_across(*pair) for pair in shapes)
        yield Regrouped(
            *flow.place(number), old, new, is_cut,
            is_swapped=not is_cut and all(changes_order(*pair) for pair in shapes),
            cuts_batch=is_cut and batches is not None and _cuts_batch(batches, shapes[-2:]),
            splits_rows=batches is not None and _splits_rows(batches, shapes[-2:]),
        )  # fmt: skip


def _shapes(flow: Flow, number: int) -> tuple[Shape, Shape]:
    """The shapes before and after a view."""
    return origin(flow, number).shape, flow.ops[number].outputs[0].shape


def origin(flow: Flow, number: int) -> TensorSpec:
    """What a view shows, behind the copies before it and the views that flatten.

    A view of other axes between them says what they mean: windows of 8×7 that become 56 rows may
    then be split into 7×8.
    """
    tensor = flow.ops[number].inputs[0]
    while (source := flow.source(number, tensor)) is not None and (
        (is_regrouping(flow.ops[source]) and len(tensor.shape) < 3) or flow.is_unchanged(source)
    ):
        number, tensor = source, flow.ops[source].inputs[0]
    return tensor


def _is_undone(flow: Flow, number: int) -> bool:
    """Whether all that reads a view is a view of the shape that it had before."""
    before = flow.ops[number].inputs[0].shape
    readers = [flow.ops[reader] for reader in flow.readers(number)]
    back = all(is_regrouping(op) and op.outputs[0].shape == before for op in readers)
    return back and number not in flow.returned


def _is_shift(flow: Flow, number: int) -> bool:
    """Whether a view shifts each row of a matrix by its number, as relative attention does.

    It is of something padded, or of a slice of that; or a slice of it is viewed again.
    """

    def is_slice(source: int) -> bool:
        return isinstance(view_of(flow.ops[source]), Slice)

    def passes(source: int) -> bool:
        return is_regrouping(flow.ops[source]) or is_slice(source)

    operand = flow.ops[number].inputs[0]
    viewed = flow.before(number, operand, is_slice)
    is_of_slice = viewed is not None and viewed != flow.before(number, operand)
    shifted = (number, viewed) if is_of_slice and viewed is not None else (number,)
    if any(is_regrouping(flow.ops[n]) and _is_sliced_and_viewed(flow, n) for n in shifted):
        return True
    source = flow.before(number, operand, passes)
    view = None if source is None else view_of(flow.ops[source])
    if isinstance(view, Cat) and source is not None:
        written = (flow.before(source, tensor) for tensor in view.tensors)
        return any(n is None or n not in flow.from_inputs for n in written)
    return isinstance(view, Pad)


def _is_sliced_and_viewed(flow: Flow, number: int) -> bool:
    """Whether all that reads a view is a slice, and all that reads the slice is a view."""
    ahead, slices = [number], 0
    while ahead:
        for reader in flow.readers(ahead.pop()):
            if isinstance(view_of(flow.ops[reader]), Slice):
                slices += 1
                ahead.append(reader)
            elif flow.is_unchanged(reader):
                ahead.append(reader)
            elif not (slices and is_regrouping(flow.ops[reader])):
                return False
    return slices > 0


def _cuts_batch(batches: Batches, shapes: Sequence[tuple[Shape, Shape]]) -> bool:
    """Whether a view divides the elements of an example; `shapes` on the two batch sizes."""
    (small, new), (large, _) = shapes
    axes = batches.axes_of(small, large)
    if len(axes) != 1:
        return False
    axis = axes[0]
    behind = prod(small[axis + 1 :])
    # Of an axis that the batch was merged into, the elements of an example are taken for the inner.
    inner = behind * (small[axis] // batches.sizes[0])
    outer = behind * small[axis]
    return not (keeps_together(inner, new) and keeps_together(outer, new))


def _splits_rows(batches: Batches, shapes: Sequence[tuple[Shape, Shape]]) -> bool:
    (small, new), (large, new_large) = shapes
    if batches.axes_of(small, large) != (0,) or batches.axes_of(new, new_large) != (0,):
        return False
    only_merged = small[len(small) - len(new) + 1 :] == new[1:]
    return small[0] == batches.sizes[0] != new[0] and not only_merged
