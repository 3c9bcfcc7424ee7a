"""torch's optimizers, made for tensors without data."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from .answers import replaced
from .devices import DeviceKind

OptimizerName = Literal[
    "sgd", "momentum", "nesterov", "adam", "adamw", "rmsprop", "adagrad", "adadelta", "adamax",
    "nadam", "radam",
]  # fmt: skip
_CLASSES: dict[OptimizerName, tuple[str, dict[str, Any]]] = {
    "sgd": ("SGD", {}),
    "momentum": ("SGD", {"momentum": 0.9}),
    "nesterov": ("SGD", {"momentum": 0.9, "nesterov": True}),
    "adam": ("Adam", {}),
    "adamw": ("AdamW", {}),
    "rmsprop": ("RMSprop", {}),
    "adagrad": ("Adagrad", {}),
    "adadelta": ("Adadelta", {}),
    "adamax": ("Adamax", {}),
    "nadam": ("NAdam", {}),
    "radam": ("RAdam", {}),
}
OPTIMIZERS = tuple(_CLASSES)


class Stepper:
    """One of torch's optimizers, whose step runs without torch's compiler.

    `Optimizer` imports torch._dynamo for marks that only a compiler reads, which takes as long as
    importing torch: what it wraps is called instead.
    """

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        self.optimizer = optimizer
        self._step: Callable[..., Any] = inspect.unwrap(type(optimizer).step)

    def step(self) -> None:
        with torch.no_grad():
            self._step(self.optimizer)

    @property
    def state(self) -> Any:
        return self.optimizer.state


def stepper(name: OptimizerName, parameters: Sequence[Tensor], device: DeviceKind) -> Stepper:
    """An optimizer that steps as on the device.

    By default torch updates all parameters at once on CUDA (`foreach`), which takes temporaries
    for all of them, and one after the other on the CPU.
    """
    class_name, settings = _CLASSES[name]
    made: Any = getattr(torch.optim, class_name)
    base = torch.optim.Optimizer
    plain = inspect.unwrap(base.add_param_group)
    with replaced(base, "add_param_group", plain):
        return Stepper(made(parameters, lr=0.1, foreach=device == "cuda", **settings))
