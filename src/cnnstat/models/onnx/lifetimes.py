"""How long the tensors of an ONNX graph live: what is held at once if it runs in its order."""

from __future__ import annotations

from collections.abc import Sequence

from ...trace.records import TensorSpec, tensors_in
from .node_call import Step


class Lifetimes:
    """Follows the steps of each node in order: `after` every step, `leave` every node.

    A tensor is freed behind the last node that reads it or a view of it; inputs stay to the end.
    Views of inputs and of weights take nothing.
    """

    def __init__(
        self, steps: Sequence[Sequence[Step]], inputs: Sequence[TensorSpec],
        outputs: Sequence[TensorSpec],
    ) -> None:  # fmt: skip
        self.input_bytes = sum(tensor.nbytes for tensor in inputs)
        self.live_bytes = self.input_bytes
        self._storage: dict[int, int] = {}
        self._bytes: dict[int, int] = {}
        self._last_read: dict[int, int] = {}
        for index, of_node in enumerate(steps):
            for step in of_node:
                self._add(step)
                for tensor in (*tensors_in(step.args), *step.outputs):
                    self._last_read[tensor.value] = index
        self._last_read |= {tensor.value: len(steps) for tensor in outputs}
        last: dict[int, int] = {}
        for number, index in self._last_read.items():
            storage = self._storage.get(number)
            if storage is not None:
                last[storage] = max(index, last.get(storage, 0))
        self._freed: dict[int, list[int]] = {}
        for storage, index in last.items():
            self._freed.setdefault(index, []).append(storage)

    def _add(self, step: Step) -> None:
        source = next(iter(tensors_in(step.args)), None)
        for tensor in step.outputs:
            if not step.view or source is None:
                self._storage[tensor.value] = tensor.value
                self._bytes[tensor.value] = tensor.nbytes
            elif source.value in self._storage:
                self._storage[tensor.value] = self._storage[source.value]

    def is_read_behind(self, tensor: TensorSpec, index: int) -> bool:
        """Whether node `index` or a later one reads the tensor, or the graph returns it."""
        return self._last_read.get(tensor.value, -1) >= index

    def made(self, tensors: Sequence[TensorSpec]) -> int:
        """The bytes of those that are no views."""
        return sum(t.nbytes for t in tensors if self._storage.get(t.value) == t.value)

    def after(self, step: Step) -> int:
        """The bytes alive when the step returns."""
        self.live_bytes += self.made(step.outputs)
        return self.live_bytes

    def leave(self, index: int) -> None:
        """Free what nothing behind node `index` reads."""
        self.live_bytes -= sum(self._bytes[storage] for storage in self._freed.get(index, ()))
