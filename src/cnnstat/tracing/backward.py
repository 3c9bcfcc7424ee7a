"""The backward pass as autograd runs it: which operators, and for the gradients of which call.

The nodes of autograd's graph are numbered in the order in which they are made. The next number is
noted whenever a call opens or closes; so each node belongs to the call that was innermost when it
was made, and an operator of the backward pass to the call of the node that runs it.
"""

from __future__ import annotations

import warnings
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from functools import partial
from typing import Any

import torch
from msgspec import structs
from torch import Tensor

from ..errors import ModelPhase
from ..trace.records import Backward, Module, Op
from . import autograd
from .open_calls import OpenCall
from .recorder import Recorder

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
        if not self.in_backward or self.stack or not autograd.TELLS:
            return super().innermost
        node = autograd.at_work()
        return super().innermost if node is None else self._made(autograd.number_of(node)).call

    def _open(self, *args: Any) -> OpenCall:
        call = super()._open(*args)
        self._mark()
        node = autograd.at_work() if self.in_backward and autograd.TELLS else None
        if node is not None:
            number = autograd.number_of(node)
            new = _Repetition(self._made(number), autograd.is_custom(node))
            self._repetitions.setdefault(number, new).calls.append(call)
        return call

    def close(self, call: OpenCall, result: Any) -> None:
        super().close(call, result)
        self._mark()

    def _mark(self) -> None:
        if autograd.TELLS:
            self._marks.append(_Mark(autograd.next_number(), super().innermost, len(self.calls)))

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
        elif not autograd.TELLS:
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
        if autograd.TELLS:
            _look_through(outputs, recorder)
    recorder.begin_backward(anything=bool(outputs))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*autograd kernel was not registered")  # we say it too
        if outputs:
            autograd.run_backward(outputs, gradients)


def _like(output: Tensor) -> Tensor:
    make = torch.empty if output.is_meta else torch.ones
    return make(output.shape, dtype=output.dtype, device=output.device)


def tensors_inside(value: Any) -> Iterator[Tensor]:
    """The tensors inside nested containers and dataclasses."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        yield from tensors_inside(list(value.values()))
    elif isinstance(value, tuple | list | set | frozenset):
        for item in value:
            yield from tensors_inside(item)
    elif is_dataclass(value) and not isinstance(value, type):
        yield from tensors_inside([getattr(value, f.name) for f in fields(value)])


def _look_through(outputs: Sequence[Tensor], recorder: BackwardRecorder) -> None:
    """Have every node of the graph say when its turn comes: of one that fails, autograd does not
    tell which it was. Find those that it passes over."""
    pending, seen = [output.grad_fn for output in outputs], set()
    while pending:
        node = pending.pop()
        if node is not None and node not in seen:
            seen.add(node)
            node.register_prehook(partial(recorder.starts, autograd.number_of(node)))
            if autograd.lacks_gradient(node):
                recorder.lacks_gradient(autograd.number_of(node))
            pending += [before for before, _ in node.next_functions]
