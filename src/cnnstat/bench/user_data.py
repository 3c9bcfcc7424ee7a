"""The user's own data: a Dataset, a DataLoader, tensors, or a function that returns one of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    TensorDataset,
    default_collate,
)

from ..errors import NOT_OF_THE_MODEL, ModelError, UsageError, format_exception, text_of
from ..tracing.places import raising_line
from .targets import Labels, labels_among, text_error

_TESTED = ("test", "validation", "val")
_EXPECTED = (
    "expected is a Dataset, a DataLoader, a pair (inputs, targets), or a function that returns one "
    "or yields batches"
)


@dataclass(frozen=True)
class Examples:
    """A Dataset of examples (input, target), of which cnnstat draws the batches.

    `device` is where its examples are, None the CPU.
    """

    name: str
    dataset: Any
    device: torch.device | None = None

    def __len__(self) -> int:
        return len(self.dataset)


@dataclass
class Stream:
    """Batches that the user's code makes, in `batches()` anew for each epoch.

    `steps` and `examples` of an epoch are None until one has ended, if they are unknown.
    `batch_size` is None if it is unknown; `is_resizable` if cnnstat chose it.
    """

    name: str
    batches: Callable[[], Iterable[Any]]
    batch_size: int | None = None
    steps: int | None = None
    examples: int | None = None
    dataset: Any = field(default=None, repr=False)
    is_resizable: bool = False

    def __len__(self) -> int:
        return self.examples or 0


UserSplit = Examples | Stream


def user_splits(value: Any, name: str, batch_size: int) -> tuple[UserSplit, UserSplit | None]:
    """The training data, and the test data if the value is a pair or has parts named so.

    Raises:
        UsageError: it is no data to train on.
        ModelError: the user's function fails.
    """
    returned = _returned(value, name)
    if returned is not value and isinstance(returned, Iterator):
        return Stream(name, value), None
    value = returned
    if hasattr(value, "train_dataloader"):  # a LightningDataModule
        value = _called(lambda: _of_module(value), name)
    if isinstance(value, Mapping) and "train" in value:
        tested = next((value[key] for key in _TESTED if key in value), None)
        value = (value["train"], tested)
    if isinstance(value, tuple) and len(value) == 2 and not is_array(value[0]):
        train, test = value
        tested_split = (
            None if test is None else split_of(test, f"the test data of {name}", batch_size)
        )
        return split_of(train, name, batch_size), tested_split
    return split_of(value, name, batch_size), None


def _of_module(module: Any) -> tuple[Any, Any]:
    module.prepare_data()
    module.setup("fit")
    return module.train_dataloader(), module.val_dataloader()


def split_of(value: Any, name: str, batch_size: int) -> UserSplit:
    """The data as examples or as a stream of batches.

    Raises:
        UsageError, ModelError: as `user_splits`.
    """
    returned = _returned(value, name)
    if returned is not value and isinstance(returned, Iterator):
        return Stream(name, value)
    value = returned
    if isinstance(value, Iterator):
        raise UsageError(
            f"a {type(value).__name__} is used up after one epoch",
            hint="the function that returns it, without calling it",
        )
    if isinstance(value, DataLoader):
        return _of_loader(value, name)
    if isinstance(value, IterableDataset):
        return replace(
            _of_loader(DataLoader(value, batch_size=batch_size), name), is_resizable=True
        )
    if _are_arrays(value):
        value = _of_tensors(value, name)
    elif isinstance(value, list) and value and not _is_example(value[0]):
        return Stream(name, lambda: value, None, len(value))
    if isinstance(value, str | bytes | Mapping | Tensor) or not _is_indexed(value):
        if isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping | Tensor):
            return Stream(name, lambda: value)
        raise UsageError(f"{name} is no data to train on: {type(value).__name__}", _EXPECTED)
    if _called(lambda: len(value), f"__len__ of {name}") == 0:
        raise ModelError(f"{name} has no examples")
    return Examples(name, value)


def _returned(value: Any, name: str) -> Any:
    """What a function of the user returns; anything else as it is."""
    is_data = (
        isinstance(value, Iterable) or _is_indexed(value) or hasattr(value, "train_dataloader")
    )
    if isinstance(value, type) or (callable(value) and not is_data):
        return _called(value, name)
    return value


def _called(function: Callable[[], Any], name: str) -> Any:
    try:
        return function()
    except NOT_OF_THE_MODEL:
        raise
    except BaseException as error:  # the user's code may raise anything
        raise ModelError(
            f"{name} returns no data", *raising_line(error), format_exception(error)
        ) from error


def _is_indexed(value: Any) -> bool:
    return hasattr(value, "__getitem__") and hasattr(value, "__len__")


def is_array(value: Any) -> bool:
    """Whether it is a tensor, an array of numpy or a table of pandas."""
    package = type(value).__module__.partition(".")[0]
    return isinstance(value, Tensor) or package in ("numpy", "pandas")


def _are_arrays(value: Any) -> bool:
    """Whether it is several arrays; behind the first they may be lists of numbers or texts."""
    if not isinstance(value, tuple | list) or len(value) < 2 or not is_array(value[0]):
        return False
    return all(is_array(part) or _is_flat(part) for part in value[1:])


def _is_flat(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, int | float | str) for item in value)


def _is_example(item: Any) -> bool:
    """Whether an item of a list is an example: its target is one number."""
    target = item[-1] if isinstance(item, tuple | list) and item else None
    if target is None or not is_array(target):
        return isinstance(target, int | float)
    return bool(target.ndim == 0)


def _of_tensors(values: Any, name: str) -> TensorDataset:
    *inputs, targets = values
    tensors = [_tensor_of(value, f"the inputs of {name}") for value in inputs]
    tensors.append(_tensor_of(targets, f"the targets of {name}"))
    lengths = [len(tensor) if tensor.ndim else 0 for tensor in tensors]
    if len(set(lengths)) > 1:
        counts = " and ".join(map(str, lengths))
        raise UsageError(f"{name}: inputs and targets differ in number: {counts}")
    return TensorDataset(*tensors)


def _tensor_of(value: Any, what: str) -> Tensor:
    """A tensor of an array, a table or a list.

    Raises:
        ModelError: it has something else than numbers.
    """
    array = value.to_numpy() if hasattr(value, "to_numpy") else value
    if getattr(getattr(array, "dtype", None), "kind", "") == "O":  # of Python objects
        array = array.tolist()
    try:
        return torch.as_tensor(array)
    except (TypeError, ValueError, RuntimeError) as error:
        texts = [item for item in array if isinstance(item, str)]
        if texts:
            raise text_error(what, texts[0]) from error
        raise ModelError(f"{what} are no numbers", text_of(error).splitlines()[0]) from error


def _of_loader(loader: DataLoader[Any], name: str) -> Stream:
    steps, examples = _length(loader), _length(loader.dataset)
    if examples is not None and loader.drop_last and steps and loader.batch_size:
        examples = steps * loader.batch_size
    return Stream(name, lambda: loader, loader.batch_size, steps, examples, loader.dataset)


def as_examples(stream: Stream) -> Examples | None:
    """The examples of a DataLoader, of which each process can get its part as with its batches.

    None if its batches are not those of its dataset in order or shuffled, put together by torch.
    """
    loader = stream.batches()
    if not isinstance(loader, DataLoader) or isinstance(loader.dataset, IterableDataset):
        return None
    ordinary = type(loader.sampler) in (RandomSampler, SequentialSampler)
    is_torchs = loader.collate_fn is default_collate and type(loader.batch_sampler) is BatchSampler
    return Examples(stream.name, loader.dataset) if ordinary and is_torchs else None


def _length(value: Any) -> int | None:
    try:
        return len(value)
    except (TypeError, NotImplementedError):  # an IterableDataset
        return None


def labels_in(split: UserSplit) -> Labels:
    """The classes that the data declares, or has in its list of targets.

    Raises:
        ModelError: a label seems to mark examples without a class.
    """
    dataset = split.dataset
    while isinstance(dataset, torch.utils.data.Subset):
        dataset = dataset.dataset
    names = getattr(dataset, "classes", None)
    if isinstance(names, list | tuple) and names:
        return Labels(len(names))
    number = getattr(dataset, "num_classes", None)
    if isinstance(number, int):
        return Labels(number)
    targets = getattr(dataset, "targets", getattr(dataset, "labels", None))
    if isinstance(dataset, TensorDataset):
        targets = dataset.tensors[-1]
    return labels_among(targets, split.name)
