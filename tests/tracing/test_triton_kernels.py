"""Models that launch Triton kernels; a module `triton` of the test stands for the real one."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import cnnstat
from cnnstat.cli.main import run
from cnnstat.operators import user_rules
from cnnstat.tracing.process import class_state

JIT = """
class KernelInterface:
    def __getitem__(self, grid):
        return lambda *args, **kwargs: self.run(*args, grid=grid, **kwargs)

    def run(self, *args, grid, **kwargs):
        raise RuntimeError("0 active drivers ([]). There should only be one.")


class JITFunction(KernelInterface):
    def __init__(self, fn):
        self.fn, self.__name__ = fn, fn.__name__


class Autotuner(KernelInterface):
    def __init__(self, fn):
        self.fn = fn
"""
MODEL = """
import torch
from torch import nn
from triton.runtime.jit import Autotuner, JITFunction

add_kernel = JITFunction(lambda *args: None)
add_kernel.__name__ = "add_kernel"
scale_kernel = Autotuner(add_kernel)


class Add(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, y):
        out = torch.empty_like(x)
        scale_kernel[lambda meta: (x.numel() // meta["B"],)](x, y, out, x.numel(), B=256)
        return out

    @staticmethod
    def backward(ctx, gradient):
        add_kernel[(1,)](gradient, gradient, gradient, gradient.numel(), B=256)
        return gradient, gradient


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(8, 16)
        self.b = nn.Linear(16, 4)

    def forward(self, x):
        x = self.a(x)
        return self.b(Add.apply(x, x))
"""


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    runtime = tmp_path / "triton" / "runtime"
    runtime.mkdir(parents=True)
    for folder in (runtime.parent, runtime):
        (folder / "__init__.py").write_text("")
    (runtime / "jit.py").write_text(JIT)
    (tmp_path / "kernels.py").write_text(MODEL)
    monkeypatch.syspath_prepend(tmp_path)
    yield f"{tmp_path}/kernels.py:Net"
    for name in [name for name in sys.modules if name.partition(".")[0] == "triton"]:
        del sys.modules[name]


def test_a_kernel_is_not_launched(spec: str, capsys: pytest.CaptureFixture[str]) -> None:
    analysis = cnnstat.analyze(spec, (2, 8), training=True)
    assert (analysis.totals.params, analysis.totals.macs) == (212, 2 * (8 * 16 + 16 * 4))
    assert analysis.totals.uncounted == {"triton.add_kernel": 1}
    assert analysis.totals.backward_uncounted == {"triton.add_kernel": 1}
    assert not analysis.totals.exact
    assert analysis.layers[-1].outputs == ((2, 4),)
    assert run(["shapes", spec, "--input", "2,8"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "the Triton kernel add_kernel (1×) is not counted" in printed
    assert cnnstat.memory(spec, (2, 8)).peak_bytes > 4 * 4 * 212
    with pytest.raises(cnnstat.ModelError, match="Triton kernel add_kernel runs on a GPU only"):
        cnnstat.analyze(spec, (2, 8), lane="cpu")


def test_a_registered_kernel_counts(spec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(user_rules, "_rules", {})
    cnnstat.register_operator("triton::add_kernel", macs=lambda x, y, z, n, B: n)
    totals = cnnstat.analyze(spec, (2, 8)).totals
    assert (totals.macs, totals.exact) == (2 * (8 * 16 + 16 * 4) + 2 * 16, True)


def test_objects_of_a_library_that_refer_to_each_other_are_searched_once() -> None:
    objects: list[list[object]] = [[]]
    for _ in range(40):  # 2⁴⁰ ways to the first
        objects.append([objects[-1], objects[-1]])
    assert not class_state._is_without_data(objects, set(), -1000)
