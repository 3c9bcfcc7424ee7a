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

from ..errors import ModelPhase
from ..trace.records import Backward, Module, Op
from .containers import tensors_inside
from .recorder import OpenCall, Recorder

NUMBERS_NODES = hasattr(torch._C, "_current_autograd_node") and hasattr(
    torch._C._autograd, "_get_sequence_nr"
)
"""Whether this torch numbers the nodes and tells which one is at work; else nothing here works."""


def _run_engine(outputs: Sequence[Tensor], gradients: Sequence[Tensor]) -> None:
    """What `torch.autograd.backward` does once it has compared the sizes of both.

    It compares them by sympy, whose import takes a second.
    """
    engine = getattr(torch.autograd.Variable, "_execution_engine", None)
    if engine is None:
        torch.autograd.backward(outputs, gradients)
        return
    engine.run_backward(
        tuple(outputs), tuple(gradients), False, False, (),
        allow_unreachable=True, accumulate_grad=True,
    )  # fmt: skip


def _next_number() -> int:
    """The number that the next node will get."""
    return int(torch._C._autograd._get_sequence_nr())


def _number_of(node: Any) -> int:
    """Of a node that adds up the gradient of a parameter it is larger than any other."""
    return int(node._sequence_nr())


def _current_node() -> Any:
    """The node whose gradients are being computed, None outside of a backward pass."""
    return torch._C._current_autograd_node()


def _is_custom(node: Any) -> bool:
    """Whether the node is that of a `torch.autograd.Function`, written in Python."""
    return isinstance(node, FunctionCtx)


def _lacks_gradient(node: Any) -> bool:
    """Whether the node stands for an operator whose gradient nobody has told torch."""
    return str(node.name()).endswith("NotImplemented")


_ROOT = 0  # the call of the model itself


@dataclass(frozen=True, slots=True)
class _Mark:
    """From the node `number` on, `call` was innermost and `opened` calls had been opened."""

    number: int
    call: int
    opened: int


@dataclass(slots=True)
class _Repetition:
    """Calls made again for the gradients of one node: a checkpoint runs its layers once more.

    `custom`: the node is that of a `torch.autograd.Function`, which ran the layers itself when it
    was made; else it is one of the layers', which had run before.
    """

    node: _Mark
    custom: bool
    calls: list[OpenCall] = field(default_factory=list)


class BackwardRecorder(Recorder):
    """Notes a run with gradients and, after `begin_backward`, its backward pass."""

    def __init__(self, modules: dict[int, Module], limit: int | None = None) -> None:
        super().__init__(modules, limit=limit)
        self.in_backward = self.differentiable = False
        self._forward_calls = self._forward_ops = 0
        self._started: int | None = None
        self._gaps: list[int] = []
        self._repetitions: dict[int, _Repetition] = {}
        self._marks: list[_Mark] = []
        self._mark()

    def begin_backward(self, anything: bool) -> None:
        """From now on operators are those of gradients; `anything`: whether there are any."""
        self.in_backward, self.differentiable = True, anything
        self._forward_calls, self._forward_ops = len(self.calls), len(self.ops)

    # What the recorder notes

    @property
    def in_library_module(self) -> bool:
        # The code of a gradient opens no rows; layers that it runs again do.
        return super().in_library_module or (self.in_backward and not self.stack)

    @property
    def innermost(self) -> int:
        if not self.in_backward or self.stack or not NUMBERS_NODES:
            return super().innermost
        node = _current_node()
        return super().innermost if node is None else self._made(_number_of(node)).call

    def _open(self, *args: Any) -> OpenCall:
        call = super()._open(*args)
        self._mark()
        node = _current_node() if self.in_backward and NUMBERS_NODES else None
        if node is not None:
            number = _number_of(node)
            new = _Repetition(self._made(number), _is_custom(node))
            self._repetitions.setdefault(number, new).calls.append(call)
        return call

    def close(self, call: OpenCall, result: Any) -> None:
        super().close(call, result)
        self._mark()

    def _mark(self) -> None:
        if NUMBERS_NODES:
            self._marks.append(_Mark(_next_number(), super().innermost, len(self.calls)))

    def _made(self, number: int) -> _Mark:
        """What was open when the node of this number was made."""
        return self._marks[bisect_right(self._marks, number, key=lambda m: m.number) - 1]

    def lacks_gradient(self, number: int) -> None:
        """The node's operator has none: autograd goes on to nothing that lies before it."""
        self._gaps.append(number)

    def starts(self, number: int, gradients: object) -> None:
        self._started = number

    @property
    def phase(self) -> ModelPhase:
        return "backward" if self.in_backward else "forward with gradients"

    @property
    def place(self) -> tuple[OpenCall, ...]:
        if not self.in_backward:
            return super().place
        # the call whose gradients were being computed last, nothing if that is not known
        call = -1 if self._started is None else self._made(self._started).call
        return (self.calls[call],) if call >= 0 else ()

    # What comes of it

    def record(self, forward: Sequence[OpenCall], trainable: bool) -> Backward:
        """The backward pass, told of the calls of the run `forward`."""
        notes = []
        if not self.differentiable:
            reason = "no output depends on a parameter that is" if trainable else "no parameter is"
            notes.append(f"there is nothing to train: {reason} trained")
        elif not NUMBERS_NODES:
            notes.append("this version of torch does not tell whose gradients an operator computes:"
                         " the backward pass stands in the totals only")  # fmt: skip
        return Backward(self._ops_of(forward), tuple(notes))

    def _ops_of(self, forward: Sequence[OpenCall]) -> tuple[Op, ...]:
        repeated = self._repeated()
        known = {(call.path, call.call): call.index for call in forward}

        def owner(index: int) -> int:
            while index >= self._forward_calls:
                index = repeated.get(index, _ROOT)
            # A model may call other layers where gradients are wanted: then their caller.
            call: OpenCall | None = self.calls[index] if index >= 0 else None
            while call is not None and (call.path, call.call) not in known:
                call = call.parent
            return _ROOT if call is None else known[call.path, call.call]

        ran = [structs.replace(op, call=owner(op.call)) for op in self.ops[self._forward_ops :]]
        return (*ran, *(self._unknown(owner(self._made(n).call), forward) for n in self._gaps))

    def _unknown(self, call: int, forward: Sequence[OpenCall]) -> Op:
        """Stands for operators that would have run, so that the totals are lower bounds."""
        return Op(f"the gradient of {forward[call].type}", "", (), {}, (), call, 0)

    def _repeated(self) -> dict[int, int]:
        """For each call made again the one that it repeats, or that of the node which made it."""
        made: dict[str, list[int]] = defaultdict(list)
        for call in self.calls:
            made[call.path].append(call.index)
        repeated: dict[int, int] = {}
        kept = {id(call) for call in self.calls}  # the recorder forgets those that did nothing
        for repetition in self._repetitions.values():
            calls = [call for call in repetition.calls if id(call) in kept]
            first, opened = min((call.index for call in calls), default=0), repetition.node.opened
            again: dict[str, list[int]] = defaultdict(list)
            for call in calls:
                again[call.path].append(call.index)
            for path, indices in again.items():
                before = [i for i in made[path] if i < min(opened, first)][-len(indices) :]
                after = [i for i in made[path] if opened <= i < first][: len(indices)]
                originals = (after or before) if repetition.custom else (before or after)
                repeated |= dict.fromkeys(indices, repetition.node.call)
                repeated |= dict(zip(indices, originals, strict=False))
        return repeated


def run_backward(result: Any, recorder: BackwardRecorder) -> None:
    """Compute the gradients of everything that `result` depends on, as if each output were a loss.

    The gradients of the outputs are given: there is no loss whose operators would count.
    """
    with torch._C.DisableTorchFunction():  # nothing of this is the model's
        outputs = list({id(t): t for t in tensors_inside(result) if t.requires_grad}.values())
        gradients = [_like(output) for output in outputs]
        if NUMBERS_NODES:
            _look_through(outputs, recorder)
    recorder.begin_backward(anything=bool(outputs))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*autograd kernel was not registered")  # we say it too
        if outputs:
            _run_engine(outputs, gradients)


def _like(output: Tensor) -> Tensor:
    make = torch.empty if output.is_meta else torch.ones
    return make(output.shape, dtype=output.dtype, device=output.device)


def _look_through(outputs: Sequence[Tensor], recorder: BackwardRecorder) -> None:
    """Have every node of the graph say when its turn comes: of one that fails, autograd does not
    tell which it was. Find those that it passes over."""
    pending, seen = [output.grad_fn for output in outputs], set()
    while pending:
        node = pending.pop()
        if node is not None and node not in seen:
            seen.add(node)
            node.register_prehook(partial(recorder.starts, _number_of(node)))
            if _lacks_gradient(node):
                recorder.lacks_gradient(_number_of(node))
            pending += [before for before, _ in node.next_functions]
