"""Other counters beside ours: every difference is explained from the shapes, or named."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import cnnstat
from cnnstat.cli.main import run
from cnnstat.models.zoo.catalog import CATALOG
from cnnstat.render import render
from cnnstat.render.json import schema
from cnnstat.run_config import RunConfig
from cnnstat.tracing.run.trace import trace
from cnnstat.verification import counters as referees
from cnnstat.verification.counters import sandbox as question
from cnnstat.verification.cross_check import OF_COMPOSITES, OF_OPERATORS
from cnnstat.verification.results import Referee, Verification

Capture = pytest.CaptureFixture[str]
OPTIONAL = tuple(known.name for known in referees.REFEREES if known.optional)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """fvcore does real arithmetic, and threads that wait for each other's cores take longest."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def only_meta(monkeypatch: pytest.MonkeyPatch) -> None:
    """No memory for real tensors."""
    monkeypatch.setattr(question, "available_bytes", lambda: 1024)


@pytest.fixture
def no_optional(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine where none of the optional ones is installed."""
    required = tuple(known for known in referees.REFEREES if not known.optional)
    monkeypatch.setattr(referees, "REFEREES", required)


def by_name(verification: Verification) -> dict[str, Referee]:
    return {referee.name: referee for referee in verification.referees}


def causes(referee: Referee, figure: str = "macs") -> dict[str, int]:
    return {bucket.what: bucket.value for bucket in referee.buckets if bucket.figure == figure}


# ---------------------------------------------------------------- models


class Attention(nn.Module):
    def __init__(self, weights: bool) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(16, 4, batch_first=True)
        self.weights = weights

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.attention(x, x, x, need_weights=self.weights)[0]
        return result


class Fused(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return F.scaled_dot_product_attention(x, x, x)


class Recurrent(nn.Module):
    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.layer(x)[0]
        return result


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(50, 16)
        self.out = nn.Linear(16, 50, bias=False)
        self.out.weight = self.embedding.weight

    def forward(self, ids: Tensor) -> Tensor:
        result: Tensor = self.out(self.embedding(ids))
        return result


class Twice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.conv(self.conv(x))
        return result


class SharedBlocks(nn.Module):
    """One block under four names in two containers, one of which is never called."""

    def __init__(self) -> None:
        super().__init__()
        block = nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.ReLU())
        self.blocks = nn.ModuleList([block] * 3)
        self.head = nn.Sequential(block, nn.Flatten(), nn.Linear(3 * 64, 5))

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x)
        result: Tensor = self.head(x)
        return result


class Functional(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(6, 3, 3, 3))

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight, padding=1)


class Products(nn.Module):
    """`@`, with a broadcast batch too, and the products that have operators of their own."""

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        return x[0] @ x, x @ x.mT, torch.baddbmm(x, x, x), torch.addbmm(x[0], x, x)


class Einsum(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        return torch.einsum("bhid,bhjd->bhij", x, x), torch.einsum("abc,adc->adb", x[0], x[0])


class TwoInputs(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.bilinear = nn.Bilinear(8, 6, 4)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        result: Tensor = self.bilinear(x, y)
        return result


class Unused(nn.Module):
    """A layer whose result nothing needs, and one whose result is copied into the output."""

    def __init__(self) -> None:
        super().__init__()
        self.used, self.unused, self.copied = nn.Linear(8, 8), nn.Linear(8, 4), nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        self.unused(x)
        y = torch.zeros_like(x)
        y[0] = self.copied(x[1])
        result: Tensor = self.used(x) + y
        return result


class Resized(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        x = F.interpolate(F.interpolate(x, scale_factor=2), scale_factor=2, mode="bilinear")
        grid = x.new_zeros(1, 5, 5, 2)
        return F.adaptive_avg_pool2d(F.grid_sample(x, grid, align_corners=False), 1)


class OwnLayer(nn.Module):
    """A layer without children that computes with its weight as it likes."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(8, 8))
        self.gamma = nn.Parameter(torch.zeros(8))

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight) * self.gamma


class Containers(nn.Module):
    """A layer that is never called, lists that are never called, an empty container."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.ModuleList([nn.Linear(8, 8)]), nn.ModuleList([OwnLayer()])])
        self.unused, self.empty = nn.Linear(3, 3), nn.Sequential()

    def forward(self, x: Tensor) -> Tensor:
        first, second = self.layers
        result: Tensor = self.empty(second[0](first[0](x)))  # type: ignore[index, operator]
        return result


class Interleaved(nn.Module):
    """Two lists of layers, a layer of one after a layer of the other."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.ModuleList([nn.Linear(8, 8), nn.Linear(8, 8)])
        self.second = nn.ModuleList([nn.Linear(8, 8), nn.Linear(8, 8)])

    def forward(self, x: Tensor) -> Tensor:
        for first, second in zip(self.first, self.second, strict=True):
            x = second(first(x))
        return x


class Deciding(nn.Module):
    """What it does depends on values, so no run without data is possible."""

    def __init__(self) -> None:
        super().__init__()
        self.scores = nn.Linear(8, 1)
        self.layers = nn.ModuleList([nn.Linear(8, 8), nn.Linear(8, 32)])

    def forward(self, x: Tensor) -> Tensor:
        chosen = self.layers[int(self.scores(x).mean().item() > 1e6)]
        result: Tensor = chosen(x)
        return result


class Vector(nn.Module):
    """fvcore takes the shape of the vector for that of a matrix and fails."""

    def __init__(self) -> None:
        super().__init__()
        self.vector = nn.Parameter(torch.zeros(8))

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.vector


# ---------------------------------------------------------------- facts

IMAGE = (2, 3, 8, 8)
TEN = (2, 10, 16)  # ten tokens of width 16
DEAD = "results that no output depends on"
BIASES = "biases: counted like weights"
OUTSIDE = "code outside layers without children: not counted"
MIDDLE = "linear layers: middle dimensions left out"
PARAMETERS = "norm layers: their parameters, once per example"

# model, input, our MACs, what fvcore and torchinfo count otherwise
FACTS: list[tuple[nn.Module, Any, int, dict[str, int], dict[str, int]]] = [
    (
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.AdaptiveAvgPool2d(1)),
        IMAGE,
        2 * 36 * 4 * 27,
        {
            "batch norm: 2 per element": 2 * (2 * 4 * 36),
            "adaptive average pooling: 1 per input element": 2 * 4 * 36,
        },
        {BIASES: 2 * 36 * 4, PARAMETERS: 2 * (4 + 4)},
    ),
    (
        nn.Sequential(
            nn.LayerNorm(8), nn.GroupNorm(1, 3, affine=False), nn.InstanceNorm2d(3, affine=True)
        ),
        IMAGE,
        0,
        {
            "layer norm: 5 per element": 5 * 384,
            "group norm: 4 per element": 4 * 384,
            "instance norm: 5 per element": 5 * 384,
        },
        {PARAMETERS: 2 * (8 + 8) + 2 * (3 + 3)},
    ),
    (  # stride 2: each of the 6×6 inputs meets every weight; torchinfo takes the 12×12 outputs
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.ConvTranspose2d(4, 2, 4, 2, 1, bias=False)),
        IMAGE,
        2 * 36 * 4 * 27 + 2 * 36 * 4 * 2 * 16,
        {},
        {
            "transposed convolutions: output for input positions": 2 * (144 - 36) * 4 * 2 * 16,
            BIASES: 2 * 36 * 4,
        },
    ),
    (
        nn.Conv2d(4, 8, 3, groups=2, padding="same", bias=False),
        (1, 4, 5, 5),
        25 * 8 * 2 * 9,
        {"convolution with padding='same' or 'valid': not counted": -(25 * 8 * 2 * 9)},
        {},
    ),
    (nn.Linear(8, 4), (2, 5, 8), 2 * 5 * 32, {}, {MIDDLE: -2 * 4 * 32, BIASES: 2 * 4}),
    (  # projections 3 × 16×16, out 16×16; scores and their product with the values 10×10×16 each
        Attention(weights=False),
        TEN,
        2 * (10 * 4 * 256 + 2 * 1600),
        {"scaled_dot_product_attention: not counted": -2 * 2 * 1600},
        {OUTSIDE: -2 * (10 * 4 * 256 + 2 * 1600)},
    ),
    (Attention(weights=True), TEN, 26880, {}, {OUTSIDE: -26880}),
    (
        Fused(),
        (2, 4, 10, 4),
        8 * 2 * 400,
        {"scaled_dot_product_attention: not counted": -6400},
        # a model without layers is itself one
        {"other layers: their weights instead of their code": -6400},
    ),
    (  # 5 steps of 2 examples through 4 gates of 16 · (8 + 16)
        Recurrent(nn.LSTM(8, 16)),
        (5, 2, 8),
        10 * 4 * 16 * 24,
        {"lstm: not counted": -10 * 4 * 16 * 24},
        {BIASES: 10 * 2 * 64},
    ),
    (
        Recurrent(nn.GRU(8, 16, bidirectional=True, batch_first=True, bias=False)),
        (2, 5, 8),
        10 * 2 * 3 * 16 * 24,
        {"gru: not counted": -10 * 2 * 3 * 16 * 24},
        {},
    ),
    (
        Tied(),
        "2,5:int64",
        10 * 16 * 50,
        {},
        {"embeddings: the whole table, once per example": 2 * 800, MIDDLE: -2 * 4 * 800},
    ),
    (Twice(), (1, 3, 8, 8), 2 * 64 * 81, {}, {BIASES: 2 * 64 * 3}),
    (SharedBlocks(), (1, 3, 8, 8), 4 * 64 * 81 + 960, {}, {BIASES: 4 * 64 * 3 + 5}),
    (
        Functional(),
        IMAGE,
        2 * 64 * 6 * 27,
        {},
        # no "Conv" in its name: 2 · 6·27, as if it were a linear layer
        {"other layers: their weights instead of their code": 2 * 162 - 2 * 64 * 162},
    ),
    (
        Products(),
        (3, 4, 4),
        4 * 3 * 64,
        {
            "matmul: a broadcast batch counted once": -2 * 64,
            "baddbmm: not counted": -192,
            "addbmm: not counted": -192,
        },
        {"other layers: their weights instead of their code": -768},
    ),
    (  # 2·3·7·7·13 = 3822 is printed as 7.644e+03 FLOPs, which is exact; 3·7·7·13 is not printed
        Einsum(),
        (2, 3, 7, 13),
        2 * 3 * 49 * 13 + 3 * 49 * 13,
        {},
        {"other layers: their weights instead of their code": -3822 - 1911},
    ),
    (  # 2·3·17·17·37 = 64158: 1.283e+05 FLOPs is 64150
        Einsum(),
        (2, 3, 17, 37),
        64158 + 3 * 289 * 37,
        {"einsum: NumPy's estimate, to four digits": 64150 - 64158},
        {"other layers: their weights instead of their code": -64158 - 32079},
    ),
    (
        TwoInputs(),
        ((3, 8), (3, 6)),
        3 * 4 * (8 * 6 + 6),
        {"bilinear: not counted": -3 * 4 * 54},
        {"bilinear layers: the second product left out": -3 * 4 * 6, BIASES: 3 * 4},
    ),
    (
        Unused(),
        (2, 8),
        2 * 64 + 2 * 32 + 64,
        {DEAD: -2 * 32},
        # what `copied` gets is one example without a batch: its 8 features are taken for 8 examples
        {MIDDLE: 7 * 64, BIASES: 2 * 8 + 2 * 4 + 8 * 8},
    ),
    (
        Resized(),
        (1, 2, 4, 4),
        0,
        {
            "nearest upsampling: 1 per output element": 2 * 64,
            "bilinear upsampling: 4 per output element": 4 * 2 * 256,
            "grid sampling: 4 per output element": 4 * 2 * 25,
            "adaptive average pooling: 1 per input element": 2 * 25,
        },
        {},
    ),
    (Containers(), (2, 8), 2 * 2 * 64, {}, {BIASES: 2 * 8}),
    (Interleaved(), (2, 8), 4 * 2 * 64, {}, {BIASES: 4 * 2 * 8}),
    (  # without a batch torchinfo takes the 4 channels for it, and leaves out the height
        nn.Conv2d(3, 4, 3, bias=False),
        (3, 8, 7),
        6 * 5 * 108,
        {},
        {"convolutions: channels of unbatched input as batch": (4 * 5 - 6 * 5) * 108},
    ),
    (nn.LazyLinear(4), (2, 8), 64, {}, {BIASES: 8}),
]


def verified(model: nn.Module | str, given: Any, mode: Any = "eval") -> Verification:
    several = isinstance(given, tuple) and isinstance(given[0], tuple)
    return cnnstat.verify(model, *(given if several else (given,)), mode=mode)


@pytest.mark.parametrize(
    ("model", "given", "macs", "fvcore", "torchinfo"),
    FACTS,
    ids=[f"{number}-{type(row[0]).__name__}" for number, row in enumerate(FACTS)],
)
def test_differences_follow_from_the_shapes(
    model: nn.Module, given: Any, macs: int, fvcore: dict[str, int], torchinfo: dict[str, int]
) -> None:
    verification = verified(model, given)
    found = by_name(verification)
    assert verification.ours.totals.macs == macs
    assert causes(found["fvcore"]) == fvcore
    assert causes(found["torchinfo"]) == torchinfo
    for referee in verification.referees:
        if referee.name != "calflops":
            assert referee.status == "ran"
            assert referee.agrees, f"{referee.name}: {referee.macs_unexplained}"


def test_flop_counter_mode_knows_few_operators() -> None:
    """Σ of (4,8) @ (8,) and the two products of a bilinear layer have no formula."""
    vector = by_name(verified(Vector(), (4, 8)))["FlopCounterMode"]
    bilinear = by_name(verified(TwoInputs(), ((3, 8), (3, 6))))["FlopCounterMode"]
    assert (vector.macs, causes(vector)) == (0, {"mv: not counted": -4 * 8})
    assert causes(bilinear) == {"_trilinear: not counted": -3 * 4 * 54}
    assert vector.params is None
    assert vector.agrees
    assert bilinear.agrees


class Nested(nn.Module):
    def __init__(self, depth: int) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)
        self.inner = Nested(depth - 1) if depth else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inner(self.linear(x))


def test_torchinfo_in_modules_nested_deep(only_meta: None) -> None:
    referee = by_name(verified(Nested(60), (1, 4)))["torchinfo"]  # 2⁶⁰ steps of torchinfo's own
    assert (referee.params, referee.macs) == (61 * 20, 61 * 20)  # with biases


def test_parameters_that_stand_in_two_modules() -> None:
    torchinfo = by_name(verified(Tied(), "2,5:int64"))["torchinfo"]
    assert (torchinfo.params, torchinfo.params_unexplained) == (2 * 800, 0)
    assert causes(torchinfo, "params") == {"parameters in two modules: counted twice": 800}
    # the block of 3·3·9 + 3 stands in the list and in the head, which has a linear layer more
    shared = by_name(verified(SharedBlocks(), (1, 3, 8, 8)))["torchinfo"]
    assert shared.params == 2 * 84 + (192 * 5 + 5)
    assert causes(shared, "params") == {"parameters in two modules: counted twice": 84}


def test_while_training() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(), nn.ReLU())
    verification = verified(net, IMAGE, mode="train")
    assert verification.ours.mode == "train"
    assert causes(by_name(verification)["fvcore"]) == {"batch norm: 5 per element": 5 * 288}
    assert verification.disagreeing == ()


@pytest.mark.parametrize(
    ("spec", "given"),
    [
        ("lenet", (1, 1, 28, 28)),
        ("nin-cifar10", (1, 3, 32, 32)),
        ("resnet18", (2, 3, 64, 64)),
        ("inception-mnist", (1, 1, 28, 28)),
        ("residual-mnist", (1, 1, 28, 28)),
    ],
)
def test_built_in_networks(spec: str, given: Any) -> None:
    verification = verified(spec, given)
    assert [r.status for r in verification.referees if r.name not in OPTIONAL] == ["ran"] * 3
    assert verification.disagreeing == ()


@pytest.mark.usefixtures("only_meta")
@pytest.mark.parametrize("spec", ["alexnet", "vgg11-bn", "nin", "googlenet", "densenet121"])
def test_all_built_in_networks_without_data(spec: str) -> None:
    verification = cnnstat.verify(spec)
    found = by_name(verification)
    assert verification.disagreeing == ()
    assert found["FlopCounterMode"].macs == verification.ours.totals.macs
    assert found["torchinfo"].params == verification.ours.totals.params == CATALOG[spec].params


@pytest.mark.parametrize("name", ["squeezenet1_1", "mobilenet_v3_small", "swin_t"])
def test_torchvision_models(name: str) -> None:
    verification = verified(f"torchvision:{name}", (1, 3, 64, 64))
    assert verification.disagreeing == ()
    assert by_name(verification)["fvcore"].status == "ran"


@pytest.mark.parametrize("name", OPTIONAL)
def test_optional_referees(name: str) -> None:
    package = next(known.package for known in referees.REFEREES if known.name == name)
    verification = verified(FACTS[0][0], IMAGE)
    if name in referees.absent():
        assert name not in by_name(verification)
        assert any("not installed" in note and name in note for note in verification.notes)
        return
    assert package in sys.modules
    assert by_name(verification)[name].agrees


# ---------------------------------------------------------------- what is not explained


@pytest.fixture
def seven_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """A torchinfo that finds 7 MACs and 2 parameters more in the last layer of lenet."""
    from cnnstat.verification.counters import torchinfo

    honest = torchinfo.count

    def count(question: Any) -> Any:
        figures = honest(question)
        assert figures.macs_by_module is not None
        last = list(figures.macs_by_module)[-1]
        return type(figures)(
            figures.params + 2,
            figures.macs + 7,
            {**figures.macs_by_module, last: figures.macs_by_module[last] + 7},
        )

    monkeypatch.setattr(torchinfo, "count", count)


@pytest.mark.usefixtures("seven_too_many", "only_meta")
def test_what_the_shapes_do_not_explain_is_named(capsys: Capture) -> None:
    [referee] = cnnstat.verify("lenet").disagreeing
    assert (referee.name, referee.macs_unexplained, referee.params_unexplained) == (
        "torchinfo", 7, 2,
    )  # fmt: skip
    assert [layer.unexplained for layer in referee.layers if layer.unexplained] == [7]
    status = run(["verify", "lenet"])
    out, err = capsys.readouterr()
    assert status == 3
    assert "Layers of torchinfo with an unexplained difference" in out  # printed all the same
    assert "error: lenet: a difference is left that is not explained" in err
    assert "torchinfo: +2 parameters and +7 MACs, in " in err


def test_differences_do_not_depend_on_what_the_referee_said() -> None:
    """The models of the referees see traces only."""
    assert {*OF_OPERATORS, *OF_COMPOSITES} <= {known.name for known in referees.REFEREES}
    import inspect

    for model in (*OF_OPERATORS.values(), *OF_COMPOSITES.values()):
        assert list(inspect.signature(model).parameters) == ["trace"]


# ---------------------------------------------------------------- failing and skipped referees


@pytest.mark.usefixtures("no_optional")
def test_a_referee_that_fails_is_a_row(capsys: Capture, tmp_path: Path) -> None:
    file = tmp_path / "vector.py"
    file.write_text(
        "import torch\n"
        "class Vector(torch.nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.vector = torch.nn.Parameter(torch.zeros(8))\n"
        "    def forward(self, x):\n"
        "        return x @ self.vector\n"
    )
    assert run(["verify", f"{file}:Vector", "--input", "4,8"]) == 0
    out, err = capsys.readouterr()
    row = next(line for line in out.splitlines() if line.startswith("fvcore"))
    assert row.split()[2:4] == ["failed", "failed"]
    assert "note: fvcore failed: IndexError: list index out of range" in out
    assert "Traceback" not in out + err


def test_a_model_too_large_for_real_tensors(monkeypatch: pytest.MonkeyPatch) -> None:
    """1 GiB of weights and as much again of work does not fit into half of 3 GiB."""
    monkeypatch.setattr(question, "available_bytes", lambda: 3 * 2**30)
    large = nn.Linear(2**14, 2**14, bias=False, device="meta")
    verification = verified(large, (2**14, 2**14))
    fvcore = by_name(verification)["fvcore"]
    assert (fvcore.status, fvcore.macs, fvcore.agrees) == ("skipped", None, True)
    assert fvcore.reason == (
        "needs 3.00 GiB of real memory, of the 3.00 GiB that are available half is used at most"
    )
    assert by_name(verification)["FlopCounterMode"].macs == 2**42
    small = verified(nn.Linear(8, 8), (1, 8))
    assert by_name(small)["fvcore"].status == "ran"


def test_a_model_that_needs_values() -> None:
    """All run on the CPU then, on the model's own weights and the same made-up input."""
    verification = verified(Deciding(), (2, 8))
    assert verification.ours.totals.macs == 2 * 8 + 2 * 64
    assert {r.device for r in verification.referees if r.status == "ran"} == {"cpu"}
    assert "run on the CPU by all: the model needs values" in verification.notes[0]
    assert verification.disagreeing == ()


def test_inputs_by_name() -> None:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(8, 4)

        def forward(self, x: Tensor, scale: Tensor | None = None, *, shift: Any = None) -> Tensor:
            result: Tensor = self.linear(x * scale)
            return result if shift is None else result + shift

    by_position = cnnstat.verify(Scaled(), (2, 8), scale=(2, 8))
    assert by_name(by_position)["fvcore"].macs == 64
    assert by_position.disagreeing == ()
    by_keyword = by_name(cnnstat.verify(Scaled(), (2, 8), scale=(2, 8), shift=(4,)))
    assert by_keyword["fvcore"].reason == "it takes no inputs by name, as shift is passed"
    assert by_keyword["torchinfo"].agrees


# ---------------------------------------------------------------- nothing is left behind


def test_everything_is_as_it_was(capsys: Capture) -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(), nn.Flatten())
    net[1].eval()
    values = {name: value.clone() for name, value in net.state_dict().items()}
    flags = [module.training for module in net.modules()]
    functions = [dict(vars(holder)) for holder in (torch, F, Tensor, nn.Module)]
    states = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()  # type: ignore[index, union-attr]
    verified(net, IMAGE, mode="train")
    assert net.state_dict().keys() == values.keys()
    assert all(torch.equal(net.state_dict()[name], value) for name, value in values.items())
    assert [module.training for module in net.modules()] == flags
    assert all(p.requires_grad and p.grad is None for p in net.parameters())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in net.modules())
    for holder, known in zip((torch, F, Tensor, nn.Module), functions, strict=True):
        assert [n for n, value in known.items() if vars(holder).get(n) is not value] == []
    assert torch.equal(torch.get_rng_state(), states[0])
    assert (random.getstate(), np.random.get_state()[1].tolist()) == states[1:]  # type: ignore[index, union-attr]
    assert torch.is_grad_enabled()
    assert torch.backends.mha.get_fastpath_enabled()
    assert capsys.readouterr() == ("", "")


def test_what_a_failing_referee_patched_is_undone(monkeypatch: pytest.MonkeyPatch) -> None:
    from cnnstat.verification.counters import torchinfo

    original = F.linear

    def count(question: Any) -> Any:
        F.linear = nn.Module.train = None  # type: ignore[assignment]
        nn.modules.module.register_module_forward_hook(lambda *_: None)
        torch.manual_seed(0)
        raise RuntimeError("first line\nsecond line")

    monkeypatch.setattr(torchinfo, "count", count)
    net = nn.Linear(8, 4)
    state = torch.get_rng_state()
    failed = by_name(verified(net, (1, 8)))["torchinfo"]
    assert (failed.status, failed.reason) == ("failed", "RuntimeError: first line")
    assert F.linear is original
    assert callable(nn.Module.train)
    assert not nn.modules.module._global_forward_hooks
    assert torch.equal(torch.get_rng_state(), state)


# ---------------------------------------------------------------- the trace that it rests on


def test_composite_operators_and_what_they_consist_of() -> None:
    with torch.device("meta"):
        net = nn.Sequential(nn.Linear(4, 2), nn.BatchNorm1d(2))
    plain = trace(net, [torch.empty(3, 4)])
    whole = trace(net, [torch.empty(3, 4)], config=RunConfig(composites=True))
    assert plain.composites == ()
    names = [op.name for op in whole.composites]
    assert names == ["aten.linear", "aten.batch_norm", "aten._batch_norm_impl_index"]
    assert [op.within for op in whole.composites] == [None, None, 1]
    linear = [op.name for op in whole.ops if op.within == 0]
    assert linear == ["aten.t", "aten.addmm"]
    assert whole.composites[0].outputs[0].shape == (3, 2)


@cache
def small() -> Verification:
    return verified(FACTS[0][0], IMAGE)


# ---------------------------------------------------------------- output


@pytest.mark.parametrize("format", ["table", "markdown", "csv", "json", "latex", "html"])
def test_every_format_shows_it(format: Any) -> None:
    text = render(small(), format).text
    for name in ("fvcore", "torchinfo", "FlopCounterMode"):
        assert name in text
    for figure in (7776, 7776 + 576 + 288):  # ours, fvcore's
        assert str(figure) in text.replace(",", "").replace("{", "").replace("}", "")


def test_json_fits_the_schema() -> None:
    record = json.loads(render(small(), "json").text)
    jsonschema.validate(record, schema())
    assert record["kind"] == "verification"
    fvcore = record["referees"][0]
    assert fvcore["macs"] - record["ours"]["totals"]["macs"] == sum(
        bucket["value"] for bucket in fvcore["buckets"]
    )
    assert {layer["path"]: layer["unexplained"] for layer in fvcore["layers"]} == {
        "0": 0, "1": 0, "2": 0,
    }  # fmt: skip
    norm = next(bucket for bucket in fvcore["buckets"] if bucket["kind"] == "norm")
    assert (norm["count"], norm["layers"]) == (1, ["1"])


def test_a_terminal_of_80_columns() -> None:
    lines = render(small(), "table", width=80).text.splitlines()
    assert max(map(len, lines)) <= 80
    assert "Unexplained" in lines[3]
    assert repr(small()).splitlines()[0] == "Sequential on 2×3×8×8, eval mode"


@pytest.mark.parametrize(
    ("line", "status", "says"),
    [
        ("verify", 2, ["takes MODEL, which is missing"]),
        ("verify run.json", 2, ["is a saved analysis", "need the model itself"]),
        ("verify alexnett", 2, ["did you mean alexnet"]),
        ("verify lenet --input 1,1,2,2", 1, ["shapes don't fit at conv2 (Conv2d 6→16 5×5)"]),
    ],
)
def test_what_cannot_be_verified(line: str, status: int, says: list[str], capsys: Capture) -> None:
    assert run(line.split()) == status
    err = capsys.readouterr().err
    for text in says:
        assert text in err
    assert "Traceback" not in err


@pytest.mark.usefixtures("only_meta")
def test_the_command(capsys: Capture, tmp_path: Path) -> None:
    file = tmp_path / "verified.json"
    line = "verify lenet --input 2,1,28,28 --arg num_classes=7 --mode train --output"
    assert run([*line.split(), str(file)]) == 0
    assert capsys.readouterr() == ("", f"wrote {file}\n")
    record = json.loads(file.read_text())
    ours = record["ours"]
    assert (ours["mode"], ours["model"]["arguments"]) == ("train", {"num_classes": 7})
    assert ours["inputs"][0]["shape"] == [2, 1, 28, 28]
