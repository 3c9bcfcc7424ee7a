"""Sizes as letters: formulas and legal sizes, held against plain runs."""

import os
import random
import subprocess
import sys

import pytest
import torch
from torch import nn

import cnnstat
from cnnstat.cli.main import run
from cnnstat.errors import ModelError, UsageError
from cnnstat.render import render
from cnnstat.symbolic.results import Range
from cnnstat.symbols.evaluation import parse, value_at
from cnnstat.symbols.notation import format_number, format_symbolic_shape
from tests.networks import Function


def number(size):
    return parse(size) if isinstance(size, str) else size


def shape(layer):
    return format_symbolic_shape(tuple(map(number, layer.outputs[0])))


def layer_of(formulas, path):
    return next(layer for layer in formulas.layers if layer.path == path)


class UNet(nn.Module):
    """Two levels down and up, joined by their channels: sides are multiples of 4."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 8, 3, padding=1)
        self.pool = nn.MaxPool2d(2)
        self.up = nn.ConvTranspose2d(8, 8, 2, stride=2)
        self.out = nn.ConvTranspose2d(16, 4, 2, stride=2)

    def forward(self, x):
        a = self.a(x)
        b = self.b(self.pool(a))
        x = torch.cat([self.up(self.pool(b)), b], 1)
        return torch.cat([self.out(x), a], 1)


class Padded(nn.Module):
    """Pads its side to a multiple of 7, as window attention does."""

    def forward(self, x):
        side = x.shape[-1]
        x = nn.functional.pad(x, (0, (7 - side % 7) % 7))
        return x.view(x.shape[0], -1, 7)


class AsksForValues(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 5)

    def forward(self, x):
        y = self.conv(x)
        return y * 2 if y.sum() > 0 else y


class OnlySquares(nn.Module):
    def forward(self, x):
        assert x.shape[2] == x.shape[3], "the image is to be square"
        return x


class Crop(nn.Module):
    """Another way for large inputs: both are legal."""

    def forward(self, x):
        return x[:, :, ::2] if x.shape[2] > 100 else x


def test_nin_in_letters() -> None:
    f = cnnstat.formulas("nin", "1,1,H,W")
    assert shape(layer_of(f, "block1.conv1")) == "1×96×(⌊(H−11)/4⌋+1)×(⌊(W−11)/4⌋+1)"
    assert shape(layer_of(f, "pool3")) == "1×384×(⌊(H−67)/32⌋+1)×(⌊(W−67)/32⌋+1)"
    assert f.layers[0].outputs == ((1, 10),)
    h, w = f.domains
    assert (h.ranges, w.ranges) == ((Range(67, None, 1),), (Range(67, None, 1),))
    assert h.found_by == "symbols"
    assert [limit.size for limit in h.limits] == [66]
    assert "pool3" in h.limits[0].layer
    # 96·1·11² + 2 · 96·96, 256·96·5² + 2·256², 384·256·3² + 2·384², 10·384·3² + 2·10²
    assert format_number(number(f.totals.macs)) == (
        "30,048·⌊(H−7)/4⌋·⌊(W−7)/4⌋ + 745,472·⌊(H−11)/8⌋·⌊(W−11)/8⌋ + "
        "1,179,648·⌊(H−19)/16⌋·⌊(W−19)/16⌋ + 34,760·⌊(H−35)/32⌋·⌊(W−35)/32⌋"
    )


def test_the_linear_layer_of_alexnet_fixes_its_side() -> None:
    f = cnnstat.formulas("alexnet", "N,3,H,W")
    batch, h, w = f.domains
    assert batch.ranges == (Range(1, None, 1),)
    assert h.ranges == w.ranges == (Range(221, 252, 1),)
    assert [limit.size for limit in h.limits] == [220, 253]
    assert all("linear6" in limit.layer for limit in h.limits)
    (joint,) = h.joint  # any two sides with 36 positions would do
    assert joint.layer == "linear6 (Linear)"
    assert value_at(parse(joint.number), {"H": 224, "W": 252}) == 0


@pytest.mark.parametrize(
    ("model", "given", "ranges"),
    [
        (UNet(), "1,3,H,W", [(4, None, 4), (4, None, 4)]),
        (UNet(), "1,C,32,32", [(3, 3, 1)]),
        (nn.Conv2d(8, 8, 3, groups=2), "N,8,H,9", [(1, None, 1), (3, None, 1)]),
        (nn.ReflectionPad2d(3), "1,1,H,8", [(4, None, 1)]),  # padding below the side
        (nn.PixelUnshuffle(3), "1,1,H,6", [(3, None, 3)]),
        (nn.Sequential(nn.Flatten(), nn.Linear(12, 2)), "1,3,H,2", [(2, 2, 1)]),
        (nn.LSTM(8, 4), "T,2,8", [(1, None, 1)]),
        (nn.Upsample(scale_factor=2), "1,1,H,W", [(1, None, 1)] * 2),
        (nn.AdaptiveAvgPool2d(7), "1,1,H,7", [(1, None, 1)]),
        (nn.TransformerEncoderLayer(8, 2, batch_first=True), "N,T,8", [(1, None, 1)] * 2),
        (Padded(), "2,S", [(1, None, 1)]),
        (Crop(), "1,1,H,4", [(1, None, 1)]),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else str(value),
)  # fmt: skip
def test_domains_are_derived_and_exact(model, given, ranges) -> None:
    f = cnnstat.formulas(model, given)
    assert [tuple(map(tuple_of, domain.ranges)) for domain in f.domains] == [(r,) for r in ranges]
    assert {domain.found_by for domain in f.domains} == {"symbols"}


def tuple_of(part):
    return part.lowest, part.highest, part.step


def test_padding_to_windows_is_rounding_up() -> None:
    assert shape(cnnstat.formulas(Padded(), "2,S").layers[0]) == "2×⌈S/7⌉×7"


def test_another_way_is_said() -> None:
    f = cnnstat.formulas(Crop(), "1,1,H,4")
    assert any("takes another way" in note for note in f.notes)


def test_letters_bound_to_each_other() -> None:
    f = cnnstat.formulas(OnlySquares(), "1,1,H,W")
    assert [domain.ranges for domain in f.domains] == [(Range(224, 224, 1),)] * 2
    assert format_number(parse(f.domains[0].joint[0].number)) in ("H−W", "−H+W")


def test_where_letters_do_not_go_through_sizes_are_searched() -> None:
    f = cnnstat.formulas(AsksForValues(), "1,1,H,16")
    (domain,) = f.domains
    assert domain.ranges == (Range(5, None, 1),)
    assert domain.found_by == "search"
    assert f.layers == ()
    assert f.totals.macs is None
    assert "letters do not go through" in " ".join(f.notes)
    text = render(f, "table").text
    assert "found by trying" in text
    assert "1×2×220×12" in text  # the shapes of the example


def test_a_torch_that_asks_for_more_makes_sizes_be_searched(monkeypatch) -> None:
    from cnnstat.tracing.symbolic_sizes import symint

    monkeypatch.delattr(symint.SymIntNode, "floordiv")  # stands for a method that we do not have
    monkeypatch.delattr(symint.SymIntNode, "int_floordiv")
    f = cnnstat.formulas(nn.Conv2d(1, 1, 5, stride=2), "1,1,H,16")
    assert f.domains[0].ranges == (Range(5, None, 1),)
    assert f.domains[0].found_by == "search"
    assert f.totals.params == 26


ZOO = ["lenet", "nin", "vgg11", "googlenet", "resnet18"]


@pytest.mark.parametrize("name", ZOO)
def test_formulas_agree_with_plain_runs(name) -> None:
    channels = cnnstat.analyze(name).inputs[0].shape[1]
    f = cnnstat.formulas(name, f"N,{channels},H,W")
    draw = random.Random(name)
    for _ in range(4):
        values = {d.letter: drawn(draw, d) for d in f.domains}
        plain = cnnstat.analyze(name, (values["N"], channels, values["H"], values["W"]))
        assert plain.totals.macs == value_at(number(f.totals.macs), values)
        assert plain.totals.activation_bytes == value_at(number(f.totals.activation_bytes), values)
        for layer, ours in zip(plain.layers, f.layers, strict=True):
            assert layer.outputs == tuple(
                tuple(value_at(number(size), values) for size in output) for output in ours.outputs
            )


def drawn(draw, domain):
    part = draw.choice(domain.ranges)
    top = part.highest or part.lowest + 300
    return draw.randrange(part.lowest, top + 1, part.step)


@pytest.mark.parametrize("name", ZOO)
def test_every_bound_is_exact(name) -> None:
    channels = cnnstat.analyze(name).inputs[0].shape[1]
    f = cnnstat.formulas(name, f"1,{channels},S,S")
    (domain,) = f.domains
    for part in domain.ranges:
        beyond = {part.lowest - part.step, (part.highest or 0) and part.highest + part.step}
        cnnstat.analyze(name, (1, channels, part.lowest, part.lowest))
        for size in beyond - {0}:
            with pytest.raises(ModelError):
                cnnstat.analyze(name, (1, channels, size, size))


def test_a_model_is_left_as_it_was() -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Dropout())
    before = {name: value.clone() for name, value in net.state_dict().items()}
    state = torch.get_rng_state()
    cnnstat.formulas(net, "N,1,H,W")
    assert net.training
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize(
    ("given", "words"),
    [("1,1,28,28", "no letter"), ("1,1,H,ab", "no letter")],
)
def test_what_is_no_letter_is_refused(given, words) -> None:
    with pytest.raises(UsageError, match=words):
        cnnstat.formulas("lenet", given)


def test_analyze_and_compare_take_numbers() -> None:
    with pytest.raises(UsageError, match="sizes are numbers here"):
        cnnstat.analyze("nin", "1,1,H,W")
    with pytest.raises(UsageError, match="sizes are numbers here"):
        cnnstat.compare("nin", "alexnet", input="1,3,H,W")


def test_a_size_that_no_letter_can_mend(capsys) -> None:
    assert run(["shapes", "alexnet", "--input", "1,3,20,W"]) == 1
    printed = capsys.readouterr().err
    assert "no sizes were found" in printed
    assert "pool2" in printed


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        ("shapes nin --input 1,1,H,W --training", 2, "take no --training"),
        ("shapes nin --input 1,1,H,W --lane cpu", 2, "take no --lane"),
        ("compare nin alexnet --input 1,3,H,W", 2, "cnnstat scale nin alexnet"),
        ("shapes nin --input 1,1,H,W --columns nothing", 2, "unknown column"),
    ],
)
def test_errors_say_what_to_type(arguments, status, words, capsys) -> None:
    assert run(arguments.split()) == status
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    ("format", "words"),
    [
        ("table", ["⌊(H−11)/4⌋+1", "H ≥ 67", "pool3"]),
        ("markdown", ["## Legal sizes", "⌊(H−11)/4⌋+1"]),
        ("csv", ["1x96x(((H + 1)//4) - 2)x54", "total_macs"]),
        ("json", ['"kind": "formulas"', '"((H + 1)//4) - 2"']),
        ("latex", [r"$\lfloor$(H$-$11)/4$\rfloor$+1", r"$\ge$"]),
        ("html", ["⌊(H−11)/4⌋+1", "Legal sizes"]),
    ],
)
def test_every_format_shows_letters(format, words) -> None:
    text = render(cnnstat.formulas("nin", "1,1,H,224"), format).text
    for word in words:
        assert word in text


def test_formulas_do_not_depend_on_the_hash_seed() -> None:
    code = """
import cnnstat
from torch import nn
model = nn.Sequential(nn.Conv1d(4, 8, 5, stride=2), nn.AvgPool1d(2),
                      nn.ConvTranspose1d(8, 4, 3, dilation=2), nn.AdaptiveMaxPool1d(3)).eval()
formulas = cnnstat.formulas(model, "4,L")
print(formulas, formulas.totals, formulas.layers)
"""
    texts = [
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONIOENCODING": "utf-8"},
            capture_output=True, text=True, encoding="utf-8", check=True,
        ).stdout
        for seed in ("0", "2")
    ]  # fmt: skip
    assert texts[0] == texts[1]
    assert "Peak memory" in texts[0]


def test_a_view_whose_sizes_are_undefined_at_other_sizes():
    """At some sizes a formula of one run divides by zero; there another run has the formulas."""

    def forward(x):
        y = x.permute(0, 2, 3, 1).movedim(-1, 1).transpose(-1, -2).contiguous()
        flat = y.flatten(1).view(y.shape[0], -1, 6).reshape(-1, 6)
        return flat.t(), y.unsqueeze(0).squeeze(), torch.ravel(y)

    found = cnnstat.formulas(Function(forward), "N,6,H,W")
    assert [domain.letter for domain in found.domains] == ["N", "H", "W"]
