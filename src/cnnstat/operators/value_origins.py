"""What the values of tensors depend on: the input, the parameters or random numbers."""

from __future__ import annotations

from collections.abc import Sequence

from ..trace.records import Op, TensorSpec, Trace
from .registry import Trait, is_in_place, traits_of, view_of

INPUT, PARAMETERS, TORCH = "the input", "the parameters", "torch's random numbers"
NEED_DATA = {INPUT, PARAMETERS}
"""Origins of values that exist only where tensors have data."""


class Origins:
    """What the values of tensors depend on, followed through the operators in their order."""

    def __init__(self, trace: Trace) -> None:
        self._ops = trace.ops
        self._next = 0
        self._base: dict[int, int] = {}  # from a view to the tensor whose memory it shows
        self._origin: dict[int, str] = {item.tensor.value: INPUT for item in trace.inputs}
        self._buffers = {p.name for p in trace.parameters if p.buffer}

    def of(self, tensors: Sequence[TensorSpec], before: int) -> str | None:
        """The first origin of these tensors after `before` operators; None: shapes alone."""
        for op in self._ops[self._next : before]:
            self._follow(op)
        self._next = max(self._next, before)
        if any(self._is_parameter(tensor) for tensor in tensors):
            return PARAMETERS
        found = (self._origin.get(self._root(tensor.value)) for tensor in tensors)
        return next(filter(None, found), None)

    def _is_parameter(self, tensor: TensorSpec) -> bool:
        return tensor.parameter is not None and tensor.parameter not in self._buffers

    def _root(self, value: int) -> int:
        while value in self._base:
            value = self._base[value]
        return value

    def _follow(self, op: Op) -> None:
        traits = traits_of(op.name)
        origin = None
        if Trait.RANDOM in traits:
            origin = TORCH
        elif Trait.CREATES not in traits:
            for tensor in op.inputs:
                root = self._root(tensor.value)
                if self._is_parameter(tensor):
                    self._origin.setdefault(root, PARAMETERS)
                origin = origin or self._origin.get(root)
        if op.inputs and (Trait.LAYOUT in traits):
            for tensor in op.outputs:
                if tensor.value != op.inputs[0].value:
                    self._base[tensor.value] = self._root(op.inputs[0].value)
        if origin is None:
            return
        written = op.inputs[:1] if is_in_place(op.name) else op.outputs
        for tensor in written:
            origin_of_output = self._origin_of(op, tensor, origin)
            if origin_of_output is not None:
                self._origin.setdefault(self._root(tensor.value), origin_of_output)

    def _origin_of(self, op: Op, out: TensorSpec, origin: str) -> str | None:
        """The origin of one output of an operator that has `origin`."""
        view = view_of(op) if len(op.outputs) > 1 else None
        inputs = None if view is None else view.origins(out)
        if inputs is None:
            return origin
        return next(filter(None, (self._origin.get(self._root(t.value)) for t in inputs)), None)
