"""Scaling of the loss, so that gradients in half precision do not vanish: what it holds.

`torch.amp.GradScaler` reads whether a gradient overflowed, and leaves the step out then. Without
data there is nothing to read; the step is taken, and its tensors are made as there.
"""

from __future__ import annotations

import torch
from torch import Tensor


class LossScale:
    """A scaler; its scale, and since when it has not grown, are made at its first use."""

    def __init__(self) -> None:
        self.state: list[Tensor] = []

    def scaled(self, loss: Tensor) -> Tensor:
        if not self.state:
            self.state = [_number(loss, torch.float32), _number(loss, torch.int32)]
        return loss * self.state[0]

    def unscale(self) -> Tensor:
        """Whether an overflow was found; kept until the optimizer's step is over.

        The gradients are divided in place, which takes no memory.
        """
        scale = self.state[0]
        scale.double().reciprocal().float()
        return _number(scale, torch.float32)


def _number(like: Tensor, dtype: torch.dtype) -> Tensor:
    return torch.full((), 0, dtype=dtype, device=like.device)
