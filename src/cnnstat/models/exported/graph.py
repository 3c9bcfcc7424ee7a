"""An exported graph: operators in execution order, with named values between them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Ref:
    """A reference to a value of the graph in the arguments of a node."""

    name: str


@dataclass(frozen=True, slots=True)
class Weight:
    """A parameter or buffer in the arguments of a node, by its name in the model."""

    name: str


@dataclass(frozen=True, slots=True)
class Scope:
    """A module call around a node; `key` distinguishes several calls of one module."""

    key: str
    path: str
    type: str


@dataclass(frozen=True, slots=True)
class Node:
    """One operator; `outputs` are names, nested like the results of the operator.

    `autocast` are the arguments of the `torch.autocast` context around it.
    """

    target: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    outputs: Any
    scopes: tuple[Scope, ...]
    autocast: Mapping[str, Any] | None = None

    def names(self) -> Iterator[str]:
        return _flat(self.outputs)

    def uses(self) -> Iterator[str]:
        return (ref.name for ref in _refs((self.args, self.kwargs)))


@dataclass(frozen=True, slots=True)
class Graph:
    """Nodes in execution order, and the names of inputs and outputs."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    nodes: tuple[Node, ...]

    def all_nodes(self) -> Iterator[Node]:
        """The nodes, and those of the graphs among their arguments."""
        for node in self.nodes:
            yield node
            for inner in (*node.args, *node.kwargs.values()):
                if isinstance(inner, SubGraph):
                    yield from inner.graph.all_nodes()


@dataclass(frozen=True, slots=True, eq=False)
class SubGraph:
    """A graph in the arguments of a higher-order operator: a branch, the body of a loop.

    `depth` is the number of module calls around it; `single`: whether it returns one tensor instead
    of a tuple.
    """

    graph: Graph
    depth: int
    single: bool


def _flat(names: Any) -> Iterator[str]:
    if isinstance(names, str):
        yield names
    elif names is not None:
        for name in names:
            yield from _flat(name)


def _refs(value: Any) -> Iterator[Ref]:
    if isinstance(value, Ref):
        yield value
    elif isinstance(value, tuple | list):
        for item in value:
            yield from _refs(item)
    elif isinstance(value, dict):
        yield from _refs(tuple(value.values()))
