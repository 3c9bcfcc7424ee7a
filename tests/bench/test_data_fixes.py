"""The fixes that `bench` offers for data that does not fit: each is applied and trained on."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

import cnnstat
from cnnstat.cli.main import run
from cnnstat.diagnosis.data_edits import data_edit
from cnnstat.errors import ModelError
from cnnstat.inputs import InputSpec
from cnnstat.models.loaded import InputData

N = 12
Y = torch.arange(N) % 4
PIXELS = torch.rand(N, 3, 32, 32, generator=torch.Generator().manual_seed(0))


class Net(nn.Module):
    """Images of 3 channels and at least 26×26."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 4, 5), nn.MaxPool2d(2), nn.Conv2d(4, 4, 3), nn.MaxPool2d(2),
            nn.Conv2d(4, 4, 4), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 4),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


class Flat(nn.Sequential):
    def __init__(self) -> None:
        super().__init__(nn.Linear(48, 4))


class Examples(Dataset):  # type: ignore[type-arg]
    """One example at a time, as a Dataset with a transform has them."""

    def __init__(self, x: Tensor, change: Callable[[Tensor], Tensor] = lambda x: x) -> None:
        self.x, self.change = x, change

    def __len__(self) -> int:
        return N

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return self.change(self.x[index]), Y[index]


UNFIT: list[tuple[str, Callable[[], nn.Module], Tensor]] = [
    ("bytes", Net, (PIXELS * 255).byte()),
    ("no channels", Net, PIXELS[:, 0].contiguous()),
    ("channels last", Net, PIXELS.permute(0, 2, 3, 1).contiguous()),
    ("gray", Net, PIXELS[:, :1].contiguous()),
    ("transparent", Net, torch.cat([PIXELS, PIXELS[:, :1]], 1)),
    ("not flattened", Flat, PIXELS[:, :, :4, :4].contiguous()),
]


def offered(model: Any, data: Any, name: str) -> list[str]:
    """The expressions that are offered in the place of the inputs `x` of the data."""
    with pytest.raises(ModelError) as caught:
        cnnstat.measure(model, data=data, epochs=1)
    text = str(caught.value)
    assert "--input" not in text  # `bench` refuses it beside data of the user
    return re.findall(rf"(?:fix|or|try): +(x.*|torch.*) instead of x at {name}", text)


@pytest.mark.parametrize(("model", "x"), [row[1:] for row in UNFIT], ids=[row[0] for row in UNFIT])
def test_each_expression_mends_the_data(model: Callable[[], nn.Module], x: Tensor) -> None:
    expressions = offered(model(), (x, Y), "tensors")
    assert expressions
    for expression in expressions:
        changed = eval(expression, {"torch": torch}, {"x": x})
        (run,) = cnnstat.measure(model(), data=(changed, Y), epochs=1).runs
        assert run.status == "finished"


@pytest.mark.parametrize(("model", "x"), [row[1:] for row in UNFIT], ids=[row[0] for row in UNFIT])
def test_of_one_example_at_a_time(model: Callable[[], nn.Module], x: Tensor) -> None:
    expressions = offered(model(), Examples(x), "Examples")
    assert expressions
    for expression in expressions:

        def change(x: Tensor, expression: str = expression) -> Tensor:
            return eval(expression, {"torch": torch}, {"x": x})

        (run,) = cnnstat.measure(model(), data=Examples(x, change), epochs=1).runs
        assert run.status == "finished"


def test_a_built_in_network_on_images_without_channels() -> None:
    x = torch.rand(N, 28, 28)
    (expression,) = offered("lenet", (x, Y), "tensors")
    changed = eval(expression, {}, {"x": x})
    assert cnnstat.measure("lenet", data=(changed, Y), epochs=1).runs[0].status == "finished"


def test_no_fix_of_a_file_is_offered_to_bench(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`bench` has no option `--fix`; `shapes` writes it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my.py").write_text(
        "import torch\nfrom torch import nn\n\n"
        "def net():\n    return nn.Sequential(nn.Linear(3, 4), nn.Linear(5, 2))\n\n"
        "data = torch.rand(8, 3), torch.arange(8) % 2\n"
    )
    assert run(["bench", "my.py:net", "--data", "my.py:data"]) == 1
    found = capsys.readouterr().err
    assert "fix:" in found
    assert "--fix" not in found
    assert run(["my.py:net", "--input", "8,3"]) == 1
    assert "--fix" in capsys.readouterr().err


EDITS = [
    ((2, 3, 4, 4), "float32", (2, 3, 64, 32), "float32"),
    ((2, 3, 4, 4), "uint8", (2, 3, 64, 64), "float32"),
    ((2, 3, 7), "float32", (2, 3, 14), "float32"),
    ((2, 8, 6, 3), "uint8", (2, 3, 8, 6), "float32"),
    ((2, 5, 8, 6, 3), "float32", (2, 3, 5, 8, 6), "float32"),
    ((2, 1, 5), "float32", (2, 5), "float32"),
    ((2, 5), "int32", (2, 5), "int64"),
]


@pytest.mark.parametrize(("before", "dtype", "after", "new"), EDITS)
def test_an_expression_gives_the_shape(
    before: tuple[int, ...], dtype: str, after: tuple[int, ...], new: str
) -> None:
    x = torch.zeros(before, dtype=getattr(torch, dtype))
    specs = InputSpec(before, dtype), InputSpec(after, new)
    whole = data_edit(*specs, InputData("data", is_batch=True))
    one = data_edit(*specs, InputData("data", is_batch=False))
    assert whole is not None
    assert one is not None
    changed = eval(whole, {"torch": torch}, {"x": x})
    example = eval(one, {"torch": torch}, {"x": x[0]})
    assert (tuple(changed.shape), changed.dtype) == (after, getattr(torch, new))
    assert (tuple(example.shape), example.dtype) == (after[1:], getattr(torch, new))


def test_no_expression_changes_the_number_of_examples() -> None:
    data = InputData("data", is_batch=True)
    assert data_edit(InputSpec((2, 8, 8)), InputSpec((1, 2, 8, 8)), data) is None


class Picture:
    """As an image of Pillow, by the name of its package."""


Picture.__module__ = "PIL.Image"


class Pictures(Dataset):  # type: ignore[type-arg]
    def __len__(self) -> int:
        return N

    def __getitem__(self, index: int) -> tuple[Picture, int]:
        return Picture(), 0


def test_pictures_that_are_no_tensors() -> None:
    with pytest.raises(ModelError, match=r"pictures of Pillow.*transforms\.ToTensor\(\)"):
        cnnstat.measure(Net(), data=Pictures(), epochs=1)
