"""torch's optimizers, made for tensors without data."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from ..choices import OPTIMIZERS, DeviceKind, OptimizerName
from .answers import replaced


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
    row = OPTIMIZERS[name]
    made: Any = getattr(torch.optim, row.torch_class)
    base = torch.optim.Optimizer
    plain = inspect.unwrap(base.add_param_group)
    with replaced(base, "add_param_group", plain):
        return Stepper(made(parameters, lr=0.1, foreach=device == "cuda", **row.settings))
