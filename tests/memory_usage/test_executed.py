"""Memory of models that a run without data cannot follow: against real steps on the CPU."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import cnnstat
from cnnstat.tracing.run import lane_selection
from tests.live_bytes import inference_peak, training_peak

FEATURES, CLASSES = 32, 10


class Rows(nn.Module):
    """Layers on the rows of a nested tensor, which are padded before the mean."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm = nn.Linear(FEATURES, 64), nn.LayerNorm(64)
        self.second = nn.Linear(64, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        rows = self.second(F.relu(self.norm(self.first(x))))
        return rows.to_padded_tensor(0.0).mean(1)


class Inside(Rows):
    """The same on a nested tensor that forward creates."""

    def forward(self, x: Tensor) -> Tensor:
        rows, end = x.flatten(0, 1), x.shape[0] * x.shape[1]
        return super().forward(
            torch.nested.nested_tensor_from_jagged(rows, torch.tensor([0, 5, 9, 20, end]))
        )


class Branch(nn.Module):
    """As many layers as a value says, and the examples above a bound."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(FEATURES, 64), nn.Linear(64, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        for _ in range(int(x.isfinite().all()) + 1):
            x = F.relu(x) + 1
        return self.second(x[x.sum(1) > -1e9])


def nested(*lengths: int) -> Tensor:
    rows = [torch.rand(length, FEATURES) for length in lengths]
    return torch.nested.nested_tensor(rows, layout=torch.jagged)


CASES = [
    (Rows, nested(3, 7, 20, 1)),
    (Rows, nested(100, 400, 17, 900)),
    (Inside, torch.rand(4, 8, FEATURES)),
    (Branch, torch.rand(4, FEATURES)),
]


@pytest.mark.parametrize(("cls", "x"), CASES)
@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_training(cls: type[nn.Module], x: Tensor, optimizer: str) -> None:
    optimizers = {"sgd": torch.optim.SGD, "adamw": torch.optim.AdamW}
    target = torch.zeros(4, dtype=torch.int64)
    real = training_peak(cls(), x, target, lambda p: optimizers[optimizer](p, lr=0.1))
    found = cnnstat.memory(cls(), x, optimizer=optimizer, device="cpu")
    assert found.peak_bytes == real.peak
    assert found.peak.operator == real.at.removeprefix("aten::").partition(".")[0]
    assert any("executed on the CPU" in note for note in found.notes)


@pytest.mark.parametrize(("cls", "x"), CASES)
def test_inference(cls: type[nn.Module], x: Tensor) -> None:
    found = cnnstat.memory(cls(), x, inference=True, device="cpu")
    assert found.peak_bytes == inference_peak(cls(), x).peak


def test_longer_rows_need_more() -> None:
    short, long = (
        cnnstat.memory(Rows(), nested(*lengths)).peak_bytes for lengths in ((8, 8), (8, 80))
    )
    assert long - short > 72 * 64 * 4


def test_a_nested_output_is_summed() -> None:
    assert cnnstat.memory(nn.Linear(FEATURES, 4), nested(3, 5)).loss == "the sum of the outputs"


@pytest.mark.parametrize("options", [{"batch_size": 7}, {"device_memory": "1 GiB"}])
def test_rows_of_another_batch_have_no_known_lengths(options: dict[str, object]) -> None:
    with pytest.raises(cnnstat.UsageError, match="lengths of their own"):
        cnnstat.memory(Rows(), nested(3, 5), **options)  # type: ignore[arg-type]


def test_mixed_precision_is_not_executed() -> None:
    with pytest.raises(cnnstat.ModelError, match="mixed precision"):
        cnnstat.memory(Rows(), nested(3, 5), precision="bf16")


def test_a_step_that_exceeds_the_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lane_selection, "available_bytes", lambda: 2 * 200_000)
    assert cnnstat.memory(Rows(), nested(3, 5)).peak_bytes < 200_000
    with pytest.raises(cnnstat.ModelError, match=r"takes more than the .* of memory"):
        cnnstat.memory(Rows(), nested(3, 5000))
