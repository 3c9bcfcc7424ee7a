"""The loss of a batch, and which tensor of a model's output it is computed from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import ModelError
from ..inputs import format_shape
from .targets import IGNORED, as_class_numbers, as_output, is_elementwise, is_of_class_numbers

_NAME = "logits"
_DEEPEST = 4  # containers in containers


@dataclass(frozen=True)
class Scores:
    """The tensor that is trained on. `name` is its place in the output, "" if it is all of it.

    `others` are the places of the tensors that are not used.
    """

    tensor: Tensor
    name: str = ""
    others: tuple[str, ...] = ()


def scores_in(output: Any, classes: int | None) -> Scores:
    """The scores of classes, batch × classes, in the output of a model.

    They are the output itself, its `logits`, the only tensor of that shape, or the first item of a
    tuple or list if it has that shape. Without `classes` any matrix has that shape.

    Raises:
        ModelError: there are none, or several.
    """
    if isinstance(output, Tensor):
        return Scores(output)
    found = dict(_named_tensors(output))
    fitting = [
        name for name, tensor in found.items()
        if tensor.ndim == 2 and classes in (None, tensor.shape[1])
    ]  # fmt: skip
    by_name = [name for name in found if name.rpartition(".")[2] == _NAME]
    if _NAME in found:
        chosen = _NAME
    elif len(by_name) == 1:
        (chosen,) = by_name
    elif len(fitting) == 1 or fitting[:1] == ["[0]"]:
        chosen = fitting[0]
    else:
        raise _unclear(found, fitting, classes)
    return Scores(found[chosen], chosen, tuple(name for name in found if name != chosen))


def _unclear(found: Mapping[str, Tensor], fitting: list[str], classes: int | None) -> ModelError:
    shape = f"batch × {classes or 'classes'}"
    if fitting:
        return ModelError(
            f"several outputs of the model are {shape}: {', '.join(fitting)}",
            "it is not known which of them is to be trained on",
            hint=f"name it {_NAME}, or --loss my_losses.py:loss, which gets the whole output",
        )
    actual = [f"{name} {format_shape(tensor.shape)}" for name, tensor in found.items()]
    return ModelError(
        f"the model does not end in scores of classes, {shape}",
        f"its output has {', '.join(actual)}" if actual else "its output has no tensor",
        hint="--loss my_losses.py:loss for other outputs",
    )


def _named_tensors(value: Any, name: str = "", depth: int = 0) -> Iterator[tuple[str, Tensor]]:
    """The tensors in nested containers and objects, with their places: `aux`, `[0]`, `a.logits`."""
    if isinstance(value, Tensor):
        yield name, value
        return
    if depth == _DEEPEST:
        return
    for key, item in _items(value):
        place = key if key.startswith("[") or not name else f".{key}"
        yield from _named_tensors(item, name + place, depth + 1)


def _items(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        yield from ((str(key), item) for key, item in value.items())
    elif hasattr(value, "_fields"):  # a named tuple
        yield from zip(value._fields, value, strict=True)
    elif isinstance(value, tuple | list):
        yield from ((f"[{index}]", item) for index, item in enumerate(value))
    elif is_dataclass(value):
        yield from ((field.name, getattr(value, field.name, None)) for field in fields(value))
    elif hasattr(value, "__dict__"):
        yield from vars(value).items()


class Objective:
    """The loss. `used` describes which of several outputs it is computed from, once one was seen.

    Args:
        classes: None if it is not the number of classes that is learned.
        loss: called with the whole output of the model and the targets; returns their mean loss.
            None is cross-entropy.
        smoothing: of the labels, for cross-entropy.
        counted: whether to count correct predictions.
        may_ignore: whether labels may be `IGNORED`: means are over the others of a batch.
    """

    def __init__(
        self,
        classes: int | None,
        loss: Callable[[Any, Any], Tensor] | None = None,
        smoothing: float = 0.0,
        counted: bool = True,
        may_ignore: bool = False,
    ) -> None:
        self.classes = classes
        self.may_ignore = may_ignore
        self.is_elementwise = is_elementwise(loss)
        self.is_of_class_numbers = is_of_class_numbers(loss)
        self.loss = loss
        self.smoothing = smoothing
        self.counted = counted
        self.used: str | None = None

    def __call__(self, output: Any, targets: Any, count: int) -> tuple[Tensor, Tensor | None]:
        """The loss, summed over the `count` examples, and the scores in float32.

        Raises:
            ModelError: the output has no scores, or the loss is no number.
        """
        if self.loss is None:
            scores = self._scores(output)
            loss = F.cross_entropy(scores, targets, reduction="sum", label_smoothing=self.smoothing)
            return loss * self._weight(targets, count) if self.may_ignore else loss, scores
        if self.is_elementwise:
            targets = as_output(targets, output, _name_of(self.loss))
        elif self.is_of_class_numbers:
            targets = as_class_numbers(targets)
        value = self.loss(output, targets)
        if not isinstance(value, Tensor) or value.numel() != 1:
            shape = format_shape(value.shape) if isinstance(value, Tensor) else type(value).__name__
            raise ModelError(
                f"the loss is no number but {shape}", "expected is the mean over the batch",
                hint="reduction='mean'",
            )  # fmt: skip
        total = value.reshape(()).float() * count
        return total, self._scores(output) if self.counted else None

    def _scores(self, output: Any) -> Tensor:
        if isinstance(output, Tensor):
            return output.float()
        found = scores_in(output, self.classes)
        if self.used is None and self.loss is None and found.others:
            self.used = f"trained on the output {found.name}; not used: {', '.join(found.others)}"
        return found.tensor.float()

    def _weight(self, targets: Tensor, count: int) -> Tensor | float:
        """`count`, divided by the number of labels in the batch that are not ignored."""
        if targets.ndim != 1:
            return 1.0
        return count / (targets != IGNORED).sum().clamp(min=1)

    def sums(self, loss: Tensor, scores: Tensor | None, targets: Any, count: int) -> Tensor:
        """The loss and, if counted, the correct predictions, of `count` examples as one tensor."""
        if not self.counted or scores is None:
            return loss.detach()[None]
        labels = targets if targets.ndim == 1 else targets.argmax(1)  # else shares of classes
        right = (scores.detach().argmax(1) == labels).sum(dtype=loss.dtype)
        if self.may_ignore:
            right = right * self._weight(targets, count)
        return torch.stack((loss.detach(), right))

    def fit(self, output: Any, targets: Any) -> None:
        """Try the loss on an output, and find out whether predictions can be counted.

        Raises:
            ModelError: the loss cannot be computed.
        """
        if self.loss is not None:
            self.counted = self.counted and _are_classes(output, targets)
        self(output, targets, 1)
        self.used = None  # that of training is reported


def _name_of(loss: Any) -> str:
    return str(getattr(loss, "__name__", type(loss).__name__))


def _are_classes(output: Any, targets: Any) -> bool:
    """Whether there are scores in the output, and the targets are numbers of classes."""
    try:
        scores = scores_in(output, None).tensor
    except ModelError:
        return False
    return (
        isinstance(targets, Tensor)
        and scores.ndim == 2
        and targets.ndim == 1
        and not targets.is_floating_point()
        and len(targets) == len(scores)
        and targets.dtype != torch.bool
        and scores.shape[1] > 1
    )
