"""The recorder: the calls and operators of a run, recorded while it runs.

It sees nothing of the run itself: `observers.py` and `dispatch.py` call its methods.
"""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import torch
from msgspec import structs
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from ...errors import LaneError, ModelError, ModelPhase
from ...operators.registry import cost_of
from ...trace.records import (
    IN_THREADS,
    Call,
    Checkpoint,
    ControlFlow,
    Kind,
    Module,
    Op,
    TensorSpec,
    Unregistered,
)
from ...units import format_bytes
from ..structure.containers import PLAIN, PLAIN_TENSORS, output_tensors, tensors_among
from ..structure.modules import describe_module, is_library, is_scripted
from ..structure.packed import packed_tensors
from ..structure.sparse import is_sparse, storage_of, stored_in

MOST_KNOWN = 64
"""The maximum of elements of a tensor whose values are known without data."""


@dataclass(slots=True)
class OpenCall:
    """A call during the run; it becomes a `Call` afterwards."""

    index: int
    parent: OpenCall | None
    depth: int
    path: str
    call: int
    kind: Kind
    type: str
    module: Module | None
    library: bool
    inputs: tuple[TensorSpec, ...]
    first_op: int
    outputs: tuple[TensorSpec, ...] = ()
    new_bytes: int = 0
    counted: bool = True
    scripted: bool = False  # whether it runs in TorchScript

    def record(self) -> Call:
        parent = None if self.parent is None else self.parent.index
        return Call(self.index, parent, self.depth, self.path, self.call, self.kind, self.type,
                    self.module, self.inputs, self.outputs, self.new_bytes,
                    self.counted)  # fmt: skip


Observer = Callable[[OpenCall, Any], None]
Reader = Callable[[str, Sequence[Tensor], Any], Any]


@dataclass(slots=True)
class Attempt:
    """The operator about to run. It is recorded first, so a failure names it and its operands."""

    operator: Any
    name: str
    args: Any
    kwargs: Any
    call: OpenCall | None

    @property
    def calls(self) -> tuple[OpenCall, ...]:
        """The calls around it, the outermost first."""
        calls, call = [], self.call
        while call is not None:
            calls.append(call)
            call = call.parent
        return tuple(reversed(calls))


@dataclass
class Recorder:
    """Records calls and operators, and tracks which activation storages are alive.

    `limit` is the maximum of live bytes. `on_read` is called with the name of a function that reads
    a value, its tensors and the value; the model gets what it returns. `autocast`: whether it is on
    where the model runs. `find` returns the path at which the model has a module now. `devices` are
    the accelerators that the model's code names.
    """

    modules: dict[int, Module]
    on_return: Observer | None = None
    limit: int | None = None
    on_read: Reader | None = None
    find: Callable[[nn.Module], str | None] | None = None
    unregistered: list[Unregistered] = field(default_factory=list)
    checkpoints: list[Checkpoint] = field(default_factory=list)
    calls: list[OpenCall] = field(default_factory=list)
    ops: list[Op] = field(default_factory=list)
    composites: list[Op | None] = field(default_factory=list)
    stack: list[OpenCall] = field(default_factory=list)
    attempt: Attempt | None = None
    open_at_error: tuple[OpenCall, ...] = ()
    live_bytes: int = 0
    autocast: bool = False
    devices: dict[str, None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._executions: Counter[str] = Counter()
        self._values: dict[int, tuple[weakref.ref[Tensor], Any, TensorSpec]] = {}
        self._value_count = 0
        self._created: list[nn.Module] = []
        self._moved: list[Tensor] = []
        self._unregistered: dict[int, weakref.ref[nn.Module]] = {}
        self._parameters: dict[int, str] = {}
        self._newest: dict[int, TensorSpec] = {}  # by storage
        self._storages: dict[int, tuple[weakref.ref[Any], int, int]] = {}
        self._last_error = 0
        self._open_composites: list[int] = []
        self._left_out: set[int] = set()
        self._replaced: set[int] = set()
        self._with_threads: set[int] = set()
        self.root: nn.Module | None = None
        self.control_flow: list[ControlFlow] = []
        self.constants: dict[int, tuple[int, Tensor]] = {}  # with the position then

    # Tensors

    def register_parameter(self, name: str, tensor: Tensor) -> None:
        self._parameters.setdefault(storage_key(tensor), name)

    def replace_parameter(self, name: str, old: Tensor, new: Tensor) -> None:
        """Register another tensor for a parameter or buffer.

        The old one stays alive until the end of the run: an activation would get the identity of
        its storage, and would count as a parameter.
        """
        self._moved.append(old)
        self.register_parameter(name, new)

    @contextmanager
    def checkpoint(self, args: Any) -> Iterator[None]:
        """Record the operators inside as those of a reentrant checkpoint with these inputs."""
        first = len(self.ops)
        inputs = tuple(spec.value for spec in self.specs_in(args))
        yield
        self.checkpoints.append(Checkpoint(first, len(self.ops), inputs))

    def known_spec(self, tensor: Tensor) -> TensorSpec | None:
        """The spec of a tensor that was seen in the run."""
        known = self._values.get(id(tensor))
        return None if known is None or known[0]() is not tensor else known[2]

    def spec(self, tensor: Tensor) -> TensorSpec:
        # An id is reused once its tensor is freed, so the weak reference confirms the identity.
        known = self._values.get(id(tensor))
        key = storage_key(tensor)
        if known is None or known[0]() is not tensor:
            number = self._renamed(tensor, key)
        elif known[1] is tensor.dtype and known[2].shape == tensor.shape:
            return known[2]
        else:  # the same tensor, resized in place
            number = known[2].value
        if tensor.is_nested:
            place = f" at {self.stack[-1].path}" if self.stack and self.stack[-1].path else ""
            raise ModelError(
                f"the model works on nested tensors{place}, which have no shape: their rows differ "
                "in length",
                hint="a form of the model that pads its input",
            )
        dtype = tensor.dtype
        sparse = () if tensor.layout is torch.strided else stored_in(tensor)
        spec = TensorSpec(number, tuple(tensor.shape), _name(dtype), dtype.itemsize,
                          self._parameters.get(key), *sparse)  # fmt: skip
        self._values[id(tensor)] = (weakref.ref(tensor), dtype, spec)
        self._newest[key] = spec
        return spec

    def note_constant(self, tensor: Tensor, data: Any) -> None:
        """Record the values of a tensor without data, if they are few."""
        size: Any = tensor.numel()  # perhaps symbolic
        if isinstance(size, int) and size <= MOST_KNOWN:
            known = torch.as_tensor(data, dtype=tensor.dtype, device="cpu").clone()
            self.constants[self.spec(tensor).value] = len(self.ops), known

    def note_constants(self, tensors: Any) -> None:
        """Record the values of the tensors with data, in a run without."""
        for tensor in tensors_among(tensors):
            if tensor.is_cpu and not hasattr(tensor, "fake_mode"):
                self.note_constant(tensor, tensor)

    def _renamed(self, tensor: Tensor, key: int) -> int:
        """The number of a tensor that is not known: that of the same memory, for a subclass.

        What an operator returns becomes an instance of the subclass afterwards, unrecorded.
        """
        if type(tensor) not in PLAIN_TENSORS and key:
            newest = self._newest.get(key)
            if newest is not None and newest.shape == tensor.shape:
                return newest.value
        self._value_count += 1
        return self._value_count - 1

    def bytes_of(self, storage: torch.UntypedStorage) -> int:
        return storage.nbytes()

    def track(self, tensor: Tensor, born: int = -1) -> None:
        """Count the tensor's storage as alive until it is freed.

        `born` is the index of the op that allocated it, -1 for an input.
        """
        key = storage_key(tensor)
        if key == 0 or key in self._storages or key in self._parameters:
            return
        storage = storage_of(tensor)
        nbytes = self.bytes_of(storage) + stored_in(tensor)[1]

        # Python calls it when the last tensor of the storage is gone, a view or autograd's
        # included: that is what a device would keep in memory.
        def freed(_: object) -> None:
            self.live_bytes -= nbytes
            del self._storages[key]

        self._storages[key] = (weakref.ref(storage, freed), nbytes, born)
        self.live_bytes += nbytes
        if self.limit is not None and self.live_bytes > self.limit:
            raise LaneError(
                f"its activations take more than the {format_bytes(self.limit)} of memory that are "
                "left for them"
            )

    def freeze(self, value: Any) -> Any:
        """An argument as the record stores it: specs for tensors, plain values otherwise."""
        kind = type(value)
        if kind in PLAIN:
            return value
        if kind in PLAIN_TENSORS:
            return self.spec(value)
        if isinstance(value, Tensor):
            return "uninitialized" if is_lazy(value) else self.spec(value)
        if isinstance(value, (list, tuple)):
            return tuple([item if type(item) in PLAIN else self.freeze(item) for item in value])
        if isinstance(value, dict):
            return {str(key): self.freeze(item) for key, item in value.items()}
        if isinstance(value, torch.ScriptObject):
            return self._packed_specs(value) or str(value)
        return value if isinstance(value, int | float | str) else str(value)

    def _packed_specs(self, packed: torch.ScriptObject) -> tuple[TensorSpec, ...]:
        """The packed weights of the innermost layer, as parameters under its name."""
        place = self.stack[-1].path if self.stack else ""
        return tuple(
            structs.replace(self.spec(tensor), parameter=f"{place}.{name}" if place else name)
            for name, tensor in packed_tensors(packed).items()
        )

    def specs_in(self, *values: Any) -> tuple[TensorSpec, ...]:
        return tuple([self.spec(tensor) for tensor in tensors_among(values)])

    # Calls

    @property
    def in_library_module(self) -> bool:
        """Whether the innermost call is a layer of torch, whose inside has no rows."""
        return bool(self.stack) and self.stack[-1].library

    @property
    def phase(self) -> ModelPhase:
        return "forward"

    @property
    def failed_calls(self) -> tuple[OpenCall, ...]:
        """The calls that were open where the run failed, the outermost first."""
        return self.open_at_error if self.attempt is None else self.attempt.calls

    @property
    def current_call(self) -> int:
        """The index of the call to which the next operator belongs; -1 outside of all calls."""
        return self.stack[-1].index if self.stack else -1

    def open_module(self, module: nn.Module, inputs: Any) -> OpenCall:
        record = self.modules.get(id(module))
        if record is None and self.is_registered(module):
            record = self.modules[id(module)]
        if record is None:  # no module refers to it: a Python list, or a name in a forward
            path = self._child_path(type(module).__name__.lower())
            record = describe_module(module, path)
            self._note_unregistered(module, record)
        call = self._open("module", record.path, record.type, record, is_library(module), inputs)
        call.scripted = is_scripted(module)
        return call

    def open_recorded(self, record: Module) -> OpenCall:
        """Open the call of a module that TorchScript runs."""
        return self._open("module", record.path, record.type, record, True, ())

    def parameter_of(self, storage: int) -> str | None:
        return self._parameters.get(storage)

    def is_registered(self, module: nn.Module) -> bool:
        """Whether the module is part of the model, perhaps since this run created it."""
        if id(module) in self.modules:
            return True
        path = None if self.find is None else self.find(module)
        if path is not None:
            self.modules[id(module)] = describe_module(module, path)
            self._register_created(module, path)
        return path is not None

    def _note_unregistered(self, module: nn.Module, record: Module) -> None:
        known = self._unregistered.get(id(module))
        if known is not None and known() is module:
            return
        self._unregistered[id(module)] = weakref.ref(module)
        found = self._register_created(module, record.path)
        if found:
            self.unregistered.append(Unregistered(record.path, record.type, found))

    def _register_created(self, module: nn.Module, path: str) -> int:
        """Register the module's own parameters, which are no activations; returns their elements.

        The module stays alive until the end of the run: another would get its identity.
        """
        self._created.append(module)
        elements = 0
        for name, tensor in module._parameters.items():
            if tensor is None or is_lazy(tensor):
                continue
            _, nbytes, _ = self._storages.pop(storage_key(tensor), (None, 0, -1))
            self.live_bytes -= nbytes
            self.register_parameter(f"{path}.{name}", tensor)
            self._values.pop(id(tensor), None)  # its spec from before has no name
            elements += tensor.numel()
        return elements

    def open_root(self, module: nn.Module, inputs: Any) -> OpenCall:
        """Open the call of a model whose class has its own `__call__`."""
        self.root = module
        return self.open_module(module, inputs)

    def is_open_root(self, module: nn.Module) -> bool:
        """Whether the call of the model is open, and nothing inside it: its `__call__` goes on."""
        return module is self.root and len(self.stack) == 1

    def open_function(self, name: str, inputs: Any, library: bool = True) -> OpenCall:
        """`library`: whether what it calls has no rows."""
        return self._open("function", self._child_path(name), name, None, library, inputs)

    def _child_path(self, name: str) -> str:
        parent = self.stack[-1].path if self.stack else ""
        return f"{parent}.{name}" if parent else name

    def _open(
        self, kind: Kind, path: str, type: str, module: Module | None, library: bool, inputs: Any
    ) -> OpenCall:
        parent = self.stack[-1] if self.stack else None
        execution = self._executions[path]
        self._executions[path] += 1
        depth = 0 if parent is None else parent.depth + 1
        call = OpenCall(len(self.calls), parent, depth, path, execution, kind, type, module,
                        library, self.specs_in(inputs), len(self.ops))  # fmt: skip
        self.calls.append(call)
        self.stack.append(call)
        return call

    def close(self, call: OpenCall, result: Any) -> None:
        """`result` is what the call returned, or the exception that ended it."""
        if isinstance(result, BaseException):
            # The innermost call closes first, so the calls open then are where the error arose.
            # Only its id is stored: the exception would keep the tensors of its frames alive.
            if id(result) != self._last_error:
                self._last_error, self.open_at_error = id(result), tuple(self.stack)
            while self.stack.pop() is not call:
                pass
            return
        while self.stack.pop() is not call:  # those that TorchScript ran inside it
            pass
        tensors = tensors_among(result)
        if call.kind == "module" and type(result) not in PLAIN_TENSORS:
            tensors = max(tensors, list(output_tensors(result)), key=len)  # those in objects, too
        call.outputs = tuple([self.spec(tensor) for tensor in tensors])
        call.new_bytes = self.new_bytes_since(call.first_op, tensors)
        # A function without outputs and operators (a check, a print) is no row.
        did_something = call.outputs or len(self.ops) > call.first_op
        if call.kind == "function" and not did_something and self.calls[-1] is call:
            self.calls.pop()
            self._executions[call.path] -= 1
        elif self.on_return is not None:
            self.on_return(call, result)

    def new_bytes_since(self, first_op: int, tensors: Sequence[Tensor]) -> int:
        created = {}
        for tensor in tensors:
            key = storage_key(tensor)
            _, nbytes, born = self._storages.get(key, (None, 0, -1))
            if born >= first_op:
                created[key] = nbytes
        return sum(created.values())

    # Control flow

    @property
    def position(self) -> int:
        """How many operators ran."""
        return len(self.ops)

    def amount_since(self, position: int) -> tuple[Any, ...]:
        """The cost of the operators since then, by which branches are compared."""
        macs: Any = 0
        other_ops: Any = 0
        for op in self.counted_ops(position):
            cost = cost_of(op)
            if cost is not None:
                macs, other_ops = macs + cost.macs, other_ops + cost.other_ops
        return macs, other_ops

    def costs_more(self, amount: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
        return amount > other

    def leave_out(self, branch: OpenCall, since: int, until: int) -> None:
        """Leave the operators from `since` to `until`, those of `branch`, out of the figures."""
        branch.counted = False
        self._left_out.update(range(since, until))

    def replace_ops(self, since: int, name: str, args: Any, kwargs: Any, result: Any) -> None:
        """Record one operator in place of those from `since` on."""
        self._replaced.update(range(since, self.position))
        self.record_op(name, "", args, kwargs, result)

    def counted_ops(self, since: int = 0) -> Iterator[Op]:
        left_out = self._left_out | self._replaced
        for index in range(since, len(self.ops)):
            if index not in left_out:
                yield self.ops[index]

    @property
    def left_out_ops(self) -> list[Op]:
        return [self.ops[index] for index in sorted(self._left_out - self._replaced)]

    # Ops

    def record_op(self, name: str, overload: str, args: Any, kwargs: Any, result: Any) -> None:
        outputs = tensors_among(result)
        for tensor in outputs:
            self.track(tensor, len(self.ops))
        self.ops.append(self._op(name, overload, args, kwargs, outputs))

    def note_flops(self, flops: Any) -> None:
        """Record the FLOPs of the last operator by a formula that was registered with torch."""
        if self.ops:
            self.ops[-1] = structs.replace(self.ops[-1], flops=self.freeze(flops))

    def note_thread(self, call: int) -> None:
        """Note that a thread, which the call started, runs operators of the model."""
        self._with_threads.add(max(call, 0))

    def record_threads(self) -> None:
        """Record one operator without a rule for each call that started threads."""
        for index in sorted(self._with_threads):
            self.ops.append(Op(IN_THREADS, "", (), {}, (), index, self.live_bytes))
        self._with_threads.clear()

    def open_composite(self) -> None:
        self._open_composites.append(len(self.composites))
        self.composites.append(None)  # reserves its index: those inside it come later

    def close_composite(
        self, name: str, overload: str, args: Any, kwargs: Any, result: Any
    ) -> None:
        number = self._open_composites.pop()
        self.composites[number] = self._op(name, overload, args, kwargs, tensors_among(result))

    def _op(self, name: str, overload: str, args: Any, kwargs: Any, outputs: list[Tensor]) -> Op:
        within = self._open_composites[-1] if self._open_composites else None
        created = tuple([self.spec(tensor) for tensor in outputs])
        return Op(name, overload, self.freeze(args), self.freeze(kwargs) if kwargs else {},
                  created, self.current_call, self.live_bytes, within)  # fmt: skip


@cache
def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def storage_key(tensor: Tensor) -> int:
    """The identity of the tensor's storage; 0 for a tensor that has none (nested, opaque)."""
    try:
        return int(tensor.untyped_storage()._cdata)
    except (RuntimeError, NotImplementedError):
        return int(storage_of(tensor)._cdata) if is_sparse(tensor) else 0
