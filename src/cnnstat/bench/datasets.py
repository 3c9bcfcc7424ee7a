"""Data by name: real images to train and test on, or synthetic ones to time."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import ModelError, UsageError, nearest
from .extra import needed
from .results import Protocol

_SPLIT_SEED = 0
_TEST_SHARE = 0.2


@dataclass(frozen=True)
class Held:
    """Images that are all in memory, N×C×H×W; `largest` is the value of white."""

    images: Tensor
    labels: Tensor
    largest: float

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Files:
    """Images in files, read by workers while training: a torch `Dataset` and which of it."""

    dataset: Any
    indices: Tensor

    def __len__(self) -> int:
        return len(self.indices)


@dataclass(frozen=True)
class Synthetic:
    """One batch of noise, again and again: `steps` of it are an epoch. `shape` is N×C×H×W."""

    shape: tuple[int, ...]
    classes: int
    seed: int
    steps: int = 100

    def __len__(self) -> int:
        return self.shape[0] * self.steps

    def drawn(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """The images, and their labels; drawn on the device, which is faster where it is a GPU."""
        generator = torch.Generator(device).manual_seed(self.seed)
        images = torch.rand(self.shape, generator=generator, device=device)
        labels = torch.randint(self.classes, self.shape[:1], generator=generator, device=device)
        return images, labels


Split = Held | Files | Synthetic


@dataclass(frozen=True)
class Data:
    """`test` is None where there is nothing to learn. `channels` are those of the images."""

    name: str
    train: Split
    test: Split | None
    classes: int
    channels: int


def random_split(count: int) -> tuple[Tensor, Tensor]:
    """Which of `count` examples to train and to test on: 80 % and 20 %, the same for every run."""
    order = torch.randperm(count, generator=torch.Generator().manual_seed(_SPLIT_SEED))
    held_out = round(_TEST_SHARE * count)
    return order[held_out:].sort().values, order[:held_out].sort().values


def _digits(protocol: Protocol, sides: Sequence[int]) -> Data:
    """The 1,797 handwritten digits of 8×8 pixels that come with scikit-learn (UCI, optdigits)."""
    datasets = needed("sklearn.datasets", "for --data digits")
    table = datasets.load_digits()
    images = torch.tensor(table.images, dtype=torch.float32).unsqueeze(1)
    labels = torch.tensor(table.target, dtype=torch.int64)
    train, test = (
        Held(images[part], labels[part], 16.0) for part in random_split(len(labels))
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
    """Where downloaded data is kept unless `--data-dir` names another place."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "cnnstat" / "data"


def _of_torchvision(protocol: Protocol, sides: Sequence[int]) -> Data:
    class_name, below, files = _TORCHVISION[protocol.data]
    factory = getattr(needed("torchvision.datasets", f"for --data {protocol.data}"), class_name)
    folder = Path(protocol.data_dir) if protocol.data_dir else default_folder()
    try:
        parts = [factory(str(folder), train=train, download=True) for train in (True, False)]
    except Exception as error:  # the network, the disk or a damaged file: all kinds of errors
        reason = " ".join(str(error).split())[:200]
        raise ModelError(
            f"{protocol.data} is not in {folder} and cannot be downloaded",
            f"{type(error).__name__}: {reason}",
            f"put {files} into {folder / below}, or name the folder that has them by --data-dir",
            hint="--data digits needs no files",
        ) from error
    train, test = (_held(part) for part in parts)
    return Data(protocol.data, train, test, len(parts[0].classes), train.images.shape[1])


def _held(part: Any) -> Held:
    images = torch.as_tensor(part.data)
    images = images.unsqueeze(1) if images.ndim == 3 else images.permute(0, 3, 1, 2)
    return Held(images.contiguous(), torch.as_tensor(part.targets, dtype=torch.int64), 255.0)


def _folder(protocol: Protocol, sides: Sequence[int]) -> Data:
    """`folder:PATH`: a folder for each class, below train/ and val/ or test/ if there are such."""
    path = Path(protocol.data.partition(":")[2])
    if not path.is_dir():
        raise UsageError(f"--data {protocol.data}: there is no folder {path}")
    held_out = next((path / name for name in ("val", "test") if (path / name).is_dir()), None)
    if (path / "train").is_dir() and held_out is not None:
        train, test = _images_in(path / "train", sides), _images_in(held_out, sides)
        if train.classes != test.classes:
            differing = ", ".join(sorted(set(train.classes) ^ set(test.classes)))
            raise ModelError(f"{path}: not in both train and {held_out.name}: {differing}")
        parts = Files(train, torch.arange(len(train))), Files(test, torch.arange(len(test)))
    else:
        train = _images_in(path, sides)
        for_training, for_testing = random_split(len(train))
        parts = Files(train, for_training), Files(train, for_testing)
    return Data(protocol.data, *parts, len(train.classes), 3)


def _images_in(path: Path, sides: Sequence[int]) -> Any:
    datasets = needed("torchvision.datasets", "for --data folder:PATH")
    transforms = needed("torchvision.transforms", "for --data folder:PATH")
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
    """Noise of the model's own input, C×H×W, for as many classes as it tells apart."""
    noise = Synthetic((protocol.batch_size, *image), classes, protocol.seed)
    return Data("synthetic", noise, None, classes, image[0])


_DATA: dict[str, Callable[[Protocol, Sequence[int]], Data]] = {
    "digits": _digits,
    "fashion-mnist": _of_torchvision,
    "mnist": _of_torchvision,
    "cifar10": _of_torchvision,
    "folder": _folder,
}


def load_data(protocol: Protocol, sides: Sequence[int]) -> Data:
    """The data that `--data` names; `sides` are the height and width that files are resized to.

    Raises:
        UsageError: there is no such data.
        ModelError: it is not here and cannot be downloaded, or cannot be read.
    """
    kind = protocol.data.partition(":")[0]
    if kind not in _DATA or (kind == "folder") != (":" in protocol.data):
        raise UsageError(
            f"unknown data {protocol.data!r}",
            *filter(None, [nearest(protocol.data, [*_DATA, "synthetic"])]),
            hint="--data digits|fashion-mnist|mnist|cifar10|synthetic|folder:PATH",
        )
    return _DATA[kind](protocol, sides)
