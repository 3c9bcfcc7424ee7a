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
    """An operator of the graph, and our MACs of all that it consists of.

    `used` is false where no output of the model depends on it: it is cut off.
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
    outermost: list[int | None] = []  # for each composite the one that stands for it
    for number, op in enumerate(trace.composites):
        around = None if op.within is None else outermost[op.within]
        seen = None if op.name in _SEEN_THROUGH else number
        outermost.append(seen if around is None else around)
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


# What torch.jit leaves out of its graph and records the inside of: DONT_RECORD_TRACE in torch's
# tools/autograd/gen_trace_type.py.
_SEEN_THROUGH = frozenset({
    "aten.conv1d", "aten.conv2d", "aten.conv3d", "aten.conv_transpose1d", "aten.conv_transpose2d",
    "aten.conv_transpose3d", "aten.lstm_cell", "aten.gru_cell", "aten.rnn_tanh_cell",
    "aten.rnn_relu_cell",
})  # fmt: skip


def _used(trace: Trace, recorded: Sequence[Op]) -> list[bool]:
    """For each operator whether the model's outputs depend on it.

    What is copied into a view of a tensor is part of that tensor.
    """
    results = {tensor.value for tensor in trace.calls[0].outputs} if trace.calls else set()
    if not results:  # it returns something that holds no tensors that we know of
        return [True] * len(recorded)
    base: dict[int, int] = {}
    for op in trace.ops:
        if Trait.LAYOUT in traits_of(op.name) and op.inputs:
            viewed = op.inputs[0].value
            base.update((out.value, base.get(viewed, viewed)) for out in op.outputs)
    used = []
    for op in reversed(recorded):
        made = {tensor.value for tensor in op.outputs}
        if op.name.endswith("_"):
            made |= {base[value] for value in made if value in base}
        needed = not made.isdisjoint(results)
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
        """Name below `path` and size of each parameter, one with two names once."""
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
        """The names of the modules around one, the model left out, and its own: by its last name,
        to which torchinfo moves its hooks."""
        module = self._modules[path]
        parts = (module.path, *module.aliases)[-1].split(".")
        return [".".join(parts[: length + 1]) for length in range(len(parts)) if path]

    def listed(self, path: str) -> int:
        """How often a walk over `named_children` of each module comes across this one."""
        return self._listed[path]

    def _walk(self) -> Counter[str]:
        """Each member once for each name of the module around it: `named_children` leaves out a
        second name in the same module, and all names below that."""
        reached: set[str] = set()
        listed: Counter[str] = Counter()
        seen: set[tuple[str, str]] = set()
        for name in sorted(self.canonical, key=lambda name: name.count(".") + bool(name)):
            parent, path = name.rpartition(".")[0], self.canonical[name]
            if name and (parent not in reached or (parent, path) in seen):
                continue
            seen.add((parent, path))
            reached.add(name)
            listed[path] += 1
        return listed
