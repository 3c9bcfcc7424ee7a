"""Targets of the user's data: as cross-entropy takes them, or as an elementwise loss does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..errors import ModelError
from ..inputs import format_shape
from ..units import format_exact

IGNORED = -100
"""The label that torch's cross-entropy leaves out."""
_MARKERS = {99, 255, 999, 9999, 65535, 2**31 - 1}
"""Labels that stand for "no class" in many data sets: background, void, missing."""
_TOLERANCE = 0.01  # of the sum of probabilities, which may be in half precision
_MULTI_LABEL = "--loss torch.nn:BCEWithLogitsLoss for several classes of one example"
_REGRESSION = "--loss torch.nn:MSELoss for a regression"

NameOf = Callable[[int], str]
"""The place of an example, by its index in the batch."""


def in_data(name: str, indices: Sequence[int] | None = None) -> NameOf:
    """Places in a data set, of a batch of the examples `indices`, or of all."""
    return lambda index: f"example {index if indices is None else indices[index]} of {name}"


def in_batch(number: int, name: str) -> NameOf:
    """Places in a batch of data that has no indices."""
    return lambda index: f"example {index} of batch {number} of {name}"


def labels_of(targets: Any, classes: int, name: str, name_of: NameOf | None = None) -> Tensor:
    """The targets for cross-entropy: numbers of classes as int64, or probabilities of classes.

    Class numbers may be of any type, also N×1; one-hot rows of integers are class numbers.

    Raises:
        ModelError: they are neither.
    """
    if not isinstance(targets, Tensor):
        raise _no_tensor(targets, name)
    if targets.ndim == 2 and targets.shape[1] == 1:
        targets = targets.squeeze(1)
    if targets.ndim == 2 and targets.shape[1] == classes:
        return _of_rows(targets, name, name_of or in_data(name))
    if targets.ndim == 2:
        raise ModelError(
            f"the targets of {name} are {format_shape(targets.shape)}, "
            f"the model has {format_exact(classes)} classes",
            "cross-entropy takes one number for each example, of its class, or one probability for "
            "each class",
            hint="--loss my_losses.py:loss for other targets",
        )
    if targets.ndim != 1:
        raise ModelError(
            f"the targets of {name} are {format_shape(targets.shape)}",
            "cross-entropy takes one number for each example: of its class",
            hint="--loss my_losses.py:loss for other targets",
        )
    return _of_numbers(targets, classes, name, name_of or in_data(name))


def _no_tensor(targets: Any, name: str) -> ModelError:
    items = targets if isinstance(targets, tuple | list) else [targets]
    if items and all(isinstance(item, str) for item in items):
        return text_error(f"the targets of {name}", items[0])
    return ModelError(
        f"the targets of {name} are {type(targets).__name__}, no tensor",
        hint="--loss my_losses.py:loss for other targets",
    )


def text_error(what: str, text: str) -> ModelError:
    """The error of data that is text."""
    return ModelError(
        f"{what} are text: {str(text)!r}",
        "a model learns numbers: those of classes count from 0",
        hint="names.index(target), with names = sorted(set(targets))",
    )


def _of_numbers(targets: Tensor, classes: int, name: str, name_of: NameOf) -> Tensor:
    labels: Tensor = targets.long()
    if targets.is_floating_point() and not torch.equal(labels.to(targets.dtype), targets):
        raise ModelError(
            f"the targets of {name} are {_dtype(targets)}, no whole numbers",
            "cross-entropy takes numbers of classes",
            hint=_REGRESSION,
        )
    wrong = ((labels < 0) & (labels != IGNORED)) | (labels >= classes)
    if wrong.any():
        index = int(wrong.nonzero()[0, 0])
        raise ModelError(
            f"{name_of(index)} has the label {int(labels[index])}",
            f"the model has {format_exact(classes)} classes, 0 to {classes - 1}",
            hint="labels that count from 0, or a model with more classes; examples without a class "
            f"are left out of the data, or have the label {IGNORED}",
        )
    return labels


def _of_rows(targets: Tensor, name: str, name_of: NameOf) -> Tensor:
    """A row for each example, with one value for each class."""
    values = targets if targets.is_floating_point() else targets.float()
    sums = values.sum(1)
    is_probable = ((sums - 1).abs() <= _TOLERANCE) & (values >= 0).all(1)
    if is_probable.all():  # of integers: one is 1
        return targets if targets.is_floating_point() else targets.byte().argmax(1)
    index = int((~is_probable).nonzero()[0, 0])
    is_multi_label = bool(((values == 0) | (values == 1)).all())
    row = values[index]
    found = (
        f"is in {int(sums[index])} classes" if is_multi_label
        else f"has targets that sum to {float(sums[index]):g}" if bool((row >= 0).all())
        else f"has the target {float(row.min()):g}"
    )  # fmt: skip
    raise ModelError(
        f"{name_of(index)} {found}",
        f"the targets of {name} are {format_shape(targets.shape)} of {_dtype(targets)}; "
        "cross-entropy takes probabilities, which sum to 1, or one class for each example",
        hint=_MULTI_LABEL if is_multi_label else _REGRESSION,
    )


def _dtype(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


@dataclass(frozen=True)
class Labels:
    """The number of classes of a data set and its smallest label, None where they are unknown."""

    classes: int | None = None
    first: int | None = None


def labels_among(targets: Any, name: str) -> Labels:
    """The classes of all targets of a data set.

    Raises:
        ModelError: one label is far from the others, and marks examples without a class.
    """
    try:
        values = torch.as_tensor(targets)
    except (TypeError, ValueError, RuntimeError):
        return Labels()
    if not values.numel() or values.ndim not in (1, 2) or values.is_complex():
        return Labels()
    if values.ndim == 2 and values.shape[1] > 1:
        sums = values.float().sum(1)
        are_classes = not values.is_floating_point() or bool(((sums - 1).abs() <= _TOLERANCE).all())
        return Labels(values.shape[1] if are_classes else None)
    if values.is_floating_point():
        return Labels()
    if values.dtype == torch.bool:
        return Labels(2)
    labels = torch.unique(values.flatten().long())
    labels = labels[labels != IGNORED]
    if not len(labels) or labels[-1] < 0:
        return Labels()
    first, largest = int(labels[0]), int(labels[-1])
    if largest in _MARKERS and len(labels) > 1 and int(labels[-2]) < largest // 2:
        raise ModelError(
            f"{name} has the label {largest}, its other labels are {first} to {int(labels[-2])}",
            f"{largest} often marks examples without a class",
            hint=f"leave these examples out, or give them the label {IGNORED}, which is ignored; "
            "if it is a class, `classes` of the Dataset lists all",
        )
    return Labels(largest + 1, first)


# ---------------------------------------------------------------- elementwise losses

_ELEMENTWISE = {
    "MSELoss", "L1Loss", "SmoothL1Loss", "HuberLoss", "PoissonNLLLoss", "SoftMarginLoss",
    "BCELoss", "BCEWithLogitsLoss", "MultiLabelSoftMarginLoss", "mse_loss", "l1_loss",
    "smooth_l1_loss", "huber_loss", "poisson_nll_loss", "soft_margin_loss", "binary_cross_entropy",
    "binary_cross_entropy_with_logits", "multilabel_soft_margin_loss",
}  # fmt: skip


def is_elementwise(loss: Any) -> bool:
    """Whether it is a loss of torch that compares each output with its target."""
    owner = loss if hasattr(loss, "__name__") else type(loss)
    of_torch = (getattr(owner, "__module__", None) or "torch").startswith("torch")
    is_module = isinstance(loss, nn.Module) or callable(loss)
    return is_module and of_torch and getattr(owner, "__name__", "") in _ELEMENTWISE


def is_of_class_numbers(loss: Any) -> bool:
    """Whether it is a loss of torch whose targets are numbers of classes."""
    return isinstance(loss, nn.CrossEntropyLoss | nn.NLLLoss | nn.MultiMarginLoss) or loss in (
        functional.cross_entropy, functional.nll_loss, functional.multi_margin_loss
    )  # fmt: skip


def as_class_numbers(targets: Any) -> Any:
    """Numbers of classes as int64, the only type that all losses of torch take."""
    is_number = isinstance(targets, Tensor) and not targets.is_floating_point()
    return targets.long() if is_number else targets


def outputs_for(targets: Any) -> int | None:
    """The number of outputs that an elementwise loss compares with the targets of an example."""
    if not isinstance(targets, Tensor) or targets.ndim not in (1, 2):
        return None
    return 1 if targets.ndim == 1 else targets.shape[1]


def as_output(targets: Any, output: Any, loss_name: str) -> Any:
    """The targets of an elementwise loss, in the shape and type of the output.

    Raises:
        ModelError: their shapes differ, so that torch would broadcast them.
    """
    if not isinstance(targets, Tensor) or not isinstance(output, Tensor):
        return targets
    if targets.shape != output.shape:
        if [s for s in targets.shape if s != 1] != [s for s in output.shape if s != 1]:
            raise ModelError(
                f"the targets are {format_shape(targets.shape)}, the output of the model is "
                f"{format_shape(output.shape)}",
                f"{loss_name} compares each output with its own target",
                hint="a model with as many outputs as an example has targets",
            )
        targets = targets.reshape(output.shape)
    return targets if targets.is_floating_point() else targets.to(output.dtype)
