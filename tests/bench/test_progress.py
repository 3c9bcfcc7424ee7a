"""What is shown while a model trains: a line for each epoch, or a plot in a notebook."""

from __future__ import annotations

import re
import sys
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

import cnnstat
from cnnstat.cli.main import run
from cnnstat.cli.progress import Progress

X = torch.randn(60, 3, generator=torch.Generator().manual_seed(0))
DATA = (X, (X.sum(1) > 0).long())


def test_a_line_for_each_epoch(capsys: pytest.CaptureFixture[str]) -> None:
    result = None
    with Progress() as progress:
        result = cnnstat.measure(nn.Linear(3, 2), data=(DATA, DATA), epochs=2, lr=0.1,
                                 watch=progress.watch)  # fmt: skip
    lines = capsys.readouterr().err.splitlines()
    assert lines[:2] == ["Linear: preparing tensors, tracing", "Linear: building"]
    for line, epoch in zip(lines[2:], result.runs[0].epochs, strict=True):
        assert f"epoch {epoch.epoch}/2, train loss {epoch.train_loss:.4f}, train acc " in line
        assert f"test acc {100 * epoch.test_accuracy:.1f} %" in line
        assert re.search(r"[\d,]+ examples/s", line)
    assert lines[2].endswith(" s left")


def test_only_the_result_is_on_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["bench", "lenet", "--data", "synthetic", "--steps", "2", "-b", "4"]) == 0
    out, err = capsys.readouterr()
    assert "preparing" not in out
    assert err.startswith("lenet: preparing synthetic, tracing\nlenet: building\n")


class Handle:
    def __init__(self) -> None:
        self.updates = 0

    def update(self, shown: str) -> None:
        self.updates += 1
        self.shown = shown


def test_a_plot_in_a_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("IPython")
    import IPython.core.getipython
    import IPython.display

    displayed: list[Any] = []
    handle = Handle()

    def display(shown: Any, display_id: bool) -> Handle:
        displayed.append(shown)
        return handle

    monkeypatch.setattr(IPython.display, "display", display)
    monkeypatch.setattr(IPython.display, "HTML", lambda text: text)
    for shell in (None, SimpleNamespace()):  # no IPython, and one in a terminal
        monkeypatch.setattr(IPython.core.getipython, "get_ipython", lambda shell=shell: shell)
        cnnstat.measure(nn.Linear(3, 2), data=DATA, epochs=1)
    assert displayed == []
    notebook = SimpleNamespace(kernel=True)
    monkeypatch.setattr(IPython.core.getipython, "get_ipython", lambda: notebook)
    cnnstat.measure(nn.Linear(3, 2), nn.Linear(3, 2), data=DATA, epochs=2)
    assert len(displayed) == 1
    assert displayed[0].startswith("<svg")
    assert handle.updates == 3  # two epochs of two models, the first of which is displayed
    assert "Linear (2), train" in handle.shown
    assert "IPython" in sys.modules
