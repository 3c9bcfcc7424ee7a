"""What the first layer of a model tells about the input that it takes."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn


@dataclass(frozen=True, slots=True)
class Implied:
    """An input that the first layer takes; `certain` where it takes no other size."""

    shape: tuple[int, ...]
    certain: bool


def implied_input(model: nn.Module) -> Implied:
    """From the first linear or convolutional layer; an image where there is neither."""
    for module in model.modules():
        if isinstance(module, nn.Linear):
            return Implied((1, module.in_features), certain=True)
        if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d):
            sides = (224 for _ in module.kernel_size)
            return Implied((1, module.in_channels, *sides), certain=False)
    return Implied((1, 3, 224, 224), certain=False)
