"""What a graph consists of once its shapes are known: values, and the nodes that run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...trace.records import TensorSpec


@dataclass(frozen=True, slots=True)
class Value:
    """One value: `tensor` is None where its shape is not known, `array` where its content is not.

    A constant depends on no input; `sources` are the stored tensors that it is made from.
    """

    type: Any
    tensor: TensorSpec | None
    constant: bool = False
    array: Any = None
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Resolved:
    """A node that runs: not one that a constant is made by, and not a Shape."""

    op: str
    name: str
    attributes: dict[str, Any]
    inputs: tuple[Value | None, ...]
    outputs: tuple[Value | None, ...]
    metadata: dict[str, str]
    version: int

    @property
    def type(self) -> str:
        """The operator without its domain."""
        return self.op.rpartition(".")[2]
