"""A node whose operands have shapes, and the operators it is translated to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ...trace.records import TensorSpec
from .graph_values import Values
from .inference import Resolved, Value


@dataclass(frozen=True, slots=True)
class Step:
    """One operator of a node; `view` is true if its outputs share the storage of its input."""

    name: str
    args: tuple[Any, ...]
    outputs: tuple[TensorSpec, ...]
    view: bool = False
    kwargs: Any = None


Translator = Callable[["Call"], Iterator[Step]]


@dataclass(frozen=True)
class Call:
    """A node whose operands all have shapes, as translators read it."""

    node: Resolved
    values: Values

    def tensor(self, index: int) -> TensorSpec | None:
        value = self._value(index)
        return value.tensor if value else None

    @property
    def x(self) -> TensorSpec:
        tensor = self.tensor(0)
        assert tensor is not None
        return tensor

    @property
    def out(self) -> TensorSpec:
        return self.outputs[0]

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        return tuple(v.tensor for v in self.node.outputs if v is not None and v.tensor is not None)

    @property
    def tensors(self) -> tuple[TensorSpec, ...]:
        return tuple(v.tensor for v in self.node.inputs if v is not None and v.tensor is not None)

    def _value(self, index: int) -> Value | None:
        return self.node.inputs[index] if index < len(self.node.inputs) else None

    def is_constant(self, index: int) -> bool:
        value = self._value(index)
        return value is not None and value.constant

    def attribute(self, name: str, default: Any = None) -> Any:
        return self.node.attributes.get(name, default)

    def numbers(self, index: int, name: str) -> list[Any] | None:
        """A list of numbers: an attribute in old versions of an operator, an input in new ones."""
        if name in self.node.attributes:
            return list(self.node.attributes[name])
        value = self._value(index)
        if value is None or value.array is None:
            return None
        return list(value.array.reshape(-1).tolist())

    def intermediate(self, shape: Sequence[int]) -> TensorSpec:
        """A new value between two operators of the node, with the dtype of its output."""
        return self.values.tensor(shape, self.out.dtype)

    def step(self, name: str, *args: Any, view: bool = False) -> Step:
        return Step(name, args, self.outputs, view)


def untranslated(call: Call) -> Step:
    """The node as an operator `onnx.…`, with its simple attributes."""
    tensors = tuple(value.tensor if value else None for value in call.node.inputs)
    plain = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in call.node.attributes.items()
        if isinstance(value, int | float | str | list)
    }
    return Step(f"onnx.{call.node.op}", tensors, call.outputs, kwargs=plain)
