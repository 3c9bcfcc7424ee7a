"""Learning rate schedules of torch, named as one writes them: `StepLR(step_size=5, gamma=0.5)`."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch.optim import lr_scheduler

from ..choices import SCHEDULES
from ..errors import UsageError, nearest
from .schedule import Limit

_OF_FUNCTIONS = {"LambdaLR", "MultiplicativeLR", "SequentialLR", "ChainedScheduler", "LRScheduler"}
"""They take functions or other schedules, which a text cannot name."""
_EACH_STEP = {"OneCycleLR", "CyclicLR"}
"""torch's documentation steps them after each batch, the others after each epoch."""

_DERIVED = {"optimizer", "T_max", "total_steps", "max_lr"}
"""Arguments that follow from the training."""
_LENGTHS = {"step_size", "T_max", "T_0", "total_steps", "total_iters", "step_size_up"}
"""Arguments that torch divides by, in epochs or steps."""


@dataclass(frozen=True)
class TorchSchedule:
    """The name of a class of `torch.optim.lr_scheduler` and its arguments."""

    name: str
    arguments: Mapping[str, Any]

    @property
    def is_stepped_in_epochs(self) -> bool:
        return self.name not in _EACH_STEP

    @property
    def has_length(self) -> bool:
        """Whether it cannot go on after the training that it was made for."""
        return self.name == "OneCycleLR"

    @property
    def rate_argument(self) -> str | None:
        """The argument that is the learning rate in the place of the optimizer's, None of most."""
        if self.name == "CyclicLR":
            return "base_lr"
        return "max_lr" if self.name == "OneCycleLR" and "max_lr" in self.arguments else None

    @property
    def needs_loss(self) -> bool:
        return self.name == "ReduceLROnPlateau"

    def build(self, optimizer: torch.optim.Optimizer, limit: Limit, epoch_steps: int | None) -> Any:
        """The schedule for an optimizer. A length that is missing is that of the training.

        Raises:
            UsageError: torch refuses the arguments, or the length is not known.
        """
        steps = limit.steps
        if limit.epochs is not None and epoch_steps is not None:
            steps = limit.epochs * epoch_steps
        lengths = {"T_max": limit.epochs, "total_steps": steps}
        parameters = inspect.signature(getattr(lr_scheduler, self.name)).parameters
        chosen = dict(self.arguments)
        for name, length in lengths.items():
            has_length = name in chosen or {"epochs", "steps_per_epoch"} <= set(chosen)
            if name in parameters and not has_length and length is not None:
                chosen[name] = length
        if self.name == "OneCycleLR":
            chosen.setdefault("max_lr", [group["lr"] for group in optimizer.param_groups])
        try:
            return getattr(lr_scheduler, self.name)(optimizer, **chosen)
        except (TypeError, ValueError, ZeroDivisionError) as error:
            raise UsageError(f"--schedule {self.name}: {error}", _signature(self.name)) from error


def torch_schedule(text: str) -> TorchSchedule | None:
    """Read `--schedule`; None for a schedule of cnnstat.

    Raises:
        UsageError: there is no such schedule, or its arguments are no literals.
    """
    if text in SCHEDULES:
        return None
    try:
        tree = ast.parse(text.strip(), mode="eval").body
        called = tree if isinstance(tree, ast.Call) else ast.Call(tree, [], [])
        if not isinstance(called.func, ast.Name):
            raise ValueError(text)
        name = called.func.id
        positional = [ast.literal_eval(value) for value in called.args]
        named = {str(word.arg): ast.literal_eval(word.value) for word in called.keywords}
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError) as error:
        raise UsageError(
            f"--schedule {text!r} cannot be read", hint='--schedule "StepLR(step_size=5)"'
        ) from error
    known = _names()
    if name not in known:
        close = nearest(name, (*SCHEDULES, *known))
        raise UsageError(
            f"unknown schedule {name!r}", close or f"known: {', '.join((*SCHEDULES, *known))}"
        )
    signature = inspect.signature(getattr(lr_scheduler, name))
    try:
        bound = signature.bind_partial(None, *positional, **named)
    except TypeError as error:
        raise UsageError(f"--schedule {name}: {error}", _signature(name)) from error
    missing = [
        word for word, parameter in signature.parameters.items()
        if parameter.default is parameter.empty and word not in (*bound.arguments, *_DERIVED)
    ]  # fmt: skip
    if missing:
        raise UsageError(f"--schedule {name} needs {missing[0]}", _signature(name))
    arguments = {word: value for word, value in bound.arguments.items() if word != "optimizer"}
    for word in _LENGTHS & arguments.keys():
        if not isinstance(arguments[word], int) or arguments[word] < 1:
            raise UsageError(
                f"--schedule {name}: {word} is {arguments[word]!r}, not 1 or more", _signature(name)
            )
    return TorchSchedule(name, arguments)


def _names() -> list[str]:
    base = lr_scheduler.LRScheduler
    return sorted(
        name for name, value in vars(lr_scheduler).items()
        if isinstance(value, type) and issubclass(value, base) and name not in _OF_FUNCTIONS
        and not name.startswith("_")
    )  # fmt: skip


def _signature(name: str) -> str:
    parameters = [*inspect.signature(getattr(lr_scheduler, name)).parameters.values()][1:]
    shown = [
        each.name if each.default is each.empty else f"{each.name}={each.default!r}"
        for each in parameters if each.name != "verbose"
    ]  # fmt: skip
    return f"torch has {name}({', '.join(shown)})"
