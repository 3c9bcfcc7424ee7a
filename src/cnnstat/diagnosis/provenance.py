"""Where the tensors of a failed run come from: the layers that made them and chose their sizes."""

from __future__ import annotations

from ..operators.joins import Cat
from ..operators.registry import View, view_of
from ..operators.slicing import Select
from ..operators.views import Squeeze, Unsqueeze
from ..trace.records import Call, Failure, Op, TensorSpec
from .naming import Places, name_of

_LAYOUT_CALLS = ("view", "reshape", "transpose", "permute", "contiguous", "flatten", "unsqueeze")
_PRODUCING = {"conv", "linear", "mm", "embedding", "lstm", "gru", "rnn"}


class Provenance:
    """Asked about the tensors of a run that failed; `places` tell where its code stands."""

    def __init__(self, failure: Failure, places: Places) -> None:
        self.failure = failure
        self.places = places
        self.calls = {call.index: call for call in failure.trace.calls}

    def made_by(self, spec: TensorSpec) -> Op | None:
        return next(
            (op for op in reversed(self.failure.trace.ops)
             if any(out.value == spec.value for out in op.outputs)), None,
        )  # fmt: skip

    def at(self, op: Op) -> str:
        call = self.calls.get(op.call)
        place = self.places.of_call(self.failure, call)
        return f" at {place}" if place else ""

    def producer(self, spec: TensorSpec) -> str:
        """The layer that gave a tensor its shape: what keeps the shape is passed over."""
        made = self.made_by(spec)
        while made is not None and not any(word in made.name for word in _PRODUCING):
            source = next((s for s in made.inputs if s.parameter is None), None)
            if source is None or source.shape != spec.shape:
                break
            spec, made = source, self.made_by(source)
        call = self.calls.get(made.call) if made else None
        return "the input" if call is None else name_of(call)

    def producer_of_size(self, spec: TensorSpec, kind: str) -> str | None:
        """The layer that chose the number of channels or features of a tensor."""
        axis = -1 if kind == "features" else 1
        for _ in range(len(self.failure.trace.ops) + 1):
            made = self.made_by(spec)
            if made is None:
                return (
                    "input"
                    if any(i.tensor.value == spec.value for i in self.failure.trace.inputs)
                    else None
                )
            call = self.calls.get(made.call)
            source = next((s for s in made.inputs if s.parameter is None), None)
            view = view_of(made)
            if source is not None and axis > 0 and _batch_axis(view):
                spec, axis = source, axis - _batch_axis(view)
                continue
            chooses = isinstance(view, Cat) or any(word in made.name for word in _PRODUCING)
            kept = (
                source is not None
                and (len(source.shape) == len(spec.shape) or _keeps_last_axis(view, axis))
                and source.shape[axis] == spec.shape[axis]
            )
            if chooses or not kept or source is None:
                if call is None:
                    return None
                place = self.places.of_module(call)
                return name_of(call) + (f" at {place}" if place else "")
            spec = source
        return None

    def sources(self, spec: TensorSpec) -> set[int]:
        """The calls that a tensor depends on."""
        found: set[int] = set()
        waiting = [spec]
        while waiting:
            made = self.made_by(waiting.pop())
            if made is not None and made.call not in found:
                found.add(made.call)
                waiting += [source for source in made.inputs if source.parameter is None]
        return found

    def resizing(self, spec: TensorSpec) -> list[tuple[Call, tuple[int, ...], tuple[int, ...]]]:
        """The calls on the way to a tensor that change its sides, the last one first."""
        found = []
        for _ in range(len(self.failure.trace.ops)):
            made = self.made_by(spec)
            source = next((s for s in made.inputs if s.parameter is None), None) if made else None
            if made is None or source is None:
                break
            call = self.calls.get(made.call)
            if (
                call
                and len(source.shape) == len(spec.shape) > 2
                and source.shape[2:] != spec.shape[2:]
            ):
                found.append((call, source.shape[2:], spec.shape[2:]))
            spec = source
        return found

    def came_from(self, spec: TensorSpec) -> str:
        """The call that made a tensor, or what it rearranged."""
        made = self.made_by(spec)
        call = self.calls.get(made.call) if made else None
        here = self.failure.open[-1:] or (-1,)
        if made is not None and call is not None:
            inside = call.index == here[0] or call.type in _LAYOUT_CALLS
            source = next((s for s in made.inputs if s.parameter is None), None)
            if inside and source is not None:
                return self.came_from(source)
        if call is None:
            return "the input"
        place = self.places.of_module(call) or self.places.of_call(self.failure, call)
        return name_of(call) + (f" at {place}" if place else "")


def _keeps_last_axis(view: View | None, axis: int) -> bool:
    """Whether it is `x[:, -1]`, one step of a sequence, say, and the last axis is asked for."""
    if not isinstance(view, Select) or axis != -1:
        return False
    rank = len(view.x.shape)
    return view.dim % rank != rank - 1


def _batch_axis(view: View | None) -> int:
    """1 where a batch axis is added, as layers do to a single map; -1 where it is removed."""
    if isinstance(view, Unsqueeze) and view.dim == 0:
        return 1
    return -1 if isinstance(view, Squeeze) and view.dims == (0,) else 0
