"""From the resolved nodes of an ONNX graph to a `Trace`, as if the graph had been run."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import count

from ...trace.records import (
    Call,
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
    """The trace of the graph called `name`: its calls by module, its operators, its parameters."""
    given = tuple(tensor for _, tensor in inputs)
    results = tuple(value.tensor for value in outputs if value.tensor is not None)
    recording = _Recording(values, given, results)
    root = Module("", name, "Module", {})
    call = recording.open(None, root, "module", given, results)
    recording.group(0, len(values.nodes), 0, call)
    return Trace(
        model=name,
        mode="eval",
        lane="onnx",
        inputs=tuple(TracedInput(own, tensor) for own, tensor in inputs),
        input_bytes=recording.lives.input_bytes,
        calls=tuple(recording.calls),
        ops=tuple(recording.ops),
        modules=recording.modules,
        parameters=tuple(recording.parameters()),
    )


class _Recording:
    def __init__(self, values: Values, inputs: Tensors, outputs: Tensors) -> None:
        self.values = values
        self.nodes = values.nodes
        self.steps = [steps_of(node, values) for node in self.nodes]
        self.places = [place_of(node) for node in self.nodes]
        self.lives = Lifetimes(self.steps, inputs, outputs)
        self.calls: list[Call] = []
        self.ops: list[Op] = []
        self.modules: dict[str, Module] = {}
        self._executions: Counter[str] = Counter()
        self._users: dict[str, dict[str, None]] = defaultdict(dict)
        self._folded: set[int] = set()

    def group(self, start: int, end: int, depth: int, parent: int) -> None:
        """Open the calls for the nodes [start, end), which stand in the module of `parent`."""
        index = start
        while index < end:
            scopes, stop = self.places[index].scopes, index + 1
            if len(scopes) <= depth:
                self._row(index, parent)
                index += 1
                continue
            while stop < end and self.places[stop].scopes[depth : depth + 1] == (scopes[depth],):
                stop += 1
            inner = [place.scopes[depth + 1 :] for place in self.places[index:stop]]
            if not any(inner) and is_one_layer(scopes[depth], self.nodes[index:stop]):
                module = layer_of(scopes[depth], self.nodes[index:stop])
                call = self.open(parent, module, "module", *self._interface(index, stop))
                self._note(index, stop, call)
            else:
                module = _container(scopes[depth])
                call = self.open(parent, module, "module", *self._interface(index, stop))
                self.group(index, stop, depth + 1, call)
            index = stop

    def _row(self, index: int, parent: int) -> None:
        """A node that stands in a module with others."""
        node, place = self.nodes[index], self.places[index]
        path = f"{place.scopes[-1].path}.{place.label}" if place.scopes else place.label
        module = module_of(path, node)
        kind: Kind = "function" if module is None else "module"
        if module is not None and path in self.modules:  # a layer without a name of its own
            path = next(p for n in count(1) if (p := f"{path}_{n}") not in self.modules)
            module = module_of(path, node)
        module = module or Module(path, node.type, "", {})
        call = self.open(parent, module, kind, *self._interface(index, index + 1))
        self._note(index, index + 1, call)

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
                 module if kind == "module" else None, inputs, outputs, self.lives.made(outputs))
        )  # fmt: skip
        return index

    def _interface(self, start: int, stop: int) -> tuple[Tensors, Tensors]:
        """What the nodes [start, stop) read from outside, and what is read of them behind."""
        made: dict[int, TensorSpec] = {}
        read: list[TensorSpec] = []
        for node in self.nodes[start:stop]:
            operands = (v.tensor for v in node.inputs if v and not v.constant and v.tensor)
            read += (tensor for tensor in operands if tensor.value not in made)
            made |= {v.tensor.value: v.tensor for v in node.outputs if v and v.tensor}
        if stop - start > 1:  # a module takes a tensor once, an operator may take it twice
            read = list({tensor.value: tensor for tensor in read}.values())
        handed = (tensor for tensor in made.values() if self.lives.is_read_behind(tensor, stop))
        return tuple(read), tuple(handed)

    def _note(self, start: int, stop: int, call: int) -> None:
        """Note the operators of the nodes [start, stop) in the order in which they would run."""
        for index in range(start, stop):
            node = self.nodes[index]
            for position, value in enumerate(node.inputs):
                if value is not None and value.constant:
                    self._use(value, use_of(node.op, position), call)
            for step in self.steps[index]:
                live = self.lives.after(step)
                self.ops.append(Op(step.name, "default", step.args, dict(step.kwargs or {}),
                                   step.outputs, call, live))  # fmt: skip
            self.lives.leave(index)

    def _use(self, value: Value, use: Use, call: int) -> None:
        """Note who uses the stored tensors that a constant is made from, and that it was made."""
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
                               self.lives.live_bytes))  # fmt: skip

    def parameters(self) -> Iterator[Parameter]:
        """The stored tensors that meet data, each under the first row that uses it."""
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
    """Follows the steps of each node in order: `after` every step, `leave` every node.

    A tensor is freed behind the last node that reads it or a view of it; inputs stay to the end.
    Views of inputs and of weights take nothing.
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

    def is_read_behind(self, tensor: TensorSpec, index: int) -> bool:
        """Whether node `index` or a later one reads the tensor, or the graph returns it."""
        return self._last_read.get(tensor.value, -1) >= index

    def made(self, tensors: Sequence[TensorSpec]) -> int:
        """The bytes of those that are no views."""
        return sum(t.nbytes for t in tensors if self._storage.get(t.value) == t.value)

    def after(self, step: Step) -> int:
        """The bytes alive when the step returns."""
        self.live_bytes += self.made(step.outputs)
        return self.live_bytes

    def leave(self, index: int) -> None:
        """Free what nothing behind node `index` reads."""
        self.live_bytes -= sum(self._bytes[storage] for storage in self._freed.get(index, ()))
