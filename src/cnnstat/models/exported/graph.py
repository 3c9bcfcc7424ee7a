"""A recorded graph: operators in the order in which they run, with names for what they hand on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Ref:
    """A value of the graph among the arguments of a node."""

    name: str


@dataclass(frozen=True, slots=True)
class Weight:
    """A parameter or buffer among the arguments of a node, by its name in the model."""

    name: str


@dataclass(frozen=True, slots=True)
class Scope:
    """A call of a module that a node stands in: `key` tells calls of one module apart."""

    key: str
    path: str
    type: str


@dataclass(frozen=True, slots=True)
class Node:
    """One operator. `outputs` are names, nested as the operator nests its results.

    `autocast` are the arguments of the `torch.autocast` around it.
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
    """Nodes in the order in which they run, the names that go in and those that come out."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    nodes: tuple[Node, ...]


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
