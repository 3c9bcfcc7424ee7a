"""Where the tensors of a failed run come from: the layers that chose their shapes and sizes."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator

from ..operators.joins import Cat
from ..operators.parts import Select
from ..operators.registry import Trait, View, traits_of, view_of
from ..operators.views import Squeeze, Unsqueeze
from ..results import Shape
from ..trace.records import Call, Failure, Op, TensorSpec
from .naming import Places, name_of

LAYOUT_CALLS = ("view", "reshape", "transpose", "permute", "contiguous", "flatten", "unsqueeze")


_REORDERING = {
    "permute", "transpose", "t", "T", "mT", "movedim", "swapaxes", "swapdims", "moveaxis", "expand",
    "expand_as", "unfold",
}  # fmt: skip


class Provenance:
    """Follows tensors back through the operators of a failed run.

    An operator has one source here: its first operand that is no parameter.
    """

    def __init__(self, failure: Failure, places: Places) -> None:
        self.failure = failure
        self.places = places
        self.calls = {call.index: call for call in failure.trace.calls}
        self.ops = failure.trace.ops
        self.numbers = {id(op): number for number, op in enumerate(self.ops)}
        self.writers: dict[int, list[int]] = defaultdict(list)  # numbers of operators, by value
        for number, op in enumerate(self.ops):
            for value in {out.value for out in op.outputs}:
                self.writers[value].append(number)

    def op_behind(self, spec: TensorSpec, reader: Op | None = None) -> Op | None:
        """The operator that returned a tensor, the last one before `reader`.

        One in place returns its own operand: without `reader` it would be found again and again.
        """
        before = len(self.ops) if reader is None else self.numbers.get(id(reader), len(self.ops))
        writers = self.writers[spec.value]
        place = bisect_left(writers, before)
        return self.ops[writers[place - 1]] if place else None

    def at(self, op: Op) -> str:
        """` at FILE:LINE`, where the operator was called; empty if that is unknown."""
        place = self.places.of_call(self.failure, self.calls.get(op.call))
        return f" at {place}" if place else ""

    def shaped_by(self, spec: TensorSpec) -> str:
        """The layer that gave a tensor its shape: activations and the like are passed over."""
        op = self.op_behind(spec)
        while op is not None and not _projects(op):
            source = _source(op)
            if source is None or source.shape != spec.shape:
                break
            spec, op = source, self.op_behind(source, op)
        call = self.calls.get(op.call) if op else None
        return self.described(spec) if call is None else name_of(call)

    def described(self, spec: TensorSpec) -> str:
        """A tensor that no operator of the run returned: an input, a parameter, or another."""
        for parameter in self.failure.trace.parameters:
            if spec.parameter == parameter.name:
                return f"the {'buffer' if parameter.buffer else 'parameter'} {parameter.name}"
        inputs = self.failure.trace.inputs
        names = [i.name for i in inputs if i.tensor.value == spec.value]
        if names and names[0]:
            return f"the input {names[0]}"
        return "the input" if names else "a tensor that was created before the run"

    def sized_by(self, spec: TensorSpec, kind: str) -> str | None:
        """The layer that chose the number of channels or features of a tensor.

        "input" for an input of the model, None where it cannot be followed.
        """
        call, is_input = self._sized_by(spec, kind)
        if is_input:
            return "input"
        return None if call is None else self._module_and_place(call)

    def sizing_call(self, spec: TensorSpec, kind: str) -> Call | None:
        """The call of that layer; None for an input of the model too."""
        return self._sized_by(spec, kind)[0]

    def _sized_by(self, spec: TensorSpec, kind: str) -> tuple[Call | None, bool]:
        """The call, and whether the size is that of an input."""
        axis = -1 if kind == "features" else 1
        op = None
        while True:
            op = self.op_behind(spec, op)
            if op is None:
                inputs = self.failure.trace.inputs
                return None, any(i.tensor.value == spec.value for i in inputs)
            view, source = view_of(op), _source(op)
            if source is not None and axis > 0 and _added_batch_axes(view):
                # A layer on a single map adds a batch axis: the channels move by one.
                spec, axis = source, axis - _added_batch_axes(view)
                continue
            # A projection chooses its size even if it equals that of its input.
            chooses = isinstance(view, Cat) or _projects(op)
            is_unchanged = (
                source is not None
                and (len(source.shape) == len(spec.shape) or _keeps_last_axis(view, axis))
                and source.shape[axis] == spec.shape[axis]
            )
            if chooses or not is_unchanged or source is None:
                return self.calls.get(op.call), False
            spec = source

    def _module_and_place(self, call: Call) -> str:
        place = self.places.of_module(call)
        return name_of(call) + (f" at {place}" if place else "")

    def calls_before(self, spec: TensorSpec) -> set[int]:
        """The calls that a tensor depends on."""
        found: set[int] = set()
        followed: set[int] = set()
        waiting: list[tuple[TensorSpec, Op | None]] = [(spec, None)]
        while waiting:
            op = self.op_behind(*waiting.pop())
            if op is not None and id(op) not in followed:
                followed.add(id(op))
                found.add(op.call)
                waiting += [(source, op) for source in op.inputs if source.parameter is None]
        return found

    def resized_by(self, spec: TensorSpec) -> list[tuple[Call, Shape, Shape]]:
        """The calls on the way to a tensor that change its sides, the last one first.

        Each with the sides before and after it.
        """
        found: list[tuple[Call, Shape, Shape]] = []
        op = None
        while True:
            op = self.op_behind(spec, op)
            source = _source(op) if op else None
            if op is None or source is None:
                return found
            call = self.calls.get(op.call)
            is_map = len(source.shape) == len(spec.shape) > 2
            if call and is_map and source.shape[2:] != spec.shape[2:]:
                found.append((call, source.shape[2:], spec.shape[2:]))
            spec = source

    def reordered_by(self, spec: TensorSpec) -> tuple[Call, Op] | None:
        """The last call on the way to a tensor that changed the order of its axes in memory."""
        op = self.op_behind(spec)
        while op is not None:
            call, source = self.calls.get(op.call), _source(op)
            if call is not None and call.type in _REORDERING:
                return call, op
            if source is None or call is None or call.type not in LAYOUT_CALLS:
                return None
            op = self.op_behind(source, op)
        return None

    def reranked_by(self, spec: TensorSpec) -> tuple[Call, Op] | None:
        """The last call on the way to a tensor that changed its number of axes."""
        op = self.op_behind(spec)
        while op is not None:
            call, source = self.calls.get(op.call), _source(op)
            if source is None or call is None:
                return None
            if len(source.shape) != len(spec.shape):
                return call, op
            op = self.op_behind(source, op)
        return None

    def dtype_from(self, spec: TensorSpec) -> str | None:
        """Where the dtype of a tensor comes from: a buffer, an input, or a call that chose it."""
        reader: Op | None = None
        while True:
            op = self.op_behind(spec, reader)
            if op is None:
                return self.described(spec)
            same = [s for s in op.inputs if s.dtype == spec.dtype]
            call = self.calls.get(op.call)
            if not same:
                return None if call is None else name_of(call) + self.at(op)
            unlike = next((s for s in same if s.parameter is not None), same[0])
            spec, reader = unlike, op

    def origin(self, spec: TensorSpec, reader: Op | None = None) -> str:
        """The call that computed a tensor, and its place; views are passed over."""
        op = self.op_behind(spec, reader)
        call = self.calls.get(op.call) if op else None
        failed = self.failure.open[-1:] or (-1,)
        if op is not None and call is not None:
            # What the failed call itself computed first is no origin for a reader either.
            is_passed_over = call.index == failed[0] or call.type in LAYOUT_CALLS
            source = _source(op)
            if is_passed_over and source is not None:
                return self.origin(source, op)
        if call is None:
            return self.described(spec)
        place = self.places.of_module(call) or self.places.of_call(self.failure, call)
        return name_of(call) + (f" at {place}" if place else "")


def batches_as_rows(failure: Failure) -> Iterator[tuple[Call, int]]:
    """The views that lay a whole batch out as one row, `.view(1, 1, -1)`, each with the batch."""
    for call in failure.trace.calls:
        if call.type not in ("view", "reshape") or not call.inputs or not call.outputs:
            continue
        before, after = call.inputs[0].shape, call.outputs[0].shape
        if before and before[0] not in (1, *after) and after[:1] == (1,):
            yield call, before[0]


def _source(op: Op) -> TensorSpec | None:
    return next((spec for spec in op.inputs if spec.parameter is None), None)


def _projects(op: Op) -> bool:
    return Trait.PROJECTION in traits_of(op.name)


def _keeps_last_axis(view: View | None, axis: int) -> bool:
    """Whether the last axis is followed past a selection in another: `x[:, -1]` of a sequence."""
    if not isinstance(view, Select) or axis != -1:
        return False
    rank = len(view.x.shape)
    return view.dim % rank != rank - 1


def _added_batch_axes(view: View | None) -> int:
    """1 where a batch axis is added, -1 where it is removed."""
    if isinstance(view, Unsqueeze) and view.dim == 0:
        return 1
    return -1 if isinstance(view, Squeeze) and view.dims == (0,) else 0
