"""`bench` on the user's own modules, data and losses."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

import cnnstat
from cnnstat.bench.objective import Objective, scores_in
from cnnstat.bench.results import Step
from cnnstat.cli.main import run
from cnnstat.errors import ModelError, NotFound, UsageError

X = torch.randn(60, 3, generator=torch.Generator().manual_seed(0))
Y = (X.sum(1) > 0).long()
PAIRS = TensorDataset(X, Y)


def batches() -> Iterator[tuple[Tensor, Tensor]]:
    for start in range(0, 60, 20):
        yield X[start : start + 20], Y[start : start + 20]


class Stream(IterableDataset):  # type: ignore[type-arg]
    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        yield from zip(X, Y, strict=True)


class Dicts(Dataset):  # type: ignore[type-arg]
    def __len__(self) -> int:
        return 60

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return {"ids": Y[index].expand(4), "values": X[index], "labels": Y[index]}


class Two(nn.Module):
    """Two inputs, by position or by name."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.last = nn.Embedding(2, 4), nn.Linear(7, 2)

    def forward(self, ids: Tensor, values: Tensor) -> Tensor:
        return self.last(torch.cat([self.table(ids).mean(1), values], 1))


class Module:
    """As LightningDataModule."""

    def prepare_data(self) -> None:
        self.prepared = True

    def setup(self, stage: str) -> None:
        assert (stage, self.prepared) == ("fit", True)

    def train_dataloader(self) -> DataLoader[Any]:
        return DataLoader(PAIRS, batch_size=20)

    val_dataloader = train_dataloader


SOURCES: list[tuple[str, Any, str, int, int]] = [
    ("a Dataset", PAIRS, "TensorDataset", 60, 0),
    ("a list of examples", list(zip(X, Y.tolist(), strict=True)), "tensors", 60, 0),
    ("a DataLoader", DataLoader(PAIRS, batch_size=20, shuffle=True), "DataLoader", 60, 0),
    ("tensors", (X, Y), "tensors", 60, 0),
    ("arrays", (X.numpy(), Y.numpy()), "tensors", 60, 0),
    ("training and test", ((X, Y), (X[:30], Y[:30])), "tensors", 60, 30),
    ("by name", {"train": PAIRS, "validation": (X[:30], Y[:30])}, "dict", 60, 30),
    ("a function of batches", batches, "batches", 60, 0),
    ("a function of a Dataset", lambda: PAIRS, "<lambda>", 60, 0),
    ("a list of batches", list(batches()), "tensors", 60, 0),
    ("an IterableDataset", Stream(), "Stream", 60, 0),
    ("a DataModule", Module(), "Module", 60, 60),
]


@pytest.mark.parametrize(("data", "name", "train", "test"), [row[1:] for row in SOURCES],
                         ids=[row[0] for row in SOURCES])  # fmt: skip
def test_sources(data: Any, name: str, train: int, test: int) -> None:
    torch.manual_seed(0)
    net = nn.Linear(3, 2)
    before = net.weight.clone()
    result = cnnstat.measure(net, data=data, epochs=4, lr=0.1)
    assert torch.equal(net.weight, before)
    assert (result.data.name, result.data.train, result.data.test) == (name, train, test)
    (trained,) = result.runs
    assert (trained.model.spec, trained.input) == ("Linear", (3,))
    assert len(trained.epochs) == 4
    assert trained.epochs[-1].train_accuracy is not None
    assert trained.epochs[-1].train_accuracy > 0.75
    assert (trained.epochs[-1].test_accuracy is not None) == bool(test)
    assert trained.prediction is not None
    assert trained.prediction.memory_bytes is not None


def test_the_steps_are_those_of_a_plain_loop() -> None:
    torch.manual_seed(0)
    net = nn.Linear(3, 2)
    seen: list[Step] = []
    cnnstat.measure(net, data=batches, epochs=2, optimizer="sgd", lr=0.1,
                    watch=lambda e: seen.append(e) if isinstance(e, Step) else None)  # fmt: skip
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    losses = []
    for _ in range(2):
        for x, y in batches():
            loss = F.cross_entropy(net(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    assert [step.loss for step in seen] == pytest.approx(losses, rel=1e-5)


@pytest.mark.parametrize(
    "data", [Dicts(), DataLoader(Dicts(), batch_size=16), (Y[:, None].expand(60, 4), X, Y)]
)
def test_several_inputs(data: Any) -> None:
    (trained,) = cnnstat.measure(Two(), data=data, epochs=3, lr=0.05).runs
    assert trained.epochs[-1].train_accuracy == 1.0  # the ids are the labels


def test_a_loss_gets_the_whole_output() -> None:
    def loss(output: dict[str, Tensor], targets: Tensor) -> Tensor:
        return ((output["value"].squeeze(1) - targets) ** 2).mean()

    class Named(nn.Linear):
        def forward(self, x: Tensor) -> dict[str, Tensor]:  # type: ignore[override]
            return {"value": super().forward(x)}

    data = (X, X.sum(1))
    (trained,) = cnnstat.measure(Named(3, 1), data=(data, data), loss=loss, epochs=30, lr=0.1).runs
    last = trained.epochs[-1]
    assert last.train_loss < 0.05  # a sum is linear
    assert last.test_loss is not None
    assert last.test_accuracy is None
    with pytest.raises(ModelError, match=r"the loss is no number but 2×1\n.*\n.*reduction='mean'"):
        cnnstat.measure(nn.Linear(3, 1), data=(X, Y[:, None].float()),
                        loss=nn.MSELoss(reduction="none"))  # fmt: skip


def test_several_modules_and_classes() -> None:
    result = cnnstat.measure(nn.Linear(3, 2), nn.Linear(3, 2), Linear2, data=PAIRS, epochs=1)
    assert [trained.model.spec for trained in result.runs] == ["Linear", "Linear (2)", "Linear2"]


class Linear2(nn.Linear):
    def __init__(self, num_classes: int = 10) -> None:
        super().__init__(3, num_classes)


# ---------------------------------------------------------------- which output is trained on

Named = namedtuple("Named", "aux logits")


@dataclass
class Fields:
    aux: Tensor
    scores: Tensor


A, B = torch.zeros(2, 10), torch.ones(2, 10)
OUTPUTS: list[tuple[Any, str, tuple[str, ...]]] = [
    ({"aux": A, "logits": B}, "logits", ("aux",)),
    (Named(A, B), "logits", ("aux",)),
    (Fields(torch.zeros(2, 3), B), "scores", ("aux",)),
    ((B, torch.zeros(2, 5, 8, 8)), "[0]", ("[1]",)),
    ((B, [A, A]), "[0]", ("[1][0]", "[1][1]")),
    ((torch.zeros(2, 512), B), "[1]", ("[0]",)),
    ({"decoder": {"logits": B}, "encoder": A}, "decoder.logits", ("encoder",)),
]


@pytest.mark.parametrize(("output", "name", "others"), OUTPUTS)
def test_the_trained_output(output: Any, name: str, others: tuple[str, ...]) -> None:
    found = scores_in(output, 10)
    assert torch.equal(found.tensor, B)
    assert (found.name, found.others) == (name, others)


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ({"a": A, "b": B}, "several outputs of the model are batch × 10: a, b"),
        ({"a": torch.zeros(2, 3)}, "batch × 10\n  its output has a 2×3"),
        ([], "its output has no tensor"),
    ],
)
def test_an_output_that_is_unclear(output: Any, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        scores_in(output, 10)


def test_the_report_names_the_trained_output() -> None:
    class Net(nn.Linear):
        def forward(self, x: Tensor) -> Any:  # type: ignore[override]
            y = super().forward(x)
            return {"aux": y * 0, "logits": y}

    (trained,) = cnnstat.measure(Net(3, 2), data=PAIRS, epochs=3, lr=0.1).runs
    assert "trained on the output logits; not used: aux" in trained.notes
    assert trained.epochs[-1].train_accuracy > 0.75  # type: ignore[operator]


def test_smoothed_labels() -> None:
    scores, labels = torch.randn(4, 3), torch.tensor([0, 1, 2, 0])
    total, _ = Objective(3, smoothing=0.1)(scores, labels, 4)
    spread = -scores.log_softmax(1).mean(1)  # Szegedy et al. 2016, section 7
    assert total == pytest.approx((0.9 * F.cross_entropy(scores, labels, reduction="none")
                                   + 0.1 * spread).sum().item())  # fmt: skip


# ---------------------------------------------------------------- what goes wrong


class Broken(Dataset):  # type: ignore[type-arg]
    def __len__(self) -> int:
        return 10

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        if index == 7:
            raise OSError("no such image")
        return X[index], 0


class Negative(Broken):
    def __len__(self) -> int:
        return -3


class Uneven(Broken):
    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return torch.zeros(3 + index % 2), 0


def failing() -> Iterator[tuple[Tensor, Tensor]]:
    yield X, Y
    raise KeyError("disk")


NET = nn.Linear(3, 2)
REFUSED: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: cnnstat.measure(NET, data=batches()), UsageError, "used up after one epoch"),
    (lambda: cnnstat.measure(NET, data=3), UsageError, "no data to train on: int"),
    (lambda: cnnstat.measure(NET, data=(X, Y[:5])), UsageError, "differ in number: 60 and 5"),
    (lambda: cnnstat.measure(NET, data=PAIRS, input=(1, 3)), UsageError, "leave out input"),
    (lambda: cnnstat.measure(NET, data=PAIRS, augment=True), UsageError, "as they are"),
    (lambda: cnnstat.measure(NET, data=batches, batch_size=7), UsageError, "makes batches itself"),
    (lambda: cnnstat.measure(NET, data=PAIRS, batch_size="auto"), UsageError, "another process"),
    (lambda: cnnstat.measure(NET, data=PAIRS, optimiser="adam"), UsageError, "mean optimizer"),
    (lambda: cnnstat.measure(NET, data=PAIRS, protocol="book"), UsageError, "auto, textbook"),
    (lambda: cnnstat.measure("lenet", test_data=PAIRS), UsageError, "digits has its own"),
    (lambda: cnnstat.measure(nn.Linear(3, 1), data=PAIRS), ModelError, "Linear has one output"),
    (lambda: cnnstat.measure(NET, data=(X, Y + 1)), ModelError, "tensors has 3"),
    (lambda: cnnstat.measure(NET, data=lambda: iter([(X, Y - 1)])), ModelError, "the label -1"),
    (lambda: cnnstat.measure(nn.Linear(3, 1), data=(X, X.sum(1))), ModelError, "one output"),
    (lambda: cnnstat.measure(NET, data=(X, X.sum(1))), ModelError, "MSELoss. for a regression"),
    (lambda: cnnstat.measure(NET, data=(X, torch.zeros(60, 4, 1))), ModelError, "are 60×4×1"),
    (lambda: cnnstat.measure(NET, data=Broken()), ModelError, "example 7 of Broken cannot be read"
     r"\n.*raise OSError[\s\S]*no such image"),
    (lambda: cnnstat.measure(NET, data=Broken(), workers=1), ModelError, "example 7 of Broken"),
    (lambda: cnnstat.measure(NET, data=Uneven()), ModelError, "different shapes, 3 and 4: resize"),
    (lambda: cnnstat.measure(NET, data=Negative()), ModelError, "__len__ of Negative returns no"),
    (lambda: cnnstat.measure(NET, data=failing), ModelError, r"failing fails\n.*raise KeyError"),
    (lambda: cnnstat.measure(NET, data=lambda: iter([X])), ModelError, r"is \(inputs, targets\)"),
    (lambda: cnnstat.measure(NET, data=lambda: iter([])), ModelError, "has no batch"),
    (lambda: cnnstat.measure(NET, data=lambda: iter([{"x": X}])), ModelError, "one of labels"),
    (lambda: cnnstat.measure(nn.Sequential(NET, nn.BatchNorm1d(2)),
                             data=DataLoader(TensorDataset(X[:5], Y[:5]), batch_size=2)),
     ModelError, "the model fails at step 3, epoch 1[\\s\\S]*drop_last=True"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "error", "message"), REFUSED, ids=[row[2] for row in REFUSED])
def test_refused(call: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


# ---------------------------------------------------------------- on the command line

FILE = """
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

x = torch.randn(60, 1, 8, 8, generator=torch.Generator().manual_seed(0))
pairs = TensorDataset(x, (x.mean((1, 2, 3)) > 0).long())
example_input = (1, 1, 8, 8)

def train():
    return DataLoader(pairs, batch_size=20)

def both():
    return pairs, pairs

def loss(output, targets):
    return nn.functional.cross_entropy(output, targets)

class Net(nn.Sequential):
    def __init__(self, num_classes=10):
        super().__init__(nn.Flatten(), nn.Linear(64, num_classes))
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my.py").write_text(FILE)


@pytest.mark.parametrize(
    "options",
    ["my.py:train", "my.py:both", "my.py:pairs --test-data my.py:pairs --loss my.py:loss",
     "my.py:train --loss torch.nn:CrossEntropyLoss"],
)  # fmt: skip
def test_data_on_the_command_line(
    options: str, file: None, capsys: pytest.CaptureFixture[str]
) -> None:
    line = f"bench my.py:Net --data {options} --epochs 2 --output run"
    assert run(line.split()) == 0
    out = capsys.readouterr().out
    assert f"my.py:Net on {options.split()[0]}: 60 to train" in out
    result = cnnstat.resume("run")  # from what the folder says
    assert result.runs[0].epochs[-1].epoch == 2
    assert result.data.classes == 2


def test_objects_are_needed_to_resume(file: None) -> None:
    def stop(event: object) -> None:
        if isinstance(event, Step) and event.epoch == 2:
            raise KeyboardInterrupt

    net = nn.Linear(3, 2)
    cnnstat.measure(net, data=PAIRS, epochs=3, output="run", watch=stop)
    with pytest.raises(UsageError, match=r"of Python objects: Linear, data\n  missing: Linear, d"):
        cnnstat.resume("run")
    assert len(cnnstat.resume("run", net, data=PAIRS).runs[0].epochs) == 3


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("my.py", "names a file, not what is in it\n  it has x, pairs, example_input, train, both"),
        ("my.py:trian", "did you mean train"),
        ("nothing.py:train", "nothing.py"),
        ("foldr:pictures", "did you mean folder:"),
    ],
)
def test_names_that_are_not_there(name: str, message: str, file: None) -> None:
    with pytest.raises((NotFound, UsageError), match=message):
        cnnstat.measure("my.py:Net", data=name)
