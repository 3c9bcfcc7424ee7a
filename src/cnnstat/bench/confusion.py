"""What a test predicted: how often each class was taken for which, and some wrong examples."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from .results import Confusion, Mistake

_MOST_CLASSES = 50
_MOST_MISTAKES = 12
_LARGEST_SIDE = 48  # pixels of a stored image


class Predictions:
    """The predictions of the last test, on the device until `confusion` reads them."""

    def __init__(self, classes: int | None, device: torch.device | None = None) -> None:
        self.device = device
        self.classes = classes if classes is not None and classes <= _MOST_CLASSES else None
        self.restart()

    def restart(self) -> None:
        """Begin a test."""
        self._counts: Tensor | None = None
        self._mistakes: list[Mistake] = []

    def see(self, inputs: Any, scores: Tensor | None, targets: Any) -> None:
        """Count the predictions for a batch."""
        if self.classes is None or scores is None or scores.shape[1] != self.classes:
            return
        labels = targets if targets.ndim == 1 else targets.argmax(1)
        predicted = scores.argmax(1)
        valid = (labels >= 0) & (labels < self.classes)
        pairs = labels[valid] * self.classes + predicted[valid]
        found = torch.bincount(pairs, minlength=self.classes**2)
        self._counts = found if self._counts is None else self._counts + found
        if len(self._mistakes) < _MOST_MISTAKES and _are_images(inputs):
            self._keep(inputs, scores, labels, (predicted != labels) & valid)

    def _keep(self, inputs: Tensor, scores: Tensor, labels: Tensor, is_wrong: Tensor) -> None:
        left = _MOST_MISTAKES - len(self._mistakes)
        for index in is_wrong.nonzero()[:left, 0].tolist():
            confidence, predicted = scores[index].softmax(0).max(0)
            self._mistakes.append(
                _mistake(inputs[index], int(labels[index]), int(predicted), float(confidence))
            )

    def confusion(
        self, names: Sequence[str], summed: Callable[[Tensor], Tensor]
    ) -> Confusion | None:
        """The matrix over all processes, and the wrong examples of this one; None without any.

        Every process takes part in the sum, even if it has no test example.
        """
        if self.classes is None:
            return None
        counts = self._counts
        if counts is None:
            counts = torch.zeros(self.classes**2, dtype=torch.int64, device=self.device)
        rows = summed(counts).view(self.classes, self.classes).tolist()
        if not any(map(any, rows)):  # nothing was tested
            return None
        labels = names if len(names) == self.classes else range(self.classes)
        return Confusion(tuple(map(str, labels)), tuple(map(tuple, rows)), tuple(self._mistakes))


def _are_images(inputs: Any) -> bool:
    return isinstance(inputs, Tensor) and inputs.ndim == 4 and inputs.shape[1] in (1, 3)


def _mistake(image: Tensor, label: int, predicted: int, confidence: float) -> Mistake:
    image = image.detach().float().cpu()
    scale = _LARGEST_SIDE / max(image.shape[1:])
    if scale < 1:
        sides = [max(1, round(side * scale)) for side in image.shape[1:]]
        image = F.interpolate(image[None], sides, mode="bilinear", antialias=True)[0]
    low, high = image.min(), image.max()  # normalized images have any range
    pixels = ((image - low) / (high - low).clamp(min=1e-12) * 255).round().to(torch.uint8)
    channels, height, width = pixels.shape
    raw = bytes(pixels.permute(1, 2, 0).flatten().tolist())
    return Mistake(
        label=label, predicted=predicted, confidence=confidence, height=height, width=width,
        channels=channels, pixels=base64.b64encode(raw).decode(),
    )  # fmt: skip
