"""From the resolved nodes of an ONNX graph to a `Trace`, as if it had run in order."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import count

from msgspec.structs import replace

from ...trace.records import (
    Call,
    ControlFlow,
    Kind,
    Module,
    Op,
    Parameter,
    TensorSpec,
    Trace,
    TracedInput,
    tensors_in,
)
from .graph_values import Values
from .inference import Value
from .node_call import Step
from .operands import Use, use_of
from .owning_modules import Scope, is_one_layer, layer_of, module_of, place_of
from .translators import steps_of

Tensors = tuple[TensorSpec, ...]


def record(
    name: str, values: Values, inputs: Sequence[tuple[str | None, TensorSpec]],
    outputs: Sequence[Value],
) -> Trace:  # fmt: skip
    """The trace of the graph called `name`: module calls, operators and parameters."""
    tensors = tuple(tensor for _, tensor in inputs)
    results = tuple(value.tensor for value in outputs if value.tensor is not None)
    recording = _Recording(values, tensors, results)
    root = Module("", name, "Module", {})
    call = recording.open(None, root, "module", tensors, results)
    recording.group(0, len(values.nodes), 0, call)
    recording.leave_out()
    return Trace(
        model=name,
        mode="eval",
        lane="onnx",
        inputs=tuple(TracedInput(keyword, tensor) for keyword, tensor in inputs),
        input_bytes=recording.lifetimes.input_bytes,
        calls=tuple(recording.calls),
        ops=tuple(recording.ops),
        modules=recording.modules,
        parameters=tuple(recording.parameters()),
        control_flow=tuple(recording.control_flow()),
        uncounted_branches=tuple(recording.uncounted),
    )


class _Recording:
    def __init__(self, values: Values, inputs: Tensors, outputs: Tensors) -> None:
        self.values = values
        self.nodes = values.nodes
        self.steps = [steps_of(node, values) for node in self.nodes]
        self.places = [place_of(node) for node in self.nodes]
        self.lifetimes = Lifetimes(self.steps, inputs, outputs)
        self.calls: list[Call] = []
        self.ops: list[Op] = []
        self.uncounted: list[Op] = []
        self.modules: dict[str, Module] = {}
        self._executions: Counter[str] = Counter()
        self._users: dict[str, dict[str, None]] = defaultdict(dict)
        self._folded: set[int] = set()
        self._numbers: dict[str, Iterator[int]] = {}

    def group(self, start: int, end: int, depth: int, parent: int) -> None:
        """Open the calls for the nodes [start, end), which are in the module of `parent`."""
        index = start
        while index < end:
            scopes, stop = self.places[index].scopes, index + 1
            if len(scopes) <= depth:
                self._record_node(index, parent)
                index += 1
                continue
            while stop < end and self.places[stop].scopes[depth : depth + 1] == (scopes[depth],):
                stop += 1
            inner = [place.scopes[depth + 1 :] for place in self.places[index:stop]]
            if not any(inner) and is_one_layer(scopes[depth], self.nodes[index:stop]):
                module = layer_of(scopes[depth], self.nodes[index:stop])
                call = self.open(parent, module, "module", *self._interface(index, stop))
                self._record_operators(index, stop, call)
            else:
                module = _container(scopes[depth])
                call = self.open(parent, module, "module", *self._interface(index, stop))
                self.group(index, stop, depth + 1, call)
            index = stop

    def _record_node(self, index: int, parent: int) -> None:
        """Record a node that has a row of its own in a module of several nodes."""
        node, place = self.nodes[index], self.places[index]
        path = f"{place.scopes[-1].path}.{place.label}" if place.scopes else place.label
        module = module_of(path, node)
        kind: Kind = "function" if module is None else "module"
        if module is not None and path in self.modules:  # layers without names: number them
            numbers = self._numbers.setdefault(path, count(1))
            path = next(p for n in numbers if (p := f"{path}_{n}") not in self.modules)
            module = module_of(path, node)
        module = module or Module(path, node.type, "", {})
        call = self.open(parent, module, kind, *self._interface(index, index + 1))
        self._record_operators(index, index + 1, call)

    def open(
        self, parent: int | None, module: Module, kind: Kind, inputs: Tensors, outputs: Tensors
    ) -> int:
        if kind == "module":
            self.modules.setdefault(module.path, module)
        execution = self._executions[module.path]
        self._executions[module.path] += 1
        index = len(self.calls)
        depth = 0 if parent is None else self.calls[parent].depth + 1
        self.calls.append(
            Call(index, parent, depth, module.path, execution, kind, module.type,
                 module if kind == "module" else None, inputs, outputs,
                 self.lifetimes.new_bytes(outputs))
        )  # fmt: skip
        return index

    def _interface(self, start: int, stop: int) -> tuple[Tensors, Tensors]:
        """The inputs of the nodes [start, stop), and those of their outputs that are used later."""
        computed: dict[int, TensorSpec] = {}
        read: list[TensorSpec] = []
        for node in self.nodes[start:stop]:
            operands = (v.tensor for v in node.inputs if v and not v.constant and v.tensor)
            read += (tensor for tensor in operands if tensor.value not in computed)
            computed |= {v.tensor.value: v.tensor for v in node.outputs if v and v.tensor}
        if stop - start > 1:  # a tensor is one input of a module; an operator may have it twice
            read = list({tensor.value: tensor for tensor in read}.values())
        used = (t for t in computed.values() if self.lifetimes.is_read_from(t, stop))
        return tuple(read), tuple(used)

    def _record_operators(self, start: int, stop: int, call: int) -> None:
        """Record the operators of the nodes [start, stop) in execution order."""
        for index in range(start, stop):
            node = self.nodes[index]
            for position, value in enumerate(node.inputs):
                if value is not None and value.constant:
                    self._use(value, use_of(node.op, position), call)
            ops = self.uncounted if index in self.values.left_out else self.ops
            for step in self.steps[index]:
                live = self.lifetimes.allocate(step)
                ops.append(Op(step.name, "default", step.args, dict(step.kwargs or {}),
                                   step.outputs, call, live))  # fmt: skip
            self.lifetimes.free_after(index)

    def leave_out(self) -> None:
        """Mark the calls of the branches that do not count."""
        branches = {flow.branches[1] for flow in self.values.flows if flow.branches}
        self.calls = [
            replace(call, counted=False) if call.path in branches else call for call in self.calls
        ]

    def control_flow(self) -> Iterator[ControlFlow]:
        by_path = {call.path: call.index for call in reversed(self.calls)}
        for flow in self.values.flows:
            if flow.path in by_path:  # else nothing in it runs
                branches = tuple(by_path.get(path, -1) for path in flow.branches)
                call = by_path[flow.path]
                yield ControlFlow(flow.operator, call, branches, flow.iterations, flow.bound)

    def _use(self, value: Value, use: Use, call: int) -> None:
        """Record the use of a constant's stored tensors, and once the operator that computes it."""
        stored = [self.values.stored[source] for source in value.sources]
        for source in value.sources:
            self.values.uses.note(source, use)
            self._users[source].setdefault(self.calls[call].path)
        tensor = value.tensor
        if tensor is None or tensor.value in self._folded:
            return
        if any(source.value != tensor.value for source in stored):
            self._folded.add(tensor.value)
            self.ops.append(Op("onnx.constant", "default", tuple(stored), {}, (tensor,), call,
                               self.lifetimes.live_bytes))  # fmt: skip

    def parameters(self) -> Iterator[Parameter]:
        """The parameters and buffers, each under the first row that uses it."""
        for name, tensor in self.values.stored.items():
            kind = self.values.uses.kind(name, tensor)
            owner, *others = self._users.get(name, {"": None})
            if kind is not None:
                short = name.rpartition(".")[2]
                yield Parameter(
                    name, owner, tuple(f"{path}.{short}" for path in others), tensor.shape,
                    tensor.dtype, tensor.itemsize, kind == "parameter", kind == "buffer",
                )  # fmt: skip


def _container(scope: Scope) -> Module:
    return Module(scope.path, scope.type.rpartition(".")[2], "Module", {})


class Lifetimes:
    """The memory of tensors: call `allocate` for each step, `free_after` for each node, in order.

    A tensor is freed after the last node that reads it or a view of it; inputs are never freed.
    Views of inputs and of weights use no memory.
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
        # a storage is alive until the last read of any of its views
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

    def is_read_from(self, tensor: TensorSpec, index: int) -> bool:
        """Whether node `index` or a later one reads the tensor, or the graph returns it."""
        return self._last_read.get(tensor.value, -1) >= index

    def new_bytes(self, tensors: Sequence[TensorSpec]) -> int:
        """The bytes of the tensors that are not views."""
        return sum(t.nbytes for t in tensors if self._storage.get(t.value) == t.value)

    def allocate(self, step: Step) -> int:
        """Allocate the outputs of a step; the bytes alive when it returns."""
        self.live_bytes += self.new_bytes(step.outputs)
        return self.live_bytes

    def free_after(self, index: int) -> None:
        """Free the tensors that no node after `index` reads."""
        self.live_bytes -= sum(self._bytes[storage] for storage in self._freed.get(index, ()))
