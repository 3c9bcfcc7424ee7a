"""Values of the user's data that are not finite: NaN and infinity. They make a loss NaN.

What is in tensors is checked before a training begins. Other data is searched after a loss was not
finite, so that the loop has nothing to check.
"""

from __future__ import annotations

from collections.abc import Iterator
from time import monotonic
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Subset, TensorDataset, default_collate

from ..errors import NOT_OF_THE_MODEL, ModelError
from ..tracing.process.global_state import preserve_rng_state
from ..tracing.structure.containers import output_tensors
from .targets import NameOf, in_batch, in_data
from .user_batches import UserBatch, batch_of, collate
from .user_data import Examples, Stream, UserSplit

_LONGEST = 30.0  # seconds of a search
_AT_ONCE = 1024  # examples, whose comparison takes memory


def tensors_in(split: UserSplit) -> tuple[Tensor, ...] | None:
    """All examples as tensors, the targets last, if the data consists of tensors as they are."""
    if split.dataset is None:
        return None
    if isinstance(split, Stream):
        loader = split.batches()
        if getattr(loader, "collate_fn", None) is not default_collate:
            return None
    dataset: Any = split.dataset
    indices = None
    if isinstance(dataset, Subset):
        dataset, indices = dataset.dataset, dataset.indices
    if type(dataset) is not TensorDataset:
        return None
    tensors = dataset.tensors
    return tensors if indices is None else tuple(tensor[indices] for tensor in tensors)


def check_finite(split: UserSplit) -> None:
    """Look for a value that is not finite in data of tensors.

    Raises:
        ModelError: there is one; it names the first example.
    """
    tensors = tensors_in(split)
    if tensors is None or len(tensors) < 2:
        return
    *inputs, targets = tensors
    for part, tensor in [*(("input", each) for each in inputs), ("target", targets)]:
        wrong = torch.cat([_rows(piece) for piece in torch.split(tensor, _AT_ONCE)])
        if wrong.any():
            index, count = int(wrong.nonzero()[0, 0]), int(wrong.sum())
            others = f"; {count} of {len(wrong)} examples have such values" if count > 1 else ""
            raise _found(f"example {index} of {split.name}", part, tensor[index], others)


def _rows(tensor: Tensor) -> Tensor:
    """For each example whether it has a value that is not finite."""
    return ~tensor.reshape(len(tensor), -1).isfinite().all(1)


def _found(place: str, part: str, value: Tensor, others: str = "") -> ModelError:
    kind = "NaN" if bool(value.isnan().any()) else "infinity"
    return ModelError(
        f"{place} has {kind} in its {part}",
        f"a loss of it is no number{others}",
        hint="leave the example out, or torch.nan_to_num in the Dataset",
    )


def search(split: UserSplit, indices: list[int] | None = None) -> ModelError | None:
    """The first example that is not finite, as an error; None if none is found in half a minute.

    `indices` are the examples to look at; None is all.
    """
    with preserve_rng_state():
        try:
            return next(_search(split, indices), None)
        except NOT_OF_THE_MODEL:
            raise
        except Exception:  # the user's code may fail where it did not before
            return None


def _search(split: UserSplit, indices: list[int] | None) -> Iterator[ModelError]:
    end = monotonic() + _LONGEST
    for place_of, batch in _batches(split, indices):
        for part, tensor in _parts(batch):
            wrong = _rows(tensor) if tensor.ndim else ~tensor.isfinite()[None]
            if wrong.any():
                index = int(wrong.nonzero()[0, 0])
                yield _found(place_of(index), part, tensor[index] if tensor.ndim else tensor)
        if monotonic() > end:
            return


def _batches(split: UserSplit, indices: list[int] | None) -> Iterator[tuple[NameOf, UserBatch]]:
    name = split.name
    if isinstance(split, Examples) or hasattr(split.dataset, "__getitem__"):
        dataset = split.dataset
        for index in indices if indices is not None else range(len(dataset)):
            batch = batch_of(collate([dataset[index]]), name)
            yield in_data(name, [index]), batch
        return
    for number, value in enumerate(split.batches(), start=1):
        yield in_batch(number, name), batch_of(value, name)


def _parts(batch: UserBatch) -> Iterator[tuple[str, Tensor]]:
    for part, value in (("input", batch.inputs), ("target", batch.targets)):
        for tensor in output_tensors(value):
            if tensor.is_floating_point():
                yield part, tensor
