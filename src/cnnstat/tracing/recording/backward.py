"""The backward pass as autograd runs it: its operators, and the call whose gradients each computes.

Autograd numbers the nodes of its graph in the order in which it creates them. The next number is
recorded whenever a call opens or closes, so each node belongs to the call that was innermost when
it was created, and an operator of the backward pass to the call of the node that runs it.
"""

from __future__ import annotations

import warnings
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from msgspec import structs
from torch import Tensor
from torch.autograd.function import FunctionCtx

from ...errors import ModelPhase
from ...trace.records import Backward, Module, Op
from ..structure.containers import output_tensors, tensors_among
from .open_calls import OpenCall
from .recorder import Recorder

NUMBERS_NODES = hasattr(torch._C, "_current_autograd_node") and hasattr(
    torch._C._autograd, "_get_sequence_nr"
)
"""Whether this torch has the private functions for the numbers of nodes that are used here."""


def _run_engine(outputs: Sequence[Tensor], gradients: Sequence[Tensor]) -> None:
    """`torch.autograd.backward` without its check of shapes, which imports sympy (1 s)."""
    engine = getattr(torch.autograd.Variable, "_execution_engine", None)
    if engine is None:
        torch.autograd.backward(outputs, gradients)
        return
    engine.run_backward(
        tuple(outputs), tuple(gradients), False, False, (),
        allow_unreachable=True, accumulate_grad=True,
    )  # fmt: skip


def _next_number() -> int:
    """The number of the next node."""
    return int(torch._C._autograd._get_sequence_nr())


def _number_of(node: Any) -> int:
    """The number of a node; that of an AccumulateGrad is larger than any other."""
    return int(node._sequence_nr())


def _current_node() -> Any:
    """The node that autograd is running, None outside of a backward pass."""
    return torch._C._current_autograd_node()


def _is_custom(node: Any) -> bool:
    """Whether the node belongs to a `torch.autograd.Function`, written in Python."""
    return isinstance(node, FunctionCtx)


def _lacks_gradient(node: Any) -> bool:
    """Whether the node is that of an operator for which torch has no gradient."""
    return str(node.name()).endswith("NotImplemented")


_ROOT = 0  # the call of the model itself


@dataclass(frozen=True, slots=True)
class _Mark:
    """From node `number` on, `call` was innermost and `opened` calls had been opened."""

    number: int
    call: int
    opened: int


@dataclass(slots=True)
class _Repetition:
    """Calls repeated for the gradients of one node: a checkpoint recomputes its layers.

    `custom`: the node belongs to a `torch.autograd.Function`, which ran the layers itself after the
    node was created (reentrant checkpoints); else to one of the layers, which ran before it.
    """

    node: _Mark
    custom: bool
    calls: list[OpenCall] = field(default_factory=list)


class BackwardRecorder(Recorder):
    """Records a run with gradients and, after `begin_backward`, its backward pass."""

    def __init__(
        self, modules: dict[int, Module], limit: int | None = None, has_data: bool = False
    ) -> None:
        super().__init__(modules, limit=limit, has_data=has_data)
        self.in_backward = self.differentiable = False
        self._forward_calls = self._forward_ops = 0
        self._started: int | None = None
        self._gaps: list[int] = []
        self._repetitions: dict[int, _Repetition] = {}
        self._by_rule: set[int] = set()
        self._marks: list[_Mark] = []
        self._mark()

    def begin_backward(self, anything: bool) -> None:
        """From now on operators compute gradients; `anything`: whether there are any."""
        self.in_backward, self.differentiable = True, anything
        self._forward_calls, self._forward_ops = len(self.calls), len(self.ops)

    # Recording

    @property
    def in_library_module(self) -> bool:
        # The code of a gradient opens no calls; layers that it recomputes do.
        return super().in_library_module or (self.in_backward and not self.stack)

    @property
    def current_call(self) -> int:
        if not self.in_backward or self.stack or not NUMBERS_NODES:
            return super().current_call
        node = _current_node()
        return super().current_call if node is None else self._mark_at(_number_of(node)).call

    def record_op(self, name: str, overload: str, args: Any, kwargs: Any, result: Any) -> None:
        rule = None if not self.in_backward or self.stack else self._rule_of(self.current_call)
        if rule is None:
            super().record_op(name, overload, args, kwargs, result)
            return
        for tensor in tensors_among(result):
            self.track(tensor, len(self.ops))
        if rule.call not in self._by_rule:
            self._by_rule.add(rule.call)
            self.ops.append(structs.replace(rule, live_bytes=self.live_bytes))

    def _rule_of(self, index: int) -> Op | None:
        """The backward pass of a call by a rule of the user, as one operator."""
        call = self.calls[index] if index >= 0 else None
        while call is not None and call.by_rule is None:
            call = call.parent
        return None if call is None else call.by_rule

    def _open(self, *args: Any) -> OpenCall:
        call = super()._open(*args)
        self._mark()
        node = _current_node() if self.in_backward and NUMBERS_NODES else None
        if node is not None:
            number = _number_of(node)
            new = _Repetition(self._mark_at(number), _is_custom(node))
            self._repetitions.setdefault(number, new).calls.append(call)
        return call

    def close(self, call: OpenCall, result: Any) -> None:
        super().close(call, result)
        self._mark()

    def _mark(self) -> None:
        if NUMBERS_NODES:
            self._marks.append(_Mark(_next_number(), super().current_call, len(self.calls)))

    def _mark_at(self, number: int) -> _Mark:
        """The mark of the call in which the node of this number was created."""
        return self._marks[bisect_right(self._marks, number, key=lambda m: m.number) - 1]

    def lacks_gradient(self, number: int) -> None:
        """Record a node without gradient: autograd does not continue beyond it."""
        self._gaps.append(number)

    def starts(self, number: int, gradients: object) -> None:
        self._started = number

    @property
    def phase(self) -> ModelPhase:
        return "backward" if self.in_backward else "forward with gradients"

    @property
    def failed_calls(self) -> tuple[OpenCall, ...]:
        if not self.in_backward:
            return super().failed_calls
        # The call whose gradients were computed last, if known.
        call = -1 if self._started is None else self._mark_at(self._started).call
        return (self.calls[call],) if call >= 0 else ()

    # Results

    def record(
        self, forward: Sequence[OpenCall], trainable: bool, reached: frozenset[str]
    ) -> Backward:
        """The backward pass, with each operator in one of the calls of the run `forward`."""
        notes = []
        if not self.differentiable:
            reason = "no output depends on a parameter that is" if trainable else "no parameter is"
            notes.append(f"there is nothing to train: {reason} trained")
        elif not NUMBERS_NODES:
            notes.append("this version of torch does not tell whose gradients an operator computes:"
                         " the backward pass stands in the totals only")  # fmt: skip
        known = NUMBERS_NODES and not self._gaps
        return Backward(self._ops_of(forward), tuple(notes), reached if known else None)

    def _ops_of(self, forward: Sequence[OpenCall]) -> tuple[Op, ...]:
        repeated = self._repeated()
        known = {(call.path, call.call): call.index for call in forward}

        def owner(index: int) -> int:
            while index >= self._forward_calls:
                index = repeated.get(index, _ROOT)
            # With gradients a model may call other layers than without: then their caller.
            call: OpenCall | None = self.calls[index] if index >= 0 else None
            while call is not None and (call.path, call.call) not in known:
                call = call.parent
            return _ROOT if call is None else known[call.path, call.call]

        ran = [
            structs.replace(op, call=owner(op.call)) for op in self.counted_ops(self._forward_ops)
        ]
        return (*ran, *(self._unknown(owner(self._mark_at(n).call), forward) for n in self._gaps))

    def _unknown(self, call: int, forward: Sequence[OpenCall]) -> Op:
        """A placeholder for operators that did not run, which makes the totals lower bounds."""
        return Op(f"the gradient of {forward[call].type}", "", (), {}, (), call, 0)

    def _repeated(self) -> dict[int, int]:
        """For each repeated call the original, or the call of the node that repeated it.

        Originals are the last calls of the same path before the repetition; for a custom node, the
        first ones after the node was created.
        """
        by_path: dict[str, list[int]] = defaultdict(list)
        for call in self.calls:
            by_path[call.path].append(call.index)
        repeated: dict[int, int] = {}
        recorded = {id(call) for call in self.calls}  # the recorder drops those that did nothing
        for repetition in self._repetitions.values():
            calls = [call for call in repetition.calls if id(call) in recorded]
            first, opened = min((call.index for call in calls), default=0), repetition.node.opened
            again: dict[str, list[int]] = defaultdict(list)
            for call in calls:
                again[call.path].append(call.index)
            for path, indices in again.items():
                before = [i for i in by_path[path] if i < min(opened, first)][-len(indices) :]
                after = [i for i in by_path[path] if opened <= i < first][: len(indices)]
                originals = (after or before) if repetition.custom else (before or after)
                repeated |= dict.fromkeys(indices, repetition.node.call)
                repeated |= dict(zip(indices, originals, strict=False))
        return repeated


def run_backward(result: Any, recorder: BackwardRecorder) -> None:
    """Compute the gradients of everything on which `result` depends.

    The gradients of the outputs are provided, so the operators of a loss do not count.
    """
    with torch._C.DisableTorchFunction():  # these operators are no rows of the model
        outputs = list({id(t): t for t in output_tensors(result) if t.requires_grad}.values())
        gradients = [_gradient_for(output) for output in outputs]
        if NUMBERS_NODES:
            _watch_graph(outputs, recorder)
    recorder.begin_backward(anything=bool(outputs))
    with warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", ".*autograd kernel was not registered"
        )  # the report says it too
        if outputs:
            _run_engine(outputs, gradients)


def _gradient_for(output: Tensor) -> Tensor:
    if output.is_nested:
        return torch.ones_like(output, memory_format=torch.contiguous_format)
    make = torch.empty if output.is_meta else torch.ones
    return make(output.shape, dtype=output.dtype, device=output.device)


def _watch_graph(outputs: Sequence[Tensor], recorder: BackwardRecorder) -> None:
    """Record when each node of the graph starts, and which have no gradient.

    Autograd does not report which node failed.
    """
    pending, visited = [output.grad_fn for output in outputs], set()
    while pending:
        node = pending.pop()
        if node is not None and node not in visited:
            visited.add(node)
            node.register_prehook(partial(recorder.starts, _number_of(node)))
            if _lacks_gradient(node):
                recorder.lacks_gradient(_number_of(node))
            pending += [before for before, _ in node.next_functions]
