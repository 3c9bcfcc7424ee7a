"""Models that reach Python's limit of recursion: the place, and what is inside itself."""

from __future__ import annotations

from pathlib import Path

import pytest

import cnnstat

CODE = """
import torch
from torch import nn

class Itself(nn.Module):
    def forward(self, x):
        return self(x)

class Inner(nn.Module):
    def forward(self, x):
        return self.outer(x).relu()

class Mutual(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1)
        self.inner = Inner()
        object.__setattr__(self.inner, "outer", self)
    def forward(self, x):
        return self.inner(self.conv(x))

class Function(nn.Module):
    def forward(self, x):
        return self.again(x)
    def again(self, x):
        return self.again(x + 1)

class Deep(nn.Module):
    def __init__(self):
        super().__init__()
        m = nn.Conv2d(3, 3, 1)
        for _ in range(600):
            m = nn.Sequential(m)
        self.m = m
    def forward(self, x):
        return self.m(x)

class Raises(nn.Module):
    def forward(self, x):
        raise RecursionError("too many boxes")
"""


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("Itself", ["recursion limit is reached at Itself", ":7:", "Itself is inside itself: "]),
        ("Mutual", ["recursion limit is reached at ", "Mutual is inside itself: "]),
        ("Function", ["recursion limit is reached at ", "again(x + 1)"]),
        ("Deep", ["recursion limit is reached at m.0.0.", ".….", "modules are inside each other",
                  "sys.setrecursionlimit(10_000)"]),
        ("Raises", ["the model fails at Raises", "RecursionError: too many boxes"]),
    ],
)  # fmt: skip
def test_the_limit_of_recursion_is_named(name: str, says: list[str], tmp_path: Path) -> None:
    file = tmp_path / "net.py"
    file.write_text(CODE)
    with pytest.raises(cnnstat.ModelError) as caught:
        cnnstat.analyze(f"{file}:{name}", (1, 3, 8, 8))
    assert not isinstance(caught.value, cnnstat.ShapeError)
    text = str(caught.value)
    assert [word for word in says if word not in text] == []
    assert max(map(len, text.splitlines())) < 150


def test_a_higher_limit_lets_deep_models_run(tmp_path: Path) -> None:
    file = tmp_path / "net.py"
    file.write_text(f"import sys\nsys.setrecursionlimit(10_000)\n{CODE}")
    assert cnnstat.analyze(f"{file}:Deep", (1, 3, 8, 8)).totals.params == 12
