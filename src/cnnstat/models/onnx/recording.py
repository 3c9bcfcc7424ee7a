"""From the resolved nodes of an ONNX graph to a `Trace`, as if the graph had been run."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import count

from ...trace.records import Call, Kind, Module, Op, Parameter, TensorSpec, Trace, TracedInput
from .lifetimes import Lifetimes
from .operands import Use, use_of
from .operators import steps_of
from .places import Scope, is_one_layer, layer_of, module_of, place_of
from .resolved import Value
from .values import Values

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
