"""Operators that run functions of the model: `torch.cond`, `while_loop`, `scan`, flex_attention.

In plain PyTorch these compile the model's functions first. Here the functions themselves run, so
their layers have rows.

cond          all branches run; the one that costs most counts
while_loop    runs as often as its counter allows, if that is known without data; else once
the others    run as torch's own reference implementations run them
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import torch
from torch import Tensor
from torch._C import DispatchKey
from torch._ops import HigherOrderOperator
from torch.utils._python_dispatch import _disable_current_modes

from ...trace.records import Bound, ControlFlow
from ..process.global_state import replaced_here
from ..recording.open_calls import OpenCall
from ..recording.recorder import Recorder
from .known_values import KnownValues

_NO_BLOCKS = 2**30  # the size of the one block of an attention without mask
_MOST_MASKED = 2**26  # positions of a mask that are evaluated
MOST_ITERATIONS = 1_000
"""Of a `while_loop`; those beyond are left out, and the figures are lower bounds."""


class HigherOrderCalls(ExitStack):
    """Let torch's functions call their higher-order operators, instead of compiling them first."""

    def __enter__(self) -> HigherOrderCalls:
        super().__enter__()
        self._changed: set[str] = set()
        self.refresh()
        return self

    def refresh(self) -> None:
        """Do the same for what has been imported since."""
        for name, change in _CHANGES.items():
            module: Any = sys.modules.get(name)
            if module is not None and name not in self._changed:
                self._changed.add(name)
                change(self, module)


def _call_operators(stack: ExitStack, module: Any) -> None:
    if hasattr(module, "_hop_compile_and_call"):
        stack.enter_context(replaced_here(module, "_hop_compile_and_call", _called))


def _allow_meta(stack: ExitStack, module: Any) -> None:
    """flex_attention refuses `meta`, and warns that it is not compiled."""
    for name in ("_validate_device", "_warn_once"):
        if hasattr(module, name):
            stack.enter_context(replaced_here(module, name, _nothing))


_CHANGES: dict[str, Callable[[ExitStack, Any], None]] = {
    "torch._higher_order_ops.utils": _call_operators,
    "torch.nn.attention.flex_attention": _allow_meta,
}


def _nothing(*args: Any, **kwargs: Any) -> None:
    return None


def _called(function: Callable[..., Any], args: Any, kwargs: Any = None) -> Any:
    return function(*args, **(kwargs or {}))


def is_higher_order(function: Any) -> bool:
    return isinstance(function, HigherOrderOperator)


@dataclass(frozen=True, slots=True)
class _Branch:
    """A branch that ran: its call, the range of its operators, their cost, and its result."""

    call: OpenCall
    since: int
    until: int
    amount: tuple[Any, ...]
    result: Any


class HigherOrder:
    """Runs higher-order operators; `active` is the function mode, in which the functions run."""

    def __init__(
        self, recorder: Recorder, active: AbstractContextManager[Any], has_data: bool
    ) -> None:
        self.recorder = recorder
        self.active = active
        self.values = KnownValues(recorder, has_data)

    def run(self, operator: HigherOrderOperator, args: Any, kwargs: Any) -> Any:
        """Run an operator on the functions and operands among its arguments."""
        name = _name(operator)
        if name in ("cond", "while_loop"):
            run = self._cond if name == "cond" else self._while_loop
            return self._as_call(name, args, lambda call: run(call, *args, **kwargs))
        kernel = _reference(operator)
        if kernel is None:  # it has no implementation in Python
            return operator(*args, **kwargs)

        def body(call: OpenCall) -> Any:
            if name == "flex_attention":
                self._note_mask(call, *args[4:5])
            return kernel(*args, **kwargs)

        return self._as_call(name, args, body, with_rows=name != "flex_attention")

    def _as_call(
        self, name: str, inputs: Any, body: Callable[[OpenCall], Any], with_rows: bool = True
    ) -> Any:
        """Run `body` as a call, with or without rows for what it calls."""
        recorder = self.recorder
        call = recorder.open_function(name, _operands(inputs), library=not with_rows)
        try:
            with self.active:
                result = body(call)
        except BaseException as error:  # raised again
            recorder.close(call, error)
            raise
        recorder.close(call, result)
        return result

    def _cond(
        self, call: OpenCall, pred: Any, true_fn: Any, false_fn: Any, operands: Sequence[Any] = ()
    ) -> Any:
        recorder = self.recorder
        known = self.values.is_true(pred)
        if known is not None:
            return (true_fn if known else false_fn)(*operands)
        first = self._branch("true_fn", true_fn, operands)
        second = self._branch("false_fn", false_fn, operands)
        if recorder.costs_more(second.amount, first.amount):
            first, second = second, first
        recorder.leave_out(second.call, second.since, second.until)
        branches = (first.call.index, second.call.index)
        recorder.control_flow.append(ControlFlow("cond", call.index, branches))
        return first.result

    def _note_mask(self, call: OpenCall, mask: Any = None) -> None:
        """Record the blocks of a mask of flex_attention; the default mask is one huge block."""
        if not isinstance(mask, tuple) or len(mask) < 3:
            return
        queries, keys, counts, *_, rows, columns, mask_mod = mask
        if max(rows, columns) >= _NO_BLOCKS:
            return
        blocks = counts.numel() * -(-keys // columns)
        known = None
        if counts.numel() * rows * keys <= _MOST_MASKED:
            known = _computed_blocks(mask_mod, counts.shape[:2], queries, keys, (rows, columns))
        self.recorder.control_flow.append(
            ControlFlow("flex_attention", call.index, blocks=(known, blocks))
        )

    def _branch(self, name: str, function: Any, operands: Sequence[Any]) -> _Branch:
        recorder = self.recorder
        since = recorder.position
        calls: list[OpenCall] = []

        def body(call: OpenCall) -> Any:
            calls.append(call)
            return function(*operands)

        result = self._as_call(name, operands, body)
        amount = recorder.amount_since(since)
        return _Branch(calls[0], since, recorder.position, amount, result)

    def _while_loop(
        self,
        call: OpenCall,
        cond_fn: Any,
        body_fn: Any,
        carried: Sequence[Any],
        additional: Sequence[Any] = (),
        *rest: Any,
        **options: Any,
    ) -> Any:
        carried = tuple(carried)
        iterations = 0
        bound: Bound = "exact"
        while True:
            condition = cond_fn(*carried, *additional)
            known = self.values.is_true(condition)
            if known is False:
                break
            if known is None:
                bound = "at most" if self.values.may_end_it(condition) else "at least"
            if iterations == MOST_ITERATIONS or (bound == "at least" and iterations):
                bound = "at least"
                break
            result = body_fn(*carried, *additional)
            carried = tuple(result) if isinstance(result, tuple | list) else (result,)
            iterations += 1
        self.recorder.control_flow.append(
            ControlFlow("while_loop", call.index, iterations=iterations, bound=bound)
        )
        return carried


def _computed_blocks(
    mask_mod: Any, heads: Sequence[int], queries: int, keys: int, size: tuple[int, int]
) -> int | None:
    """The number of blocks that a mask leaves; None where it depends on data."""
    flex: Any = import_module("torch.nn.attention.flex_attention")
    try:
        with torch._C.DisableTorchFunction(), _disable_current_modes():
            mask = flex.create_block_mask(mask_mod, *heads, queries, keys, "cpu", size)
            counts = [mask.kv_num_blocks, mask.full_kv_num_blocks]
            return sum(int(count.sum()) for count in counts if count is not None)
    except Exception:  # a function of the model, on other tensors than in its run
        return None


def _reference(operator: HigherOrderOperator) -> Callable[..., Any] | None:
    """torch's implementation in Python, which runs the functions one after the other."""
    if _name(operator) == "scan":  # its kernel refuses to run in a dispatch mode
        # not by an import statement: the package has a function of that name
        generic_scan: Any = import_module("torch._higher_order_ops.scan").generic_scan
        return lambda function, init, xs, additional_inputs=(): generic_scan(
            function, init, xs, additional_inputs=additional_inputs
        )
    kernel = operator.py_kernels.get(DispatchKey.CompositeExplicitAutograd)
    return kernel if callable(kernel) else None


def _name(operator: Any) -> str:
    return str(operator.name())


def _operands(args: Any) -> Any:
    """The tensors among the arguments, without functions."""
    if isinstance(args, Tensor):
        return args
    if isinstance(args, tuple | list):
        return [_operands(item) for item in args]
    return None
