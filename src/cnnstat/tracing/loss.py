"""The loss of a training step whose targets are made up: only their shapes matter."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import ModelError
from .backward import tensors_inside

CROSS_ENTROPY = "cross-entropy"
SUM = "the sum of the outputs"
OWN = "the model's own"


class Loss:
    """A loss that fits the output of a model; the targets are made at its first use.

    Cross-entropy for class scores [N, classes], [N, classes, H, W, …] or, of tokens,
    [N, T, classes], that of several such outputs being added up (GoogLeNet's auxiliary heads); the
    model's own if it returns one number; else the sum of all outputs.
    """

    def __init__(self) -> None:
        self.kind: str | None = None
        self.targets: list[Tensor] = []

    def of(self, output: object) -> Tensor:
        """The loss, a tensor without dimensions.

        Raises:
            ModelError: nothing in the output depends on a parameter that is trained.
        """
        found = {id(t): t for t in tensors_inside(output) if t.requires_grad}
        outputs = list(found.values())
        if not outputs:
            raise ModelError(
                "there is nothing to train: no output depends on a parameter that is trained"
            )
        single = [t for t in outputs if t.dim() == 0]
        if single:
            self.kind = OWN
            return single[0]
        if all(_are_scores(t, alone=len(outputs) == 1) for t in outputs):
            self.kind = CROSS_ENTROPY
            return self._cross_entropy(outputs)
        self.kind = SUM
        loss, *others = [t.sum() for t in outputs]
        for other in others:
            loss = loss + other
        return loss

    def _cross_entropy(self, outputs: Sequence[Tensor]) -> Tensor:
        if not self.targets:
            self.targets = [
                torch.zeros(_target_shape(t), dtype=torch.int64, device=t.device) for t in outputs
            ]
        loss: Tensor | None = None
        for scores, target in zip(outputs, self.targets, strict=True):
            if scores.dim() == 3:
                scores, target = scores.flatten(0, 1), target.flatten()
            part = F.cross_entropy(scores, target)
            loss = part if loss is None else loss + part
        assert loss is not None
        return loss


def _are_scores(tensor: Tensor, alone: bool) -> bool:
    """Of three dimensions only what stands alone: the outputs of an LSTM are no scores."""
    dims = (2, 3, 4, 5) if alone else (2, 4, 5)
    return tensor.is_floating_point() and tensor.dim() in dims


def _target_shape(scores: Tensor) -> tuple[int, ...]:
    if scores.dim() == 3:
        return tuple(scores.shape[:2])
    return (scores.shape[0], *scores.shape[2:])
