"""Nothing that a referee does outlives it: output, warnings, patches, hooks, random state."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from io import StringIO
from typing import Any

import torch
import torch.nn.modules.module as hooks
from torch import Tensor, nn

from ...tracing.randomness import random_state_kept
from ...tracing.run import slow_attention


@contextmanager
def contained() -> Iterator[None]:
    """Run foreign code as if it had never run.

    Attention takes the path that consists of counted operators, as in our own run.
    """
    with ExitStack() as stack:
        stack.enter_context(redirect_stdout(StringIO()))
        stack.enter_context(redirect_stderr(StringIO()))
        stack.enter_context(warnings.catch_warnings())
        stack.enter_context(_silent_logging())
        stack.enter_context(random_state_kept())
        stack.enter_context(slow_attention())
        stack.enter_context(_modes_kept())
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
def _modes_kept() -> Iterator[None]:
    """Gradients are on, as for a user who just calls the referee; afterwards all is as it was."""
    enabled, dtype = torch.is_grad_enabled(), torch.get_default_dtype()
    torch.set_grad_enabled(True)
    try:
        yield
    finally:
        torch.set_grad_enabled(enabled)
        torch.set_default_dtype(dtype)


# Counters replace functions of torch, and a failure leaves them so.
_PATCHED: tuple[Any, ...] = (torch, torch.nn.functional, Tensor, nn.Module)
_HOOKS = ("_global_forward_hooks", "_global_forward_pre_hooks")


@contextmanager
def _patches_undone() -> Iterator[None]:
    before = [dict(vars(holder)) for holder in _PATCHED]
    hooked = [dict(getattr(hooks, name)) for name in _HOOKS]
    try:
        yield
    finally:
        for holder, known in zip(_PATCHED, before, strict=True):
            for name, value in known.items():
                if vars(holder).get(name) is not value:
                    setattr(holder, name, value)
        for name, registered in zip(_HOOKS, hooked, strict=True):
            getattr(hooks, name).clear()
            getattr(hooks, name).update(registered)
