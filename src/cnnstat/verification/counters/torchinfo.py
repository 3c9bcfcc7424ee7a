"""torchinfo's summary: `torchinfo/layer_info.py`, `torchinfo.py`, 1.8. Its "mult-adds" are MACs.

Each call of a module without children counts its weights times part of its output's shape, whatever
its code does. The parameters of a module are its own less those of the modules listed inside it, so
a parameter shared by two modules counts twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from itertools import islice, takewhile
from math import prod
from typing import Any

from ...analysis.roles import role_of_module
from ...trace.records import Call, Module, Trace
from ..differences import Difference, Figures, macs_of
from ..results import Cause
from .sandbox import CountRequest
from .structure import ModuleTree


def count(request: CountRequest) -> Figures:
    from torchinfo import summary

    model, inputs, named = request.on("meta")
    mode: Any = request.mode
    data: Any = list(inputs) if inputs else named
    extra = named if inputs else {}
    with _sums_remembered():
        summed = summary(model, input_data=data, mode=mode, verbose=0, **extra)
    paths = {id(module): path for path, module in model.named_modules()}
    by_module: Counter[str] = Counter()
    for layer in summed.summary_list:
        if layer.is_leaf_layer:
            by_module[paths[layer.layer_id]] += layer.macs
    return Figures(summed.total_params, summed.total_mult_adds, by_module)


@contextmanager
def _sums_remembered() -> Iterator[None]:
    """torchinfo sums the parameters below a module anew for each module above it.

    In modules nested n deep that takes 2ⁿ steps; each sum is computed once here.
    """
    from torchinfo.layer_info import LayerInfo

    names = ("leftover_params", "leftover_trainable_params")
    before = {name: getattr(LayerInfo, name) for name in names}
    try:
        for name, function in before.items():
            setattr(LayerInfo, name, cache(function))
        yield
    finally:
        for name, function in before.items():
            setattr(LayerInfo, name, function)


def differences(trace: Trace) -> Iterator[Difference]:
    tree = ModuleTree(trace)
    ours = _macs_by_module_call(trace)
    for call in trace.calls:
        if ours[call.index] and not tree.is_leaf(call.path):
            what = "code outside layers without children: not counted"
            yield Difference(call.path, "unseen", what, -ours[call.index])
        elif _is_module(call, trace) and tree.is_leaf(call.path):
            yield from _leaf(call, tree, ours[call.index])
    if ours[_NO_CALL]:
        yield Difference("", "unseen", "code outside modules: not counted", -ours[_NO_CALL])
    yield from _parameters(trace, tree)


_NO_CALL = -1


def _is_module(call: Call, trace: Trace) -> bool:
    return call.module is not None and call.path in trace.modules


def _macs_by_module_call(trace: Trace) -> Counter[int]:
    """Our MACs by the index of the innermost call of a module around each operator."""
    around: list[int] = []
    for call in trace.calls:
        known = _is_module(call, trace) or call.parent is None
        around.append(call.index if known or call.parent is None else around[call.parent])
    macs: Counter[int] = Counter()
    for op in trace.ops:
        macs[around[op.call] if op.call >= 0 else _NO_CALL] += macs_of(op)
    return macs


def _leaf(call: Call, tree: ModuleTree, ours: int) -> Iterator[Difference]:
    """Weights and biases of one call of a layer, by torchinfo's `calculate_macs`."""
    assert call.module is not None
    size = call.outputs[0].shape if call.outputs else ()
    weights = biases = 0
    for name, numel in tree.parameters_in(call.path):
        if name in ("weight", "bias"):
            convolution = "Conv" in call.module.type
            positions = prod(size[:1] + size[2:]) if convolution else size[0]
        elif "weight" in name or "bias" in name:
            positions = prod(size[:2])
        else:
            continue
        if "bias" in name:
            biases += numel * positions
        else:
            weights += numel * positions
    kind, what = _of_weights(call.module)
    if kind == "norm":
        yield Difference(call.path, kind, what, weights + biases - ours)
        return
    yield Difference(call.path, "bias", "biases: counted like weights", biases)
    yield Difference(call.path, kind, what, weights - ours)


def _of_weights(module: Module) -> tuple[Cause, str]:
    """Why weights times output positions are not the MACs of a layer."""
    role = role_of_module(module.base)
    if role == "norm":
        return "norm", "norm layers: their parameters, once per example"
    if role == "embedding":
        return "embedding", "embeddings: the whole table, once per example"
    if role == "activation":
        return "activation", "activations: their parameters, once per example"
    if role == "conv" and "Conv" not in module.type:
        return "formula", "convolutions by other names: positions left out"
    if role == "conv" and "Transpose" in module.base:
        return "formula", "transposed convolutions: output for input positions"
    if role == "conv":
        return "formula", "convolutions: channels of unbatched input as batch"
    if module.base in ("Linear", "LazyLinear"):
        return "formula", "linear layers: middle dimensions left out"
    if role == "linear":
        return "formula", "bilinear layers: the second product left out"
    if role == "recurrent":
        return "formula", "recurrent layers: other than weights × steps"
    return "formula", "other layers: their weights instead of their code"


@dataclass(eq=False)
class _Row:
    """A row of torchinfo's summary."""

    path: str
    depth: int
    recursive: bool
    children: list[_Row] = field(default_factory=list)


def _parameters(trace: Trace, tree: ModuleTree) -> Iterator[Difference]:
    """The parameters that the sum over the summary's rows counts too often.

    A row without children counts its parameters. Any other row counts those that the rows below it
    have not counted, but at least 0: if two of these share a parameter, they count it twice.
    """
    rows = _summary(trace, tree)
    left: dict[_Row, int] = {}
    for row in reversed(rows):
        inside = sum(left[child] for child in row.children if not child.recursive)
        left[row] = tree.numel(row.path) - (0 if tree.is_leaf(row.path) else inside)
    for row in rows:
        if not row.recursive and left[row] < 0:
            what = "parameters in two modules: counted twice"
            yield Difference(row.path, "twice", what, -left[row], "params")


def _summary(trace: Trace, tree: ModuleTree) -> list[_Row]:
    """The rows: each module call, preceded by the containers around it that were not called."""
    visited: set[str] = set()
    rows: list[_Row] = []
    for call in trace.calls:
        if _is_module(call, trace):
            depth = len(tree.names_around(call.path))
            rows.append(_Row(call.path, depth, call.path in visited))
            visited.add(call.path)
    _add_missing_containers(rows, tree, visited)
    for number, row in enumerate(rows):
        row.children = _below(rows, number)
    return rows


def _below(rows: list[_Row], number: int) -> list[_Row]:
    depth = rows[number].depth
    return list(takewhile(lambda row: row.depth > depth, islice(rows, number + 1, None)))


def _add_missing_containers(rows: list[_Row], tree: ModuleTree, visited: set[str]) -> None:
    """torchinfo's function of this name, which inserts into the list it iterates over.

    A container has one row, which is inserted again if its members continue after others.
    """
    containers: dict[str, _Row] = {}
    current: dict[int, str] = {}
    for number, row in enumerate(rows):
        inserted = 0
        for depth, name in enumerate(tree.names_around(row.path)[:-1], start=1):
            path = tree.canonical[name]
            if current.get(depth) != path:
                container = containers.setdefault(name, _Row(path, depth, False))
                container.recursive |= path in visited
                rows.insert(number + inserted, container)
                visited.add(path)
                current[depth] = path
                inserted += 1
        current[row.depth] = row.path
        for depth in [depth for depth in current if depth > row.depth]:
            del current[depth]
