"""The settings of a training that are not chosen: they depend on the data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

from ..choices import OPTIMIZERS, ProtocolName, check_choice
from ..errors import UsageError, nearest
from .results import Protocol


@dataclass(frozen=True)
class Recipe:
    """An optimizer, its learning rate, the batch size and the number of epochs."""

    optimizer: str
    lr: float
    batch_size: int
    epochs: int


TEXTBOOK = Recipe("sgd", 0.1, 128, 10)
"""Of Dive into Deep Learning, for the 60,000 images of Fashion-MNIST: 4,690 steps."""

_DIGITS = Recipe("adamw", 0.005, 32, 15)
"""1,438 digits are 120 steps of the textbook, in which LeNet does not begin to learn."""

_USER = Recipe("adamw", 0.001, 32, 10)
"""PyTorch's learning rate, at which most networks learn."""


def recipe_of(data: str, is_user_data: bool, protocol: ProtocolName) -> Recipe:
    """The defaults for data."""
    if protocol == "textbook":
        return TEXTBOOK
    if data == "digits":
        return _DIGITS
    return _USER if is_user_data or data.startswith("folder:") else TEXTBOOK


def protocol_of(
    settings: Mapping[str, Any], is_user_data: bool, with_weights: bool, protocol: ProtocolName
) -> Protocol:
    """The protocol of a training: what was chosen, and defaults for what is None or missing.

    `with_weights`: whether a model is a module that has its weights already.

    Raises:
        UsageError: a setting or the protocol is unknown.
    """
    check_choice("protocol", protocol, get_args(ProtocolName))
    unknown = [name for name in settings if name not in Protocol.__struct_fields__]
    if unknown:
        known = Protocol.__struct_fields__
        close = nearest(unknown[0], known) or f"it takes {', '.join(known)}"
        raise UsageError(f"measure takes no {unknown[0]!r}", close)
    chosen = {name: value for name, value in settings.items() if value is not None}
    recipe = recipe_of(chosen.get("data", "digits"), is_user_data, protocol)
    optimizer = chosen.setdefault("optimizer", recipe.optimizer)
    chosen.setdefault("batch_size", recipe.batch_size)
    if "lr" not in chosen and optimizer == recipe.optimizer:
        chosen["lr"] = recipe.lr
    elif "lr" not in chosen and optimizer in OPTIMIZERS:
        chosen["lr"] = OPTIMIZERS[optimizer].learning_rate
    chosen.setdefault("init", "default" if with_weights or is_user_data else "xavier")
    chosen.setdefault("workers", 0 if is_user_data else 2)
    is_timed = bool(chosen.get("inference")) or chosen.get("data") == "synthetic"
    if not is_timed and not {"steps", "epochs", "minutes"} & set(chosen):
        chosen["epochs"] = recipe.epochs
    return Protocol(**chosen)
