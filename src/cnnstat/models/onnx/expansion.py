"""The size of an ONNX model whose functions are inlined, before they are.

A file of a few kilobytes can define functions each of which calls the next one twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ...errors import ModelError

MAX_NODES = 200_000
MAX_DEPTH = 500  # of functions in functions: onnx's inliner recurses

Key = tuple[str, str, str]


def check_expansion(spec: str, model: Any) -> None:
    """Raise ModelError if a function calls itself, or inlining creates too many nodes."""
    calls = {
        (function.domain, function.name, getattr(function, "overload", "")): Counter(
            map(_key, nodes_in(function.node))
        )
        for function in model.functions
    }
    sizes, depths = _sizes(spec, calls)
    called = Counter(map(_key, nodes_in(model.graph.node)))
    total = sum(count * sizes.get(key, 1) for key, count in called.items())
    if total > MAX_NODES:
        raise ModelError(
            f"{spec} has functions that expand to {total:.3g} nodes",
            f"at most {MAX_NODES} are read",
        )
    deepest = max(depths.values(), default=0)
    if deepest > MAX_DEPTH:
        raise ModelError(
            f"{spec} has functions in functions, {deepest} deep", f"at most {MAX_DEPTH} are read"
        )


def nodes_in(nodes: Iterable[Any]) -> Iterator[Any]:
    """The nodes, and those of the graphs in their attributes."""
    for node in nodes:
        yield node
        for attribute in node.attribute:
            for graph in (attribute.g, *attribute.graphs):
                yield from nodes_in(graph.node)


def _key(node: Any) -> Key:
    return node.domain, node.op_type, getattr(node, "overload", "")


def _sizes(spec: str, calls: Mapping[Key, Counter[Key]]) -> tuple[dict[Key, int], dict[Key, int]]:
    """The number of nodes that each function expands to, and the depth of functions in it."""
    sizes: dict[Key, int] = {}
    depths: dict[Key, int] = {}
    for start in calls:
        path = {start: iter(calls[start])}  # not recursive: functions may be nested thousands deep
        while path:
            key, callees = next(reversed(path.items()))
            callee = next((c for c in callees if c in calls and c not in sizes), None)
            if callee in path:
                raise ModelError(f"{spec} is damaged: the function {callee[1]!r} calls itself")
            if callee is not None:
                path[callee] = iter(calls[callee])
                continue
            del path[key]
            sizes[key] = sum(n * sizes.get(c, 1) for c, n in calls[key].items())
            depths[key] = 1 + max((depths.get(c, 0) for c in calls[key]), default=0)
    return sizes, depths
