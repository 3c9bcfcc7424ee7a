"""The pictures of a training: curves, confusion matrix, misclassified images."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
import torch
from torch import nn

import cnnstat
from cnnstat.bench.confusion import Predictions
from cnnstat.render.blocks import Curve
from cnnstat.render.figures import _line_style

IMAGES = torch.zeros(30, 1, 2, 3)
IMAGES[:, 0, 0, 0] = torch.arange(30) % 3
LABELS = torch.arange(30) % 3


class Pixel(nn.Module):
    """Predicts the value of the first pixel, and 1 instead of 2."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        predicted = x[:, 0, 0, 0].long().clamp(max=1)
        return self.scale * torch.eye(3)[predicted] * 10


def test_the_last_test_by_class(tmp_path: Path) -> None:
    data = (IMAGES, LABELS)
    result = cnnstat.measure(Pixel(), data=(data, data), epochs=2, lr=1e-6,
                             output=tmp_path / "run")  # fmt: skip
    confusion = result.runs[0].confusion
    assert confusion is not None
    assert confusion.classes == ("0", "1", "2")
    assert confusion.counts == ((10, 0, 0), (0, 10, 0), (0, 10, 0))
    assert {(each.label, each.predicted) for each in confusion.mistakes} == {(2, 1)}
    first = confusion.mistakes[0]
    assert first.confidence == pytest.approx(1.0, abs=1e-3)  # e¹⁰ / (e¹⁰ + 2)
    assert (first.height, first.width, first.channels) == (2, 3, 1)
    assert base64.b64decode(first.pixels) == bytes([255, 0, 0, 0, 0, 0])
    page = (tmp_path / "run" / "report.html").read_text()
    for text in ("predicted", "2 → 1 100%", "Test examples of which Pixel predicts another class"):
        assert text in page
    for format in ("table", "markdown", "csv", "latex"):
        from cnnstat.render import render

        assert "2 → 1" not in render(result, format).text  # type: ignore[arg-type]


def test_many_classes_have_no_matrix() -> None:
    predictions = Predictions(1000)
    predictions.see(IMAGES, torch.zeros(30, 1000), LABELS)
    assert predictions.confusion((), lambda sums: sums) is None


def test_a_process_without_test_examples_takes_part_in_the_sum() -> None:
    other = torch.tensor([3, 1, 0, 2])
    found = Predictions(2).confusion((), lambda sums: sums + other)
    assert found is not None
    assert found.counts == ((3, 1), (0, 2))
    assert Predictions(2).confusion((), lambda sums: sums) is None


def test_large_images_are_stored_small() -> None:
    predictions = Predictions(2)
    scores = torch.tensor([[1.0, 0.0]])
    predictions.see(torch.rand(1, 3, 200, 100), scores, torch.tensor([1]))
    found = predictions.confusion(("cat", "dog"), lambda sums: sums)
    assert found is not None
    assert found.classes == ("cat", "dog")
    (mistake,) = found.mistakes
    assert (mistake.height, mistake.width, mistake.channels) == (48, 24, 3)
    assert len(base64.b64decode(mistake.pixels)) == 48 * 24 * 3


def test_a_model_has_one_colour_and_its_test_dashes() -> None:
    points = ((1.0, 0.5), (2.0, 0.4))
    first, first_test, second = (
        _line_style(Curve("x", points, series, dashed), number)
        for number, (series, dashed) in enumerate([(0, False), (0, True), (1, False)])
    )
    assert first["color"] == first_test["color"] != second["color"]
    assert (first["linestyle"], first_test["linestyle"]) == ("-", "--")
    assert first["marker"] == first_test["marker"] != second["marker"]  # in monochrome
