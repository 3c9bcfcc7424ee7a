"""Activation checkpointing: layers that keep their input only, and run again for gradients."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any

from torch import nn

from .autocast import Autocast
from .patterns import modules_fitting


def checkpoint_layers(
    model: nn.Module, patterns: Sequence[str], autocast: Autocast | None
) -> tuple[str, ...]:
    """Checkpoint the modules whose path fits a pattern, in place; their paths.

    Of modules inside each other the outer one is: what is inside it runs again with it.

    Raises:
        UsageError: a pattern fits no module.
    """
    chosen: list[str] = []
    for name in modules_fitting(model, patterns, "--checkpoint"):
        if not any(name.startswith(f"{outer}.") for outer in chosen):
            chosen.append(name)
            module = model.get_submodule(name)
            module.forward = partial(_checkpointed, partial(_cast, autocast, module.forward))
    return tuple(chosen)


def _cast(autocast: Autocast | None, forward: Any, *args: Any, **kwargs: Any) -> Any:
    with nullcontext() if autocast is None else autocast.resumed():
        return forward(*args, **kwargs)


def _checkpointed(forward: Any, *args: Any, **kwargs: Any) -> Any:
    from torch.utils.checkpoint import checkpoint  # it imports torch's compiler when it is used

    return checkpoint(forward, *args, use_reentrant=False, **kwargs)
