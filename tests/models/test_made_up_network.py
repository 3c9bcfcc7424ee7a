"""The recipe "A built-in network" of CONTRIBUTING.md, followed with a made-up network."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest
from torch import nn

import cnnstat
from cnnstat.cli.main import run
from cnnstat.models.zoo.catalog import CATALOG, Entry


@pytest.fixture(autouse=True)
def one_row(monkeypatch: pytest.MonkeyPatch) -> None:
    def tiny(num_classes: int = 5) -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(1, 2, 3), nn.AdaptiveAvgPool2d(6), nn.Flatten(), nn.Linear(72, num_classes)
        )

    file = ModuleType("cnnstat.models.zoo.tiny")
    file.tiny = tiny  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, file.__name__, file)
    params = (2 * 9 + 2) + (72 * 5 + 5)
    row = Entry("tiny", f"{file.__name__}:tiny", "a test", (1, 1, 8, 8), params, "one convolution")
    monkeypatch.setitem(CATALOG, "tiny", row)


def test_it_is_analysed_and_compared() -> None:
    assert cnnstat.analyze("tiny").totals.params == CATALOG["tiny"].params
    assert cnnstat.analyze("tiny", arguments={"num_classes": 7}).layers[-1].outputs == ((1, 7),)
    assert [a.model.spec for a in cnnstat.compare("lenet", "tiny").analyses] == ["lenet", "tiny"]


def test_it_is_listed_and_named_after_a_typing_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["list"]) == 0
    assert "one convolution" in capsys.readouterr().out

    assert run(["shapes", "tinny"]) != 0
    assert "tiny" in capsys.readouterr().err
