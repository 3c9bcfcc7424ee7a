"""The recorder: the calls and operators of a run, recorded while it runs.

It sees nothing of the run itself: `observers.py` and `dispatch.py` call its methods.
"""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from msgspec import structs
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from ...errors import ModelPhase
from ...operators.registry import cost_of
from ...trace.records import (
    IN_THREADS,
    Checkpoint,
    ControlFlow,
    Kind,
    Module,
    Op,
    Unregistered,
)
from ..structure.containers import PLAIN_TENSORS, output_tensors, tensors_among
from ..structure.modules import describe_module, is_library, is_scripted
from ..structure.nested import each_row, is_strided_nested, rows_of
from .open_calls import Attempt, OpenCall
from .tensor_records import TensorRecords

Observer = Callable[[OpenCall, Any], None]
Reader = Callable[[str, Sequence[Tensor], Any], Any]


@dataclass
class Recorder(TensorRecords):
    """Records calls and operators.

    `on_read` is called with the name of a function that reads a value, its tensors and the value;
    the model gets what it returns. `autocast`: whether it is on where the model runs. `find`
    returns the path at which the model has a module now. `devices` are the accelerators that the
    model's code names.
    """

    modules: dict[int, Module]
    on_return: Observer | None = None
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
    autocast: bool = False
    devices: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._executions: Counter[str] = Counter()
        self._created: list[nn.Module] = []
        self._unregistered: dict[int, weakref.ref[nn.Module]] = {}
        self._last_error = 0
        self._open_composites: list[int] = []
        self._left_out: set[int] = set()
        self._replaced: set[int] = set()
        self._with_threads: set[int] = set()
        self.returns_none = False
        self.root: nn.Module | None = None
        self.control_flow: list[ControlFlow] = []

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
            self.register_created(f"{path}.{name}", tensor)
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
        return f"{self.place}.{name}" if self.place else name

    @property
    def place(self) -> str:
        """The path of the innermost call; empty outside of all calls."""
        return self.stack[-1].path if self.stack else ""

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
        if call.parent is None:
            self.returns_none = result is None
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

    @contextmanager
    def checkpoint(self, args: Any) -> Iterator[None]:
        """Record the operators inside as those of a reentrant checkpoint with these inputs."""
        first = len(self.ops)
        inputs = tuple(spec.value for spec in self.specs_in(args))
        yield
        self.checkpoints.append(Checkpoint(first, len(self.ops), inputs))

    def record_op(self, name: str, overload: str, args: Any, kwargs: Any, result: Any) -> None:
        outputs = tensors_among(result)
        for tensor in outputs:
            self.track(tensor, len(self.ops))
        self.ops.append(self._op(name, overload, args, kwargs, outputs))

    def record_rows(self, name: str, overload: str, args: Any, kwargs: Any, result: Any) -> None:
        """Record an operator on strided nested tensors, with what it does on each of their rows."""
        nested = {
            self.spec(tensor).value: rows_of(tensor).shapes
            for tensor in tensors_among((args, kwargs, result))
            if is_strided_nested(tensor)
        }
        self.record_op(name, overload, args, kwargs, result)
        if any(is_strided_nested(tensor) for tensor in tensors_among(result)):
            op = self.ops[-1]
            self.ops[-1] = structs.replace(op, rows=each_row(op, nested))

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
