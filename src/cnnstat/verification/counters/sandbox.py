"""A copy of the model for each counter, and isolation of the side effects of counters."""

from __future__ import annotations

import inspect
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from typing import Any

import torch
import torch.nn.modules.module as hooks
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from ...choices import Mode
from ...inputs import InputSpec
from ...run_config import RunConfig
from ...trace.records import Trace
from ...tracing.process.global_state import preserve_rng_state, slow_attention
from ...tracing.run.copies import data_copy, meta_copy, placed_copy
from ...tracing.run.lanes import META, available_bytes, cpu_lane
from ...tracing.run.trace import trace
from ...tracing.structure.containers import map_inputs
from ...units import format_bytes

SHARE = 0.5  # of the available memory
Arguments = tuple[nn.Module, tuple[Any, ...], dict[str, Any]]


class Skipped(Exception):
    """The referee was not run; the message is the reason."""


@dataclass(frozen=True)
class CountRequest:
    """The model to count, its inputs and its mode.

    `bytes_needed` is the memory of a run on real tensors, including parameters. With `has_data` the
    model and its inputs have values, because it does not run without.
    """

    model: nn.Module
    inputs: Sequence[Any]
    named_inputs: Mapping[str, Any]
    mode: Mode
    bytes_needed: int
    has_data: bool = False

    def settle(self) -> None:
        """Initialize lazy layers by a run of the model."""
        if any(is_lazy(t) for t in (*self.model.parameters(), *self.model.buffers())):
            self._trace(self.model, composites=False)

    def trace(self, composites: bool) -> Trace:
        """Trace a copy of the model, operator by operator as torch runs them."""
        copied = data_copy if self.has_data else meta_copy
        return self._trace(copied(self.model), composites)

    def _trace(self, model: nn.Module, composites: bool) -> Trace:
        lane = cpu_lane() if self.has_data else META
        config = RunConfig(self.mode, fused=False, composites=composites)
        return trace(model, self.inputs, self.named_inputs, config, lane=lane)

    def on(self, device: str) -> Arguments:
        """A copy of the model for one referee and its inputs, on `meta` or `cpu`.

        On `cpu` they are zeros, which are valid indices for any table; counts do not depend on
        values. A model that needs values keeps its own on either device.

        Raises:
            Skipped: the machine has too little memory.
        """
        if device == "cpu" or self.has_data:
            self._check_memory()
        if self.has_data:
            model, place = data_copy(self.model), cpu_lane().place
        elif device == "meta":
            model, place = meta_copy(self.model), META.place
        else:
            model, place = placed_copy(self.model, _zeros), _zeros_for
        model.train(self.mode == "train")
        return (
            model,
            map_inputs(tuple(self.inputs), place),
            map_inputs(dict(self.named_inputs), place),
        )

    def positional(self, device: str) -> tuple[nn.Module, tuple[Any, ...]]:
        """As `on`, with all inputs by position, for referees that accept no others.

        Raises:
            Skipped: an input is keyword-only.
        """
        model, inputs, named = self.on(device)
        bound = inspect.signature(model.forward).bind(*inputs, **named)
        if bound.kwargs:
            raise Skipped(f"it takes no inputs by name, as {', '.join(bound.kwargs)} is passed")
        return model, bound.args

    def require_eval(self) -> None:
        """Raise Skipped in train mode, for referees that set the model to eval mode themselves."""
        if self.mode != "eval":
            raise Skipped("it counts in eval mode only")

    def _check_memory(self) -> None:
        available = available_bytes()
        if self.bytes_needed > SHARE * available:
            raise Skipped(
                f"needs {format_bytes(self.bytes_needed)} of real memory, of the "
                f"{format_bytes(available)} that are available half is used at most"
            )


def _zeros(tensor: Tensor) -> Tensor:
    return torch.zeros_like(tensor, device="cpu", requires_grad=False)


def _zeros_for(value: InputSpec | Tensor) -> Tensor:
    return _zeros(META.place(value))


@contextmanager
def contained() -> Iterator[None]:
    """Run third-party code without output, warnings, or effects on torch and random state.

    Attention is decomposed into operators that can be counted, as in our own run.
    """
    with ExitStack() as stack:
        stack.enter_context(redirect_stdout(StringIO()))
        stack.enter_context(redirect_stderr(StringIO()))
        stack.enter_context(warnings.catch_warnings())
        stack.enter_context(_silent_logging())
        stack.enter_context(preserve_rng_state())
        stack.enter_context(slow_attention())
        stack.enter_context(_modes_restored())
        stack.enter_context(_patches_undone())
        warnings.simplefilter("ignore")
        yield


@contextmanager
def _silent_logging() -> Iterator[None]:
    disabled = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(disabled)


@contextmanager
def _modes_restored() -> Iterator[None]:
    """Enable gradients, as for a user who calls the referee, and restore the modes afterwards."""
    enabled, dtype = torch.is_grad_enabled(), torch.get_default_dtype()
    torch.set_grad_enabled(True)
    try:
        yield
    finally:
        torch.set_grad_enabled(enabled)
        torch.set_default_dtype(dtype)


# Counters replace functions of torch, and do not restore them after a failure.
_PATCHED: tuple[Any, ...] = (torch, torch.nn.functional, Tensor, nn.Module)
_HOOKS = ("_global_forward_hooks", "_global_forward_pre_hooks")


@contextmanager
def _patches_undone() -> Iterator[None]:
    before = [dict(vars(owner)) for owner in _PATCHED]
    hooked = [dict(getattr(hooks, name)) for name in _HOOKS]
    try:
        yield
    finally:
        for owner, known in zip(_PATCHED, before, strict=True):
            for name, value in known.items():
                if vars(owner).get(name) is not value:
                    setattr(owner, name, value)
        for name, registered in zip(_HOOKS, hooked, strict=True):
            getattr(hooks, name).clear()
            getattr(hooks, name).update(registered)
