"""Targets and values of the user's data: the right thing where there is one, else one error."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset, Subset, TensorDataset

import cnnstat
from cnnstat.bench.results import Step
from cnnstat.errors import CnnstatError, ModelError

N = 24
G = torch.Generator().manual_seed(0)
X = torch.randn(N, 8, generator=G)
Y = torch.randint(0, 4, (N,), generator=G)
ONE_HOT = F.one_hot(Y, 4)
SEVERAL = torch.tensor([[1, 0, 1, 0]] * N)


class Pairs(Dataset):  # type: ignore[type-arg]
    """Examples whose targets are not known before they are read."""

    def __init__(self, x: Any, y: Any) -> None:
        self.x, self.y = x, y

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        return self.x[index], self.y[index]


def net(outputs: int = 4) -> nn.Module:
    torch.manual_seed(0)
    return nn.Linear(8, outputs)


def trained(outputs: int, data: Any, **settings: Any) -> cnnstat.Benchmark:
    return cnnstat.measure(net(outputs), data=data, epochs=2, lr=0.01, **settings)


def with_value(value: float, index: int = 9) -> Tensor:
    changed = X.clone()
    changed[index, 3] = value
    return changed


# ---------------------------------------------------------------- class numbers in other forms

SAME = [
    ("one-hot integers", ONE_HOT),
    ("one-hot floats", ONE_HOT.float()),
    ("one-hot booleans", ONE_HOT.bool()),
    ("whole floats", Y.double()),
    ("a column", Y[:, None]),
    ("bytes", Y.to(torch.uint8)),
    ("uint16", Y.to(torch.uint16)),
    ("a list", Y.tolist()),
    ("objects", np.array(Y.tolist(), dtype=object)),
]


@pytest.mark.parametrize("targets", [row[1] for row in SAME], ids=[row[0] for row in SAME])
def test_class_numbers_in_other_forms(targets: Any) -> None:
    expected = trained(4, (X, Y)).runs[0].epochs
    for data in ((X, targets), (X.double().numpy(), targets)):
        actual = trained(4, data)
        assert actual.data.classes == 4
        for one, other in zip(actual.runs[0].epochs, expected, strict=True):
            assert one.train_loss == pytest.approx(other.train_loss, rel=1e-6)
            assert one.train_accuracy == other.train_accuracy


def test_booleans_are_two_classes() -> None:
    result = trained(2, (X, X.sum(1) > 0), test_data=(X, X.sum(1) > 0))
    assert result.data.classes == 2
    assert result.runs[0].epochs[-1].test_accuracy is not None


def test_a_label_that_is_ignored() -> None:
    """As by torch's cross-entropy: the mean is over the others, and so is the accuracy."""
    labels = Y.clone()
    labels[::3] = -100
    model = net()
    (run,) = cnnstat.measure(model, data=(X, labels), test_data=(X, labels), epochs=1, lr=1e-12,
                             batch_size=N).runs  # fmt: skip
    scores, known = model(X), labels != -100
    right = (scores.argmax(1) == labels)[known].float().mean().item()
    loss = F.cross_entropy(scores, labels).item()
    (epoch,) = run.epochs
    assert (epoch.train_loss, epoch.test_loss) == (pytest.approx(loss), pytest.approx(loss))
    assert (epoch.train_accuracy, epoch.test_accuracy) == (pytest.approx(right),) * 2
    assert any("8 of 24 examples of tensors have the label -100" in note for note in run.notes)


LOSSES: list[tuple[Any, int, Tensor]] = [
    (nn.MSELoss(), 1, X.sum(1)),  # N and N×1, which torch would broadcast to N×N
    (nn.MSELoss(), 1, X.sum(1)[:, None].double()),
    (F.l1_loss, 1, Y),
    (nn.BCEWithLogitsLoss(), 1, X.sum(1) > 0),
    (nn.BCEWithLogitsLoss(), 4, SEVERAL),
    (nn.CrossEntropyLoss(), 4, Y.int()),
]


@pytest.mark.parametrize(("loss", "outputs", "targets"), LOSSES)
def test_targets_of_losses_of_torch(loss: Any, outputs: int, targets: Tensor) -> None:
    model = net(outputs)
    expected = targets.long()
    if not isinstance(loss, nn.CrossEntropyLoss):
        expected = targets.float().reshape(N, outputs)
    (run,) = cnnstat.measure(model, data=(X, targets), loss=loss, epochs=1, lr=1e-12,
                             batch_size=N).runs  # fmt: skip
    assert run.epochs[0].train_loss == pytest.approx(loss(model(X), expected).item(), rel=1e-5)


def test_a_regression_gives_the_model_its_outputs() -> None:
    def build(num_classes: int = 10) -> nn.Module:
        return nn.Linear(8, num_classes)

    (run,) = cnnstat.measure(build, data=(X, X.sum(1)), loss=nn.MSELoss(), epochs=1).runs
    assert run.params == 9


# ---------------------------------------------------------------- one error before the training


def labels_with(value: int) -> Tensor:
    labels = Y.clone()
    labels[9] = value
    return labels


def halves(targets: Any) -> Callable[[], Iterator[tuple[Tensor, Any]]]:
    def batches() -> Iterator[tuple[Tensor, Any]]:
        yield X[:12], targets[:12]
        yield X[12:], targets[12:]

    return batches


NAN, INF = float("nan"), float("inf")
REFUSED: list[tuple[int, Any, dict[str, Any], str]] = [
    (4, (X, -X[:, :4].abs()), {}, "example 0 of tensors has the target .*MSELoss"),
    (4, (X, X[:, :4].abs() + 1), {}, "has targets that sum to .*MSELoss"),
    (4, (X, SEVERAL), {}, "example 0 of tensors is in 2 classes.*BCEWithLogitsLoss"),
    (4, (X, SEVERAL.float()), {}, "example 0 of tensors is in 2 classes.*BCEWithLogitsLoss"),
    (4, (X, SEVERAL.bool()), {}, "example 0 of tensors is in 2 classes"),
    (4, halves(SEVERAL.float()), {}, "is in 2 classes"),
    (4, (X, X[:, 0]), {}, "float32, no whole numbers.*MSELoss"),
    (4, (X, labels_with(255)), {}, "the label 255, its other labels are 0 to 3.*-100"),
    (4, (X.numpy(), labels_with(255).to(torch.uint8)), {}, "255 often marks examples without"),
    (4, Pairs(X, labels_with(255)), {}, "example 9 of Pairs has the label 255"),
    (4, halves(labels_with(7)), {}, "example 9 of batch 1 of batches has the label 7"),
    (4, (X, labels_with(-1)), {}, "example 9 of tensors has the label -1"),
    (4, (X, Y + 1), {}, "tells 4 classes apart.*are 1 to 4, and classes count from 0"),
    (4, ((X, Y), (X, Y + 3)), {}, "of the test data of tensors has the label"),
    (4, (X, ["cat"] * N), {}, "the targets of tensors are text: 'cat'"),
    (4, Pairs(X, ["cat"] * N), {}, "the targets of Pairs are text: 'cat'"),
    (4, (X, np.array(["cat"] * N)), {}, "are text: 'cat'"),
    (1, (X, X.sum(1) > 0), {}, "has one output.*BCEWithLogitsLoss"),
    (3, (X, X.sum(1)), {"loss": nn.MSELoss()}, "the targets are 2, the output of the model is 2×3"),
    (4, (X[:1], Y[:1]), {}, "tensors has 1 example.*2 at least"),
    (4, None, {}, "data is None"),
    (4, (with_value(NAN), Y), {}, "example 9 of tensors has NaN in its input"),
    (4, (with_value(-INF), Y), {}, "example 9 of tensors has infinity in its input"),
    (4, ((X, Y), (with_value(NAN), Y)), {}, "example 9 of the test data of tensors has NaN"),
    (4, DataLoader(TensorDataset(with_value(NAN), Y)), {}, "example 9 of DataLoader has NaN"),
    (4, Subset(TensorDataset(with_value(NAN), Y), range(5, 20)), {}, "example 4 of Subset has NaN"),
    (1, (X, with_value(NAN)[:, 3]), {"loss": nn.MSELoss()}, "9 of tensors has NaN in its target"),
]  # fmt: skip


@pytest.mark.parametrize(("outputs", "data", "settings", "message"), REFUSED,
                         ids=[row[3] for row in REFUSED])  # fmt: skip
def test_refused(outputs: int, data: Any, settings: dict[str, Any], message: str) -> None:
    steps: list[Step] = []

    def watch(event: Any) -> None:
        if isinstance(event, Step):
            steps.append(event)

    with pytest.raises(CnnstatError, match=f"(?s){message}"):
        trained(outputs, data, watch=watch, **settings)
    if isinstance(data, tuple):  # tensors are known before
        assert not steps


# data that is read only while it is trained on: searched where the loss is no number
READ_LATER: list[tuple[Any, str]] = [
    (Pairs(with_value(NAN), Y), "example 9 of Pairs has NaN in its input"),
    (DataLoader(Pairs(with_value(INF), Y), shuffle=True), "example 9 of DataLoader has infinity"),
    ({"train": Pairs(X, Y), "test": Pairs(with_value(NAN), Y)}, "9 of the test data of dict"),
]


@pytest.mark.parametrize(("data", "message"), READ_LATER)
def test_values_that_are_not_finite(data: Any, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        trained(4, data)


def test_a_batch_of_a_function_is_named() -> None:
    def batches() -> Iterator[tuple[Tensor, Tensor]]:
        yield X, Y
        yield with_value(NAN), Y

    with pytest.raises(ModelError, match="example 9 of batch 2 of batches has NaN in its input"):
        trained(4, batches)


def test_a_loss_that_diverges_on_finite_data() -> None:
    with pytest.raises(ModelError, match="the loss diverged"):
        cnnstat.measure(net(1), data=(X, X.sum(1)), loss=nn.MSELoss(), optimizer="sgd", lr=1e20,
                        epochs=9)  # fmt: skip


@pytest.mark.parametrize(
    ("labels", "note"),
    [
        (torch.ones(N).long(), "all 24 labels of tensors are 1"),
        (Y + 1, "the labels of tensors are 1 to 4, and classes count from 0"),
    ],
)
def test_conspicuous_labels(labels: Tensor, note: str) -> None:
    (run,) = trained(6, (X, labels)).runs
    assert any(note in each for each in run.notes)
