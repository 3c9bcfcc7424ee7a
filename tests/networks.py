"""Models that tests in several folders use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn


class Function(nn.Module):
    """A model whose forward is one function of its inputs."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, *args: Any) -> Any:
        return self.function(*args)


class With(nn.Module):
    """A model with the children it is given; its forward is a function of itself and the inputs."""

    def __init__(self, forward: Callable[..., Any], **children: nn.Module) -> None:
        super().__init__()
        for name, child in children.items():
            setattr(self, name, child)
        self.run = forward

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.run(self, *args, **kwargs)


class SelfAttention(nn.Module):
    """A `MultiheadAttention` with one input as query, key and value."""

    def __init__(self, need_weights: bool, layer: nn.Module | None = None) -> None:
        super().__init__()
        self.attention = layer or nn.MultiheadAttention(16, 4, batch_first=True)
        self.need_weights = need_weights

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.attention(x, x, x, need_weights=self.need_weights)[0]
        return result
