"""The end of the training, the learning rate until then, and the optimizer."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from ..choices import OPTIMIZERS
from ..errors import ModelError
from .results import Epoch, Protocol

_EPOCHS = 10
_TIMED_STEPS = 100  # with --inference and synthetic data


@dataclass(frozen=True)
class Position:
    """Completed epochs, steps, and seconds of training."""

    epoch: int = 0
    step: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class Limit:
    """The end of the training, in one of three units."""

    steps: int | None = None
    epochs: int | None = None
    minutes: float | None = None

    def share(self, epoch: float, step: int, seconds: float) -> float:
        """The completed share of the training, 0 to 1."""
        if self.steps is not None:
            return step / self.steps
        if self.minutes is not None:
            return min(1.0, seconds / (60 * self.minutes))
        assert self.epochs is not None
        return epoch / self.epochs


@dataclass
class Patience:
    """Ends the training once the test loss has not improved for `most` epochs.

    Without test data it is the training loss.
    """

    most: int | None
    best: float = math.inf
    waited: int = 0

    def see(self, epoch: Epoch) -> None:
        loss = epoch.train_loss if epoch.test_loss is None else epoch.test_loss
        self.waited = 0 if loss < self.best else self.waited + 1
        self.best = min(self.best, loss)

    @property
    def is_over(self) -> bool:
        return self.most is not None and self.waited >= self.most


def limit_of(protocol: Protocol) -> Limit:
    if protocol.steps is not None or protocol.minutes is not None or protocol.epochs is not None:
        return Limit(protocol.steps, protocol.epochs, protocol.minutes)
    if protocol.inference or protocol.data == "synthetic":
        return Limit(steps=_TIMED_STEPS)
    return Limit(epochs=_EPOCHS)


def base_rate(protocol: Protocol) -> float:
    return OPTIMIZERS[protocol.optimizer].learning_rate if protocol.lr is None else protocol.lr


def rate(schedule: str, base: float, share: float) -> float:
    """The learning rate after a share of the training.

    cosine: base · (1 + cos(π · share)) / 2. step: a tenth from the middle on, a hundredth from
    three quarters on.
    """
    if schedule == "cosine":
        return base * (1 + math.cos(math.pi * share)) / 2
    if schedule == "step":
        return base * (0.1 if share >= 0.5 else 1.0) * (0.1 if share >= 0.75 else 1.0)
    return base


def optimizer_of(protocol: Protocol, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    """The optimizer of a protocol, for the parameters that are trained.

    Raises:
        ModelError: there are none.
    """
    parameters = list(parameters)
    trained = [p for p in parameters if p.requires_grad]
    if not trained:
        frozen = f"all {len(parameters)} are frozen: requires_grad is False" if parameters else ""
        raise ModelError(
            "the model has no parameters to train", *filter(None, [frozen]),
            hint="model.requires_grad_(True), or add --inference to time it",
        )  # fmt: skip
    row = OPTIMIZERS[protocol.optimizer]
    settings = dict(row.settings)
    if "momentum" in settings:
        settings["momentum"] = protocol.momentum
    torch_class: Any = getattr(torch.optim, row.torch_class)
    optimizer: torch.optim.Optimizer = torch_class(
        trained,
        lr=base_rate(protocol), weight_decay=protocol.weight_decay, **settings,
    )  # fmt: skip
    return optimizer
