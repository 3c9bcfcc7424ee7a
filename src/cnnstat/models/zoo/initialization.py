"""The two weight initializations of the zoo, named after what the sources use."""

from __future__ import annotations

from torch import nn


def xavier_uniform(module: nn.Module) -> None:
    """Draw every conv and linear weight Xavier-uniform, as d2l does; biases stay as they are."""
    for layer in module.modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            nn.init.xavier_uniform_(layer.weight)


def he_normal(module: nn.Module) -> None:
    """Draw every conv weight He-normal (arXiv 1502.01852) and start every norm as the identity."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            # fan_out preserves the variance of gradients, not of activations.
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(layer, nn.BatchNorm2d):
            nn.init.ones_(layer.weight)
            nn.init.zeros_(layer.bias)
