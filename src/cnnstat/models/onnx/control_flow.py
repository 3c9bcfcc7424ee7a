"""If, Loop and Scan: their graphs are followed like the graph around them.

If      all branches; the one that costs most counts. One on a constant runs only one.
Loop    as often as its maximum or its condition says, if that is constant; else once
Scan    once for each element of its inputs
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from onnx import GraphProto, NodeProto, helper

from ...trace.records import Bound, TensorSpec
from .inference import Resolved, Value, dtype_of

MOST_ITERATIONS = 1_000
"""Of a loop; those beyond are left out, and the figures are lower bounds."""
_MOST_NODES = 50_000  # of all loops together
_MOST_COUNTED = 64  # elements of a value from which a loop may count


@dataclass(frozen=True, slots=True)
class Flow:
    """An If or a Loop, by the path of its row; as `ControlFlow` has it.

    `branches` are the paths of the rows of the branches, the counted one first.
    """

    operator: str
    path: str
    branches: tuple[str, ...] = ()
    iterations: int | None = None
    bound: Bound = "exact"


class Graphs(Protocol):
    """What follows a graph: `Values`."""

    values: dict[str, Value]
    nodes: list[Resolved]
    left_out: set[int]
    flows: list[Flow]
    within: tuple[tuple[str, str], ...]

    def add_graph(self, graph: GraphProto) -> None: ...
    def tensor(self, shape: Sequence[int], dtype: str) -> TensorSpec: ...
    def amount_since(self, node: int) -> tuple[int, int]: ...


def follow(
    graphs: Graphs, node: NodeProto, inputs: Sequence[Value | None], attributes: Mapping[str, Any],
    opset: int,
) -> bool:  # fmt: skip
    """Follow the graphs of a node; False for a node that has none, or whose inputs are unknown."""
    run = _FOLLOWED.get(node.op_type)
    if run is None or (node.op_type == "Scan" and opset < 9):
        return False
    outputs = run(graphs, node, inputs, attributes)
    if outputs is None:
        return False
    for name, value in zip(node.output, outputs, strict=True):
        if name:
            graphs.values[name] = value
    return True


def _if(
    graphs: Graphs, node: NodeProto, inputs: Sequence[Value | None], attributes: Mapping[str, Any]
) -> list[Value]:
    path = _path_of(graphs, node)
    branches = []
    for name in ("then_branch", "else_branch"):
        graph, since = attributes[name], len(graphs.nodes)
        with _inside(graphs, (path, "If"), (f"{path}.{name}", name)):
            graphs.add_graph(graph)
        results = [graphs.values[info.name] for info in graph.output]
        amount = graphs.amount_since(since)
        branches.append((amount, f"{path}.{name}", range(since, len(graphs.nodes)), results))
    first, second = branches
    if second[0] > first[0]:
        first, second = second, first
    graphs.left_out.update(second[2])
    graphs.flows.append(Flow("If", path, (first[1], second[1])))
    return first[3]


def _loop(
    graphs: Graphs, node: NodeProto, inputs: Sequence[Value | None], attributes: Mapping[str, Any]
) -> list[Value] | None:
    body = attributes["body"]
    most, going = [*inputs, None, None][:2]
    limit = None if most is None or most.array is None else int(most.array.reshape(-1)[0])
    unlimited = most is None
    go_on = True if going is None else _is_true(going)
    state = [_state(graphs, value) for value in inputs[2:]]
    if any(value is None for value in state):
        return None
    path, bound = _path_of(graphs, node), _EXACT
    iterations = 0
    stacked: list[list[Value]] = []
    while go_on is not False and (limit is None or iterations < limit):
        if go_on is None or (limit is None and not unlimited):
            bound = "at most" if limit is not None else "at least"
        too_many = iterations == MOST_ITERATIONS or len(graphs.nodes) > _MOST_NODES
        if too_many or (bound == "at least" and iterations):
            bound = "at least"
            break
        step = [_number(graphs, iterations), _flag(graphs), *state]
        for info, value in zip(body.input, step, strict=True):
            graphs.values[info.name] = value  # type: ignore[assignment]  # none is None
        with _inside(graphs, (path, "Loop"), (f"{path}.{iterations}", "iteration")):
            graphs.add_graph(body)
        results = [graphs.values[info.name] for info in body.output]
        go_on = _is_true(results[0])
        state = [_state(graphs, value) for value in results[1 : 1 + len(state)]]
        stacked.append(results[1 + len(state) :])
        iterations += 1
    graphs.flows.append(Flow("Loop", path, (), iterations, bound))
    scans = len(node.output) - len(state)
    return [*state, *_stacked(graphs, stacked, [0] * scans)]  # type: ignore[list-item]  # none is None


def _scan(
    graphs: Graphs, node: NodeProto, inputs: Sequence[Value | None], attributes: Mapping[str, Any]
) -> list[Value] | None:
    body, count = attributes["body"], attributes["num_scan_inputs"]
    states = len(inputs) - count
    scanned = [value.tensor if value else None for value in inputs[states:]]
    axes = list(attributes.get("scan_input_axes") or [0] * count)
    state = [_state(graphs, value) for value in inputs[:states]]
    if any(value is None for value in (*state, *scanned)):
        return None
    path = _path_of(graphs, node)
    length = scanned[0].shape[axes[0]]  # type: ignore[union-attr]  # none is None
    stacked: list[list[Value]] = []
    for iteration in range(min(length, MOST_ITERATIONS)):
        parts = [_part(graphs, v, axis) for v, axis in zip(inputs[states:], axes, strict=True)]
        for info, value in zip(body.input, (*state, *parts), strict=True):
            graphs.values[info.name] = value  # type: ignore[assignment]  # none is None
        with _inside(graphs, (path, "Scan"), (f"{path}.{iteration}", "iteration")):
            graphs.add_graph(body)
        results = [graphs.values[info.name] for info in body.output]
        state = [_state(graphs, value) for value in results[:states]]
        stacked.append(results[states:])
    bound: Bound = "exact" if len(stacked) == length else "at least"
    graphs.flows.append(Flow("Scan", path, (), len(stacked), bound))
    out_axes = attributes.get("scan_output_axes") or [0] * (len(node.output) - states)
    return [*state, *_stacked(graphs, stacked, out_axes, length)]  # type: ignore[list-item]  # none is None


_EXACT: Bound = "exact"
_FOLLOWED: dict[str, Callable[..., list[Value] | None]] = {
    "If": _if, "Loop": _loop, "Scan": _scan,
}  # fmt: skip


@contextmanager
def _inside(graphs: Graphs, *scopes: tuple[str, str]) -> Iterator[None]:
    """The nodes added meanwhile have rows inside these, each a path and a type."""
    around = graphs.within
    graphs.within = (*around, *scopes)
    try:
        yield
    finally:
        graphs.within = around


def _path_of(graphs: Graphs, node: NodeProto) -> str:
    label = node.name.strip("/").replace("/", ".") or node.op_type.lower()
    around = graphs.within[-1][0] if graphs.within else ""
    path = f"{around}.{label}" if around else label
    used = {flow.path for flow in graphs.flows}
    names = (path, *(f"{path}_{number}" for number in range(1, len(used) + 1)))
    return next(name for name in names if name not in used)


def _state(graphs: Graphs, value: Value | None) -> Value | None:
    """A value carried from one iteration to the next: no constant, unless a loop counts from it."""
    if value is None or not value.constant or value.tensor is None:
        return value
    counts = value.array is not None and value.array.dtype.kind in "iub"
    if counts and value.array.size <= _MOST_COUNTED:
        return value
    return Value(value.type, graphs.tensor(value.tensor.shape, value.tensor.dtype))


def _is_true(value: Value) -> bool | None:
    return None if value.array is None else bool(value.array.all())


def _number(graphs: Graphs, number: int) -> Value:
    return _constant(graphs, np.asarray(number, np.int64))


def _flag(graphs: Graphs) -> Value:
    return _constant(graphs, np.asarray(True))


def _constant(graphs: Graphs, array: Any) -> Value:
    code = helper.np_dtype_to_tensor_dtype(array.dtype)
    proto = helper.make_tensor_type_proto(code, array.shape)
    return Value(proto, graphs.tensor(array.shape, dtype_of(code)), True, array)


def _part(graphs: Graphs, value: Value | None, axis: int) -> Value:
    """One element of a scanned input."""
    assert value is not None
    assert value.tensor is not None
    shape = list(value.tensor.shape)
    del shape[axis]
    return _of_shape(graphs, value, shape)


def _stacked(
    graphs: Graphs, iterations: Sequence[Sequence[Value]], axes: Sequence[int],
    length: int | None = None,
) -> list[Value]:  # fmt: skip
    """The results of all iterations, along a new axis."""
    if not iterations:
        return [Value(None, None) for _ in axes]
    found = []
    for value, axis in zip(iterations[-1], axes, strict=True):
        if value.tensor is None:
            found.append(Value(value.type, None))
            continue
        shape = list(value.tensor.shape)
        place = axis if axis >= 0 else len(shape) + 1 + axis
        shape.insert(place, len(iterations) if length is None else length)
        found.append(_of_shape(graphs, value, shape))
    return found


def _of_shape(graphs: Graphs, value: Value, shape: Sequence[int]) -> Value:
    assert value.tensor is not None
    proto = helper.make_tensor_type_proto(value.type.tensor_type.elem_type, shape)
    return Value(proto, graphs.tensor(shape, value.tensor.dtype))
