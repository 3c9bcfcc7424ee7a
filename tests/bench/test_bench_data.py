"""The data of `bench`: files made here, in the formats that are published, and what is missing."""

from __future__ import annotations

import pickle
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import cnnstat
from cnnstat.bench.batches import Batches, Placement
from cnnstat.bench.datasets import Data, data_name, default_folder, load_data
from cnnstat.bench.machine import import_extra
from cnnstat.bench.results import Protocol
from cnnstat.cli.main import run
from cnnstat.errors import ModelError

SPELLINGS = [
    ("FashionMNIST", "fashion-mnist"),
    ("fashion_mnist", "fashion-mnist"),
    ("CIFAR-10", "cifar10"),
    ("cifar_10", "cifar10"),
    ("MNIST", "mnist"),
    ("Synthetic", "synthetic"),
    ("folder:My_Images", "folder:My_Images"),
    ("imagenet", "imagenet"),
]


@pytest.mark.parametrize(("typed", "name"), SPELLINGS)
def test_spellings(typed: str, name: str) -> None:
    assert data_name(typed) == name


MODEL = """
from torch import nn

class Net(nn.Sequential):
    def __init__(self, in_channels=1, num_classes=10):
        super().__init__(nn.Flatten(), nn.Linear(in_channels * 8 * 8, num_classes))

example_input = (1, 1, 8, 8)
"""
CPU = Placement(torch.device("cpu"))


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.py").write_text(MODEL)


def write_idx(folder: Path, train: int, test: int) -> None:
    """The four files of MNIST (yann.lecun.com/exdb/mnist): a magic number, sizes, bytes.

    Image n is all of gray n, and its class is n mod 10.
    """
    folder.mkdir(parents=True)
    for name, count in (("train", train), ("t10k", test)):
        shades = np.arange(count, dtype=np.uint8)
        images = np.broadcast_to(shades[:, None, None], (count, 28, 28))
        header = struct.pack(">IIII", 0x00000803, count, 28, 28)  # unsigned bytes, 3 dimensions
        (folder / f"{name}-images-idx3-ubyte").write_bytes(header + images.tobytes())
        labels = struct.pack(">II", 0x00000801, count) + bytes(n % 10 for n in range(count))
        (folder / f"{name}-labels-idx1-ubyte").write_bytes(labels)


@pytest.mark.parametrize(
    ("name", "below"), [("fashion-mnist", "FashionMNIST/raw"), ("mnist", "MNIST/raw")]
)
def test_idx_files(name: str, below: str, tmp_path: Path) -> None:
    write_idx(tmp_path / "files" / below, train=200, test=30)
    protocol = Protocol(data=name, data_dir=str(tmp_path / "files"), batch_size=30)
    data = load_data(protocol, (8, 8))
    ((images, labels, _),) = Batches(data, (1, 8, 8), protocol, CPU).testing()
    assert images.shape == (30, 1, 8, 8)  # shrunk from 28×28
    assert torch.allclose(images[17], torch.full((1, 8, 8), 17 / 255))
    assert labels.tolist() == [n % 10 for n in range(30)]
    result = cnnstat.measure("model.py:Net", data=name, data_dir=protocol.data_dir, epochs=1)
    assert (result.data.train, result.data.test, result.data.classes) == (200, 30, 10)
    assert result.runs[0].epochs[0].test_accuracy is not None


def test_cifar10_from_its_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torchvision

    folder = tmp_path / "files" / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    monkeypatch.setattr(torchvision.datasets.CIFAR10, "_check_integrity", lambda self: True)
    names = [f"data_batch_{n}" for n in range(1, 6)] + ["test_batch"]
    for shade, name in enumerate(names):
        pixels = np.zeros((4, 3, 32, 32), dtype=np.uint8)
        pixels[:, 0] = 50 * shade  # red
        batch = {"data": pixels.reshape(4, -1), "labels": [0, 1, 2, 3]}
        (folder / name).write_bytes(pickle.dumps(batch))
    meta = {"label_names": [f"class {n}" for n in range(10)]}
    (folder / "batches.meta").write_bytes(pickle.dumps(meta))
    monkeypatch.setattr(torchvision.datasets.CIFAR10, "meta", {
        "filename": "batches.meta", "key": "label_names", "md5": None,
    })  # fmt: skip
    protocol = Protocol(data="cifar10", data_dir=str(tmp_path / "files"), batch_size=4)
    data = load_data(protocol, (32, 32))
    assert (len(data.train), data.classes, data.channels) == (20, 10, 3)
    ((images, labels, _),) = Batches(data, (3, 32, 32), protocol, CPU).testing()
    assert labels.tolist() == [0, 1, 2, 3]
    assert torch.allclose(images[:, 0], torch.tensor(250 / 255))
    assert images[:, 1:].abs().max() == 0


def test_data_that_cannot_be_downloaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    mnist = import_extra("torchvision.datasets.mnist", "here")

    def no_network(*args: object, **kwargs: object) -> None:
        raise OSError("[Errno -3] Temporary failure in name resolution")

    monkeypatch.setattr(mnist, "download_and_extract_archive", no_network)
    line = f"bench lenet --data fashion-mnist --data-dir {tmp_path / 'none'}"
    assert run(line.split()) == 1
    err = capsys.readouterr().err
    assert f"fashion-mnist is not in {tmp_path / 'none'} and cannot be downloaded" in err
    assert "train-images-idx3-ubyte" in err
    assert str(tmp_path / "none" / "FashionMNIST" / "raw") in err
    assert "try: --data digits needs no files" in err


def test_downloads_go_to_the_users_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert default_folder() == Path("/somewhere/cnnstat/data")


def write_images(folder: Path, counts: dict[str, int]) -> None:
    """PNGs of 10×6 pixels, one colour for each class."""
    colours = {"blue": (0, 0, 255), "green": (0, 255, 0), "red": (255, 0, 0)}
    for name, count in counts.items():
        (folder / name).mkdir(parents=True)
        for number in range(count):
            Image.new("RGB", (10, 6), colours[name]).save(folder / name / f"{number}.png")


def colours_of(data: Data, workers: int = 0) -> list[tuple[int, list[float]]]:
    protocol = Protocol(data=data.name, batch_size=64, workers=workers)
    batches = Batches(data, (3, 8, 8), protocol, CPU).testing()
    return [(int(label), image[:, 0, 0].tolist()) for images, labels, _ in batches
            for image, label in zip(images, labels, strict=True)]  # fmt: skip


def test_a_folder_for_each_class_is_split(tmp_path: Path) -> None:
    write_images(tmp_path / "pictures", {"blue": 20, "red": 10})
    protocol = Protocol(data="folder:pictures")
    data = load_data(protocol, (8, 8))
    assert data.test is not None
    assert (len(data.train), len(data.test), data.classes) == (24, 6, 2)  # 20 % of 30
    for label, colour in colours_of(data, workers=1):
        assert colour == ([0, 0, 1] if label == 0 else [1, 0, 0])
    result = cnnstat.measure("model.py:Net", data="folder:pictures", epochs=6, workers=0,
                             batch_size=8)  # fmt: skip
    assert result.runs[0].model.arguments == {"in_channels": 3, "num_classes": 2}
    assert result.runs[0].epochs[-1].test_accuracy == 1.0  # blue and red are easily told apart


def test_train_and_val_are_taken_as_they_are(tmp_path: Path) -> None:
    write_images(tmp_path / "pictures" / "train", {"green": 5, "red": 4})
    write_images(tmp_path / "pictures" / "val", {"green": 2, "red": 1})
    data = load_data(Protocol(data="folder:pictures"), (8, 8))
    assert len(data.train) == 9
    assert colours_of(data) == [(0, [0, 1, 0]), (0, [0, 1, 0]), (1, [1, 0, 0])]
    write_images(tmp_path / "pictures" / "val", {"blue": 1})
    with pytest.raises(ModelError, match="not in both train and val: blue"):
        load_data(Protocol(data="folder:pictures"), (8, 8))


def test_a_folder_without_images(tmp_path: Path) -> None:
    (tmp_path / "pictures" / "cats").mkdir(parents=True)
    with pytest.raises(ModelError, match="has no images to train on"):
        load_data(Protocol(data="folder:pictures"), (8, 8))


@pytest.mark.parametrize("workers", [0, 1])
def test_a_broken_image_is_named(workers: int, tmp_path: Path) -> None:
    write_images(tmp_path / "pictures", {"blue": 6, "red": 6})
    for number in range(6):
        file = tmp_path / "pictures" / "red" / f"{number}.png"
        file.write_bytes(file.read_bytes()[:40])
    with pytest.raises(ModelError, match=r"pictures/red/\d.png cannot be read\n  \w*Error"):
        cnnstat.measure("model.py:Net", data="folder:pictures", epochs=1, workers=workers)
