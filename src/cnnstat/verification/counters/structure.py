"""The structures that other counters walk: the graph of `torch.jit` and the tree of modules."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ...operators.registry import Trait, traits_of
from ...trace.records import Op, Trace
from ..differences import macs_of, module_paths
from ..results import Cause

UNUSED: tuple[Cause, str] = ("unseen", "results that no output depends on")


@dataclass(frozen=True, slots=True)
class Unit:
    """An operator of the graph, and our MACs of all operators it consists of.

    `used` is false if no output of the model depends on it: `torch.jit` removes it.
    """

    op: Op
    path: str
    macs: int
    used: bool

    @property
    def name(self) -> str:
        """`linear` for `aten.linear`; in-place forms count as the plain ones."""
        return self.op.name.removeprefix("aten.").removesuffix("_")


def units(trace: Trace) -> Iterator[Unit]:
    """The operators of the graph: the outermost composite around each that ran, in order."""
    outermost: list[int | None] = []  # the composite that represents each composite in the graph
    for number, op in enumerate(trace.composites):
        around = None if op.within is None else outermost[op.within]
        visited = None if op.name in _TRANSPARENT else number
        outermost.append(visited if around is None else around)
    recorded: dict[tuple[bool, int], Op] = {}
    macs: Counter[tuple[bool, int]] = Counter()
    for number, op in enumerate(trace.ops):
        around = None if op.within is None else outermost[op.within]
        key = (False, number) if around is None else (True, around)
        recorded.setdefault(key, op if around is None else trace.composites[around])
        macs[key] += macs_of(op)
    used = _used(trace, list(recorded.values()))
    paths = module_paths(trace)
    for (key, op), needed in zip(recorded.items(), used, strict=True):
        yield Unit(op, paths[op.call] if op.call >= 0 else "", macs[key], needed)


# Composites of which torch.jit records the parts: DONT_RECORD_TRACE in torch's
# tools/autograd/gen_trace_type.py.
_TRANSPARENT = frozenset({
    "aten.conv1d", "aten.conv2d", "aten.conv3d", "aten.conv_transpose1d", "aten.conv_transpose2d",
    "aten.conv_transpose3d", "aten.lstm_cell", "aten.gru_cell", "aten.rnn_tanh_cell",
    "aten.rnn_relu_cell",
})  # fmt: skip


def _used(trace: Trace, recorded: Sequence[Op]) -> list[bool]:
    """Whether the model's outputs depend on each operator.

    A copy into a view of a tensor changes the tensor.
    """
    results = {tensor.value for tensor in trace.calls[0].outputs} if trace.calls else set()
    if not results:  # its output has no tensors that the trace knows
        return [True] * len(recorded)
    base: dict[int, int] = {}
    for op in trace.ops:
        if Trait.LAYOUT in traits_of(op.name) and op.inputs:
            viewed = op.inputs[0].value
            base.update((out.value, base.get(viewed, viewed)) for out in op.outputs)
    used = []
    for op in reversed(recorded):
        results_of_op = {tensor.value for tensor in op.outputs}
        if op.name.endswith("_"):
            results_of_op |= {base[value] for value in results_of_op if value in base}
        needed = not results_of_op.isdisjoint(results)
        if needed:
            results.update(tensor.value for tensor in op.inputs)
        used.append(needed)
    return used[::-1]


class ModuleTree:
    """The modules of a model by all their names, and the parameters in each."""

    def __init__(self, trace: Trace) -> None:
        self._modules = trace.modules
        self.canonical = {
            name: module.path
            for module in trace.modules.values()
            for name in (module.path, *module.aliases)
        }
        self._children: dict[str, list[str]] = {}
        for name, path in self.canonical.items():
            if name:
                parent = self.canonical[name.rpartition(".")[0]]
                self._children.setdefault(parent, []).append(path)
        self._parameters: dict[str, list[tuple[str, int]]] = {}
        for parameter in (p for p in trace.parameters if not p.buffer):
            around = set()
            for name in (parameter.name, *parameter.aliases):
                parts = name.split(".")
                for length in range(len(parts)):
                    path = ".".join(parts[:length])
                    if path not in around and path in trace.modules:
                        around.add(path)
                        inside = self._parameters.setdefault(path, [])
                        inside.append((".".join(parts[length:]), parameter.numel))

        self._listed = self._walk()

    def parameters_in(self, path: str) -> list[tuple[str, int]]:
        """The name below `path` and the size of each parameter, without second names."""
        return self._parameters.get(path, [])

    def numel(self, path: str) -> int:
        return sum(numel for _, numel in self.parameters_in(path))

    def is_leaf(self, path: str) -> bool:
        """`not any(module.children())`: an empty container is false."""
        return not any(self._is_true(child) for child in self._children.get(path, ()))

    def _is_true(self, path: str) -> bool:
        if self._modules[path].base in ("Sequential", "ModuleList", "ModuleDict"):
            return bool(self._children.get(path))
        if self._modules[path].base in ("ParameterList", "ParameterDict"):
            return bool(self._parameters.get(path))
        return True

    def names_around(self, path: str) -> list[str]:
        """The names of the modules around one and its own, without the model.

        They follow its last name, to which torchinfo moves its hooks.
        """
        module = self._modules[path]
        parts = (module.path, *module.aliases)[-1].split(".")
        return [".".join(parts[: length + 1]) for length in range(len(parts)) if path]

    def listed(self, path: str) -> int:
        """The number of times that a walk over `named_children` visits a module."""
        return self._listed[path]

    def _walk(self) -> Counter[str]:
        """Visit each member once for each name of its parent: `named_children` skips a second name
        in the same module, and all names below it."""
        reached: set[str] = set()
        listed: Counter[str] = Counter()
        visited: set[tuple[str, str]] = set()
        for name in sorted(self.canonical, key=lambda name: name.count(".") + bool(name)):
            parent, path = name.rpartition(".")[0], self.canonical[name]
            if name and (parent not in reached or (parent, path) in visited):
                continue
            visited.add((parent, path))
            reached.add(name)
            listed[path] += 1
        return listed
