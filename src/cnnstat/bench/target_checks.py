"""All targets of data of tensors, before a training begins."""

from __future__ import annotations

import torch

from .datasets import Data
from .nonfinite import tensors_in
from .targets import IGNORED, labels_of
from .user_data import UserSplit


def check_targets(data: Data) -> tuple[str, ...]:
    """Notes on targets for cross-entropy; other data than tensors is checked batch by batch.

    Raises:
        ModelError: a target is no class of the model.
    """
    notes: list[str] = []
    for split in (data.train, data.test):
        if not isinstance(split, UserSplit) or data.classes is None:
            continue
        tensors = tensors_in(split)
        if tensors is None or len(tensors) < 2:
            continue
        labels = labels_of(tensors[-1], data.classes, split.name)
        if labels.ndim != 1:
            continue
        ignored, kinds = int((labels == IGNORED).sum()), torch.unique(labels[labels != IGNORED])
        if ignored:
            notes.append(
                f"{ignored} of {len(labels)} examples of {split.name} have the label {IGNORED}: "
                "they are not learned or counted"
            )
        if split is data.train and len(kinds) > 1 and int(kinds[0]) > 0:
            notes.append(
                f"the labels of {split.name} are {int(kinds[0])} to {int(kinds[-1])}, and classes "
                f"count from 0: those below {int(kinds[0])} never occur"
            )
        if len(kinds) == 1 and split is data.train:
            notes.append(
                f"all {len(labels)} labels of {split.name} are {int(kinds[0])}: a model that "
                "always answers so is right"
            )
    return tuple(notes)
