"""Data by name: images to train and test on, or synthetic ones to time."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import ModelError, NotFound, UsageError, nearest
from .machine import import_extra
from .nonfinite import check_finite
from .results import Protocol
from .user_batches import UserBatch, sample_of
from .user_data import Examples, Stream, UserSplit, labels_in, split_of, user_splits

_SPLIT_SEED = 0
_TEST_SHARE = 0.2


@dataclass(frozen=True)
class InMemory:
    """Images in memory, N×C×H×W; `largest` is the value of white."""

    images: Tensor
    labels: Tensor
    largest: float

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Files:
    """Images in files, read by workers during training: indices into a torch `Dataset`."""

    dataset: Any
    indices: Tensor

    def __len__(self) -> int:
        return len(self.indices)

    def name_of(self, index: int) -> str:
        """The file of an example of the dataset."""
        return str(self.dataset.samples[index][0])


@dataclass(frozen=True)
class Synthetic:
    """One batch of noise, N×C×H×W, that every step uses; an epoch has `steps` steps."""

    shape: tuple[int, ...]
    classes: int
    seed: int
    steps: int = 100

    def __len__(self) -> int:
        return self.shape[0] * self.steps

    def drawn(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """The images and their labels, drawn on the device."""
        generator = torch.Generator(device).manual_seed(self.seed)
        images = torch.rand(self.shape, generator=generator, device=device)
        labels = torch.randint(self.classes, self.shape[:1], generator=generator, device=device)
        return images, labels


Split = InMemory | Files | Synthetic | Examples | Stream


@dataclass(frozen=True)
class Data:
    """Training and test data; `test` is None without any. `channels` are those of the images.

    `classes` is None where the data does not say. `sample` are two examples of the user's data.
    `first_label` is the smallest. `notes` are what is conspicuous in it.
    """

    name: str
    train: Split
    test: Split | None
    classes: int | None
    channels: int
    sample: UserBatch | None = None
    class_names: tuple[str, ...] = ()
    first_label: int | None = None
    notes: tuple[str, ...] = ()


def random_split(count: int) -> tuple[Tensor, Tensor]:
    """Indices of the 80 % of `count` examples to train on and of the 20 % to test on, in order.

    They are the same in every run.
    """
    order = torch.randperm(count, generator=torch.Generator().manual_seed(_SPLIT_SEED))
    tested = round(_TEST_SHARE * count)
    return order[tested:].sort().values, order[:tested].sort().values


def _digits(protocol: Protocol, sides: Sequence[int]) -> Data:
    """The 1,797 handwritten digits of 8×8 pixels that come with scikit-learn (UCI, optdigits)."""
    datasets = import_extra("sklearn.datasets", "for --data digits")
    table = datasets.load_digits()
    images = torch.tensor(table.images, dtype=torch.float32).unsqueeze(1)
    labels = torch.tensor(table.target, dtype=torch.int64)
    train, test = (
        InMemory(images[part], labels[part], 16.0) for part in random_split(len(labels))
    )  # fmt: skip
    return Data("digits", train, test, 10, 1)


_TORCHVISION = {
    "mnist": ("MNIST", "MNIST/raw", "train-images-idx3-ubyte and the other three files"),
    "fashion-mnist": (
        "FashionMNIST", "FashionMNIST/raw", "train-images-idx3-ubyte and the other three files",
    ),
    "cifar10": ("CIFAR10", "", "cifar-10-python.tar.gz"),
}  # fmt: skip


def default_folder() -> Path:
    """The default of `--data-dir`."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "cnnstat" / "data"


def _of_torchvision(protocol: Protocol, sides: Sequence[int]) -> Data:
    class_name, below, files = _TORCHVISION[protocol.data]
    factory = getattr(
        import_extra("torchvision.datasets", f"for --data {protocol.data}"), class_name
    )
    folder = Path(protocol.data_dir) if protocol.data_dir else default_folder()
    try:
        parts = [factory(str(folder), train=train, download=True) for train in (True, False)]
    except Exception as error:  # the network, the disk or a damaged file
        reason = " ".join(str(error).split())[:200]
        raise ModelError(
            f"{protocol.data} is not in {folder} and cannot be downloaded",
            f"{type(error).__name__}: {reason}",
            f"put {files} into {folder / below}, or name the folder that has them by --data-dir",
            hint="--data digits needs no files",
        ) from error
    train, test = (_in_memory(part) for part in parts)
    names = tuple(map(str, parts[0].classes))
    channels = train.images.shape[1]
    return Data(protocol.data, train, test, len(names), channels, class_names=names)


def _in_memory(part: Any) -> InMemory:
    images = torch.as_tensor(part.data)
    images = images.unsqueeze(1) if images.ndim == 3 else images.permute(0, 3, 1, 2)
    return InMemory(images.contiguous(), torch.as_tensor(part.targets, dtype=torch.int64), 255.0)


def _folder(protocol: Protocol, sides: Sequence[int]) -> Data:
    """`folder:PATH`: a folder per class, in train/ and in val/ or test/ if these exist."""
    path = Path(protocol.data.partition(":")[2])
    if not path.is_dir():
        raise NotFound(f"--data {protocol.data}: there is no folder {path}")
    tested = next((path / name for name in ("val", "test") if (path / name).is_dir()), None)
    if (path / "train").is_dir() and tested is not None:
        train, test = _images_in(path / "train", sides), _images_in(tested, sides)
        if train.classes != test.classes:
            differing = ", ".join(sorted(set(train.classes) ^ set(test.classes)))
            raise ModelError(f"{path}: not in both train and {tested.name}: {differing}")
        parts = Files(train, torch.arange(len(train))), Files(test, torch.arange(len(test)))
    else:
        train = _images_in(path, sides)
        for_training, for_testing = random_split(len(train))
        parts = Files(train, for_training), Files(train, for_testing)
    names = tuple(train.classes)
    return Data(protocol.data, *parts, len(names), 3, class_names=names)


def _images_in(path: Path, sides: Sequence[int]) -> Any:
    datasets = import_extra("torchvision.datasets", "for --data folder:PATH")
    transforms = import_extra("torchvision.transforms", "for --data folder:PATH")
    prepared = transforms.Compose([transforms.Resize(tuple(sides)), transforms.PILToTensor()])
    try:
        return datasets.ImageFolder(str(path), prepared)
    except (OSError, ValueError) as error:
        raise ModelError(
            f"{path} has no images to train on",
            " ".join(str(error).split())[:200],
            "expected a folder for each class with its images in it: "
            f"{path}/cats/1.png, {path}/dogs/1.png",
        ) from error


def synthetic(protocol: Protocol, image: Sequence[int], classes: int) -> Data:
    """Noise in the model's input size, C×H×W, with as many classes as the model."""
    noise = Synthetic((protocol.batch_size, *image), classes, protocol.seed)
    return Data("synthetic", noise, None, classes, image[0])


def user_data(value: Any, tested: Any, protocol: Protocol) -> Data:
    """The user's own data, which is trained on as it is; `tested` is None for its own test part.

    Raises:
        UsageError: a value is no data to train on.
        ModelError: the user's code fails, or yields no batches of inputs and targets.
    """
    size = protocol.batch_size
    train, test = user_splits(value, protocol.data, size)
    if tested is not None:
        test = split_of(tested, protocol.test_data or "the test data", size)
    train, sample = _sampled(train)
    check_finite(train)
    if test is not None:
        test, _ = _sampled(test)
        check_finite(test)
    images = sample.inputs
    channels = images.shape[1] if isinstance(images, Tensor) and images.ndim > 1 else 1
    labels = labels_in(train)
    return Data(protocol.data, train, test, labels.classes, channels, sample,
                first_label=labels.first)  # fmt: skip


def _sampled(split: UserSplit) -> tuple[UserSplit, UserBatch]:
    """The data with the device of its examples, and two of them."""
    sample = sample_of(split)
    return replace(split, device=sample.device) if isinstance(split, Examples) else split, sample


_DATA: dict[str, Callable[[Protocol, Sequence[int]], Data]] = {
    "digits": _digits,
    "fashion-mnist": _of_torchvision,
    "mnist": _of_torchvision,
    "cifar10": _of_torchvision,
    "folder": _folder,
}


def is_downloaded(data: str) -> bool:
    """Whether it is data that `--data-dir` is for."""
    return data in _TORCHVISION


def data_kinds() -> tuple[str, ...]:
    """The names of data, without what follows a colon."""
    return (*_DATA, "synthetic")


def data_name(text: str) -> str:
    """The name of the data in cnnstat's spelling: fashion-mnist for `FashionMNIST`."""
    known = {_plain(name): name for name in (*_DATA, "synthetic") if name != "folder"}
    return known.get(_plain(text), text)


def _plain(name: str) -> str:
    return re.sub(r"[-_ ]", "", name).lower()


def load_data(protocol: Protocol, sides: Sequence[int]) -> Data:
    """Load the data that `--data` names. `sides`: height and width that files are resized to.

    Raises:
        UsageError: the name is unknown.
        ModelError: it is missing and cannot be downloaded, or it cannot be read.
    """
    kind = protocol.data.partition(":")[0]
    if kind not in _DATA or (kind == "folder") != (":" in protocol.data):
        raise UsageError(
            f"unknown data {protocol.data!r}",
            *filter(None, [nearest(protocol.data, [*_DATA, "synthetic"])]),
            hint="--data digits|fashion-mnist|mnist|cifar10|synthetic|folder:PATH, or a Dataset of "
            "yours: --data my_data.py:NAME",
        )
    return _DATA[kind](protocol, sides)
