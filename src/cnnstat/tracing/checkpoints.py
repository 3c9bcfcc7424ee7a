"""Activation checkpointing: layers that keep their input only, and run again for gradients."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from fnmatch import fnmatchcase
from functools import partial
from typing import Any

from torch import nn

from ..errors import UsageError
from .autocast import Autocast


def checkpoint_layers(
    model: nn.Module, patterns: Sequence[str], autocast: Autocast | None
) -> tuple[str, ...]:
    """Checkpoint the modules whose path fits a pattern, in place; their paths.

    Of modules inside each other the outer one is: what is inside it runs again with it.

    Raises:
        UsageError: a pattern fits no module.
    """
    names = [name for name, _ in model.named_modules() if name]
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            children = [name for name, _ in model.named_children()]
            raise UsageError(f"--checkpoint {pattern!r} fits no module",
                             f"the model's are {', '.join(children)}")  # fmt: skip
    chosen: list[str] = []
    for name in names:
        inside = any(name.startswith(f"{outer}.") for outer in chosen)
        if not inside and any(fnmatchcase(name, pattern) for pattern in patterns):
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
