"""An operator that nobody knows is defined once, and every feature knows it.

`made_up::blur(x, size, stride)` averages size×size windows of each channel, without padding:
N×C×H×W → N×C×(⌊(H−k)/s⌋+1)×(⌊(W−k)/s⌋+1).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import cnnstat
from cnnstat.errors import ShapeError
from cnnstat.operators.costs import Cost
from cnnstat.operators.field_rules import windowed_field
from cnnstat.operators.reach import Field
from cnnstat.operators.registry import DEFINITIONS, ShapeOf, Trait, View, operator
from cnnstat.operators.shape_rules import Misfit, Window, fitting, window_size
from cnnstat.trace.records import Op, TensorSpec

NAMES = ("made_up.blur", "made_up.blur_backward")


@pytest.fixture(scope="module", autouse=True)
def blur() -> Iterator[None]:
    """torch's side: what it computes, its shape without data, its gradient."""
    library = torch.library.Library("made_up", "DEF")
    library.define("blur(Tensor x, int size, int stride) -> Tensor")
    library.define("blur_backward(Tensor dy, Tensor x, int size, int stride) -> Tensor")

    def made(x: Tensor, size: int, stride: int) -> Tensor:
        sides = [(n - size) // stride + 1 for n in x.shape[2:]]
        torch._check(min(x.shape[2:]) >= size)
        return x.new_empty((*x.shape[:2], *sides))

    library.impl("blur", made, "Meta")
    library.impl("blur_backward", lambda dy, x, size, stride: torch.empty_like(x), "Meta")

    def setup(ctx: Any, inputs: Any, output: Any) -> None:
        x, ctx.size, ctx.stride = inputs
        ctx.save_for_backward(x)

    def backward(ctx: Any, dy: Tensor) -> Any:
        (x,) = ctx.saved_tensors
        return torch.ops.made_up.blur_backward(dy, x, ctx.size, ctx.stride), None, None

    torch.library.register_autograd("made_up::blur", backward, setup_context=setup, lib=library)
    define()
    yield
    for name in NAMES:
        del DEFINITIONS[name]
    library._destroy()


def define() -> None:
    """Our side: the one definition."""

    @operator("made_up.blur", traits=Trait.REDUCTION)
    class Blur(View, frozen=True):
        x: TensorSpec
        size: int
        stride: int
        out: TensorSpec | None = None

        @classmethod
        def of(cls, op: Op) -> Blur:
            return cls(*op.args, out=op.outputs[0] if op.outputs else None)

        @property
        def window(self) -> Window:
            return Window((self.size,) * 2, (self.stride,) * 2, (0, 0), (1, 1))

        def cost(self) -> Cost:
            assert self.out is not None
            return Cost(macs=self.out.numel * self.size**2)

        def shapes(self, shape: ShapeOf) -> Sequence[tuple[int, ...]]:
            n, c, *sides = shape(self.x)
            if min(sides) < self.size:
                raise Misfit
            return [(n, c, *fitting(window_size(a, self.size, self.stride, 0) for a in sides))]

        def field(self, x: Field, out: TensorSpec, fields: Mapping[int, Field]) -> Field | None:
            both = (self.size,) * 2, (self.stride,) * 2
            return windowed_field(Window(*both, (0, 0), (1, 1)), x, out)

    @operator("made_up.blur_backward")
    class BlurBackward(View, frozen=True):
        dy: TensorSpec
        size: int

        @classmethod
        def of(cls, op: Op) -> BlurBackward:
            return cls(op.args[0], op.args[2])

        def cost(self) -> Cost:
            return Cost(macs=self.dy.numel * self.size**2)


class Blurred(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)

    def forward(self, x: Tensor) -> Tensor:
        return torch.ops.made_up.blur(self.conv(x), 4, 2)


# 32 − 3 + 1 = 30, ⌊(30 − 4)/2⌋ + 1 = 14
MACS = 8 * 14 * 14 * 4 * 4


def layer(analysis: cnnstat.Analysis) -> Any:
    (found,) = [x for x in analysis.layers if x.type == "blur"]
    return found


def test_shapes_and_the_backward_pass() -> None:
    analysis = cnnstat.analyze(Blurred(), (1, 3, 32, 32), training=True)
    blur = layer(analysis)
    assert blur.outputs == ((1, 8, 14, 14),)
    assert blur.macs == MACS
    assert blur.backward_macs == MACS
    assert not analysis.totals.uncounted


def test_the_receptive_field() -> None:
    blur = layer(cnnstat.analyze(Blurred(), (1, 3, 32, 32)))
    assert blur.receptive_field == (6, 6)  # 3 + (4 − 1)
    assert blur.stride == (2, 2)


def test_letters() -> None:
    formulas = cnnstat.formulas(Blurred(), "N,3,H,W")
    (blur,) = [x for x in formulas.layers if x.path == "blur"]
    assert blur.outputs == (("N", 8, "(H//2) - 2", "(W//2) - 2"),)  # ⌊(H − 2 − 4)/2⌋ + 1
    height = next(d for d in formulas.domains if d.letter == "H")
    assert height.ranges[0].lowest == 6  # the smallest input with a whole window


def test_explain() -> None:
    explained = cnnstat.explain(Blurred(), "blur", (1, 3, 32, 32))
    assert explained.layer.macs == MACS


def test_the_roofline() -> None:
    step = cnnstat.roofline(Blurred(), (1, 3, 32, 32), device="h100")
    (blur,) = [x for x in step.layers if x.type == "blur"]
    assert blur.forward.macs == MACS
    assert blur.forward.bytes == 4 * (8 * 30 * 30 + 8 * 14 * 14)


BROKEN = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)
        self.fc = nn.Linear(1000, 10)

    def forward(self, x):
        x = torch.ops.made_up.blur(self.conv(x), 4, 2)
        return self.fc(x.flatten(1))
"""


def test_a_diagnosis(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("broken.py").write_text(BROKEN)
    with pytest.raises(ShapeError) as caught:
        cnnstat.analyze("broken.py:Net", (1, 3, 32, 32))
    sys.modules.pop("broken", None)
    assert caught.value.diagnosis is not None
    (fault,) = caught.value.diagnosis.errors
    assert fault.fixes[0].edit == "nn.Linear(1568, 10)"  # 8 · 14 · 14
