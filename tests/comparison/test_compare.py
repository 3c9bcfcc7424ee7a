"""How networks differ: the figures of NiN against AlexNet, and what holds for all."""

from __future__ import annotations

import copy
import random
from collections.abc import Sequence
from functools import cache
from itertools import combinations
from math import prod
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs
from torch import Tensor, nn

import cnnstat
from cnnstat.analysis.results import Stage
from cnnstat.analysis.stages import align
from cnnstat.comparison.results import Classifier, Comparison
from cnnstat.comparison.side_by_side import compare
from cnnstat.models.zoo.catalog import CATALOG
from cnnstat.render import render

ALEXNET_PARAMS = {
    "conv1": 1 * 11 * 11 * 96 + 96,
    "conv2": 96 * 5 * 5 * 256 + 256,
    "conv3": 256 * 3 * 3 * 384 + 384,
    "conv4": 384 * 3 * 3 * 384 + 384,
    "conv5": 384 * 3 * 3 * 256 + 256,
    "linear6": 9216 * 4096 + 4096,
    "linear7": 4096 * 4096 + 4096,
    "linear8": 4096 * 10 + 10,
}
ALEXNET_CONV = sum(v for k, v in ALEXNET_PARAMS.items() if k.startswith("conv"))
ALEXNET_LINEAR = sum(v for k, v in ALEXNET_PARAMS.items() if k.startswith("linear"))


@cache
def _compared(*names: str) -> Comparison:
    return cnnstat.compare(*names)


@cache
def _analysis(name: str) -> Any:
    return cnnstat.analyze(name)


def _classifier(*names: str) -> Classifier:
    """Of the last of the networks, which all run on the default input of the first."""
    classifier = _compared(*names).classifiers[-1]
    assert classifier is not None
    return classifier


# ---------------------------------------------------------------- NiN against AlexNet


@pytest.mark.parametrize(
    ("name", "nin", "alexnet"),
    [
        ("Parameters", 1_992_166, 58_299_082),
        ("MACs", 762_297_352, 1_060_924_256),
        ("Parameter memory", 4 * 1_992_166, 4 * 58_299_082),
        ("Depth, in layers", 4 * 3, 5 + 3),
        # 11, then 19 after the pool, 51, 67, …: both shrink their maps at the same places.
        ("Receptive field, px", 195, 195),
    ],
)
def test_totals(name: str, nin: int, alexnet: int) -> None:
    (figure,) = (f for f in _compared("nin", "alexnet").totals if f.name == name)
    assert figure.values == (nin, alexnet)
    assert figure.ratios == (1, alexnet / nin)


def test_totals_are_those_of_the_issue() -> None:
    names = [figure.name for figure in _compared("nin", "alexnet").totals]
    assert names == [
        "Parameters", "MACs", "Other operations", "Parameter memory", "Activation memory",
        "Peak memory", "Depth, in layers", "Receptive field, px",
    ]  # fmt: skip


def test_roles() -> None:
    linear, conv = _compared("nin", "alexnet").by_role
    assert (linear.role, conv.role) == ("linear", "conv")
    assert linear.params == (0, 54_575_114)
    assert conv.params == (1_992_166, ALEXNET_CONV)
    assert linear.params_share == (0, pytest.approx(0.936, abs=0.0005))
    linear_macs = 9216 * 4096 + 4096 * 4096 + 4096 * 10
    assert linear.macs == (0, linear_macs)
    assert conv.macs == (762_297_352, 1_060_924_256 - linear_macs)
    assert conv.macs_share[0] == 1.0


NIN_BLOCK3 = 9 * 256 * 384 + 2 * 384 * 384
STAGES = [  # size, channels, params, MACs of NiN and of AlexNet
    (((54, 54), 96, 30_336, 54 * 54 * (121 * 96 + 2 * 96 * 96)),
     ((55, 55), 96, 11_712, 55 * 55 * 121 * 96)),
    (((26, 26), 256, 746_240, 26 * 26 * (25 * 96 * 256 + 2 * 256 * 256)),
     ((27, 27), 256, 614_656, 27 * 27 * 25 * 96 * 256)),
    (((12, 12), 384, 1_180_800, 12 * 12 * NIN_BLOCK3),
     ((13, 13), 256, 3_097_600, 13 * 13 * 9 * (256 * 384 + 384 * 384 + 384 * 256))),
    (((5, 5), 10, 34_790, 5 * 5 * (9 * 384 * 10 + 2 * 10 * 10)),
     ((6, 6), 256, 0, 0)),
    (((1, 1), 10, 0, 0),
     ((1, 1), 10, ALEXNET_LINEAR, 9216 * 4096 + 4096 * 4096 + 4096 * 10)),
]  # fmt: skip


@pytest.mark.parametrize(("row", "expected"), list(enumerate(STAGES)))
def test_stages(row: int, expected: Any) -> None:
    stages = _compared("nin", "alexnet").stages
    assert len(stages) == len(STAGES)
    found = tuple((s.size, s.channels, s.params, s.macs) for s in stages[row] if s is not None)
    assert found == expected


def test_linear_layers() -> None:
    classifier = _classifier("nin", "alexnet")
    found = [(x.path, x.in_features, x.out_features, x.params) for x in classifier.linears]
    assert found == [
        ("linear6", 9216, 4096, 37_752_832),
        ("linear7", 4096, 4096, 16_781_312),
        ("linear8", 4096, 10, 40_970),
    ]
    assert 9216 == 256 * 6 * 6  # the last feature map, flattened
    for linear in classifier.linears:
        assert linear.params == ALEXNET_PARAMS[linear.path]
        assert linear.param_bytes == 4 * linear.params
        assert linear.share == linear.params / 58_299_082
    assert classifier.params == 54_575_114
    assert classifier.share == pytest.approx(54_575_114 / 58_299_082)
    assert classifier.reason is None


def test_nin_head_on_the_features_of_alexnet() -> None:
    head = _classifier("nin", "alexnet").head
    assert head is not None
    assert head.features == (256, 6, 6)
    assert head.head_params == 256 * 10 + 10 == 2_570
    assert head.params == ALEXNET_CONV + 2_570 == 3_726_538
    conv_macs = 1_060_924_256 - (9216 * 4096 + 4096 * 4096 + 4096 * 10)
    assert head.macs == conv_macs + 256 * 10 * 6 * 6 == 1_006_449_504
    assert head.param_bytes == 4 * 3_726_538


def test_growth_of_the_first_linear_layer() -> None:
    growth = _classifier("nin", "alexnet").growth
    # side → map: conv 11/4 pad 3, and three pools 3/2
    assert [g.input for g in growth] == [(1, 1, side, side) for side in (224, 320, 448)]
    assert [g.in_features for g in growth] == [256 * 6 * 6, 256 * 9 * 9, 256 * 13 * 13]
    behind = ALEXNET_PARAMS["linear7"] + ALEXNET_PARAMS["linear8"]
    for g in growth:
        assert g.linear_params == g.in_features * 4096 + 4096 + behind
        assert g.conv_params == ALEXNET_CONV == 3_723_968  # c_in · c_out · K², whatever the input
        assert g.total_params == g.linear_params + g.conv_params


# ---------------------------------------------------------------- other networks


def test_lenet() -> None:
    classifier = _classifier("residual-mnist", "lenet")
    assert [g.input[-1] for g in classifier.growth] == [28, 40, 56]
    # pad 2, pool, 5×5, pool: 28 → 14 → 10 → 5; 40 → 20 → 16 → 8; 56 → 28 → 24 → 12
    assert [g.in_features for g in classifier.growth] == [16 * s * s for s in (5, 8, 12)]
    behind = 120 * 84 + 84 + 84 * 10 + 10
    for g in classifier.growth:
        assert g.linear_params == g.in_features * 120 + 120 + behind
    assert classifier.head is not None
    assert classifier.head.features == (16, 5, 5)
    assert classifier.head.params == (25 * 6 + 6) + (25 * 6 * 16 + 16) + (16 * 10 + 10)


def test_resnet18_pools_before_its_linear_layer() -> None:
    classifier = _classifier("nin", "resnet18")
    assert classifier.head is not None
    assert classifier.head.features == (512, 7, 7)
    assert classifier.head.head_params == 512 * 1000 + 1000
    # The same weights in another place: on the map, before pooling instead of behind it.
    linear_on_gray = 11_689_512 - 2 * 7 * 7 * 64
    assert classifier.head.params == linear_on_gray
    assert [g.in_features for g in classifier.growth] == [512, 512, 512]
    assert {g.linear_params for g in classifier.growth} == {513_000}
    assert {g.total_params for g in classifier.growth} == {linear_on_gray}


def test_networks_without_linear_layers_have_no_classifier() -> None:
    assert _compared("nin", "nin-stride3").classifiers == (None, None)
    assert _compared("nin-cifar10", "nin-cifar10").classifiers == (None, None)


MLP = (nn.Flatten(), nn.Linear(784, 32), nn.ReLU(), nn.Linear(32, 10))


def test_channels_are_what_a_stage_hands_on() -> None:
    """Not those of the 1×1 convolution of the next stage, which still runs at the old size."""
    comparison = cnnstat.compare("resnet50", "nin")
    found = {row[0].size: row[0].channels for row in comparison.stages if row[0]}
    # He et al., Table 1
    assert [found[(side, side)] for side in (112, 56, 28, 14, 7)] == [64, 256, 512, 1024, 2048]


def test_mlp_has_no_feature_map() -> None:
    mlp = nn.Sequential(*copy.deepcopy(MLP))
    classifier = cnnstat.compare(mlp, "lenet", input=(1, 1, 28, 28)).classifiers[0]
    assert classifier is not None
    assert [x.params for x in classifier.linears] == [784 * 32 + 32, 32 * 10 + 10]
    assert classifier.share == 1.0
    assert (classifier.head, classifier.growth) == (None, ())
    assert classifier.reason == "no feature map stands before them"
    assert cnnstat.analyze(mlp, (1, 1, 28, 28)).totals.receptive_field is None


def test_no_table_of_stages_without_stages() -> None:
    comparison = structs.replace(_compared("alexnet", "nin"), stages=())
    for format in ("table", "latex"):
        assert "Resolution" not in render(comparison, format).text


# ---------------------------------------------------------------- what holds for all


BY_INPUT: dict[tuple[int, ...], list[str]] = {}
for _name, _entry in CATALOG.items():
    BY_INPUT.setdefault(_entry.input, []).append(_name)
PAIRS = [pair for names in BY_INPUT.values() for pair in combinations(names, 2)]


@pytest.mark.parametrize("names", PAIRS, ids=" ".join)
def test_parts_add_up_to_the_whole(names: tuple[str, str]) -> None:
    result = compare([_analysis(name) for name in names], [None, None])
    for place, name in enumerate(names):
        totals = _analysis(name).totals
        stages = [row[place] for row in result.stages]
        for parts in (
            [(stage.params, stage.macs) for stage in stages if stage is not None],
            [(role.params[place], role.macs[place]) for role in result.by_role],
        ):
            assert [sum(column) for column in zip(*parts, strict=True)] == [
                totals.params,
                totals.macs,
            ]
        assert sum(role.params_share[place] for role in result.by_role) == pytest.approx(1)
        assert sum(role.macs_share[place] for role in result.by_role) == pytest.approx(1)
        # Networks of the zoo end in a vector: its stage is the last, and is one of both.
        assert stages[-1] is not None
        assert stages[-1].size == (1, 1)
    assert {f.name: f.values for f in result.totals}["Parameters"] == tuple(
        CATALOG[name].params for name in names
    )


# ---------------------------------------------------------------- alignment


def _stages(*sides: int) -> tuple[Stage, ...]:
    return tuple(Stage((side, side), 8, 1, 10, 100) for side in sides)


def _sides(rows: Sequence[Sequence[Stage | None]]) -> list[tuple[int | None, ...]]:
    return [tuple(stage.size[0] if stage else None for stage in row) for row in rows]


@pytest.mark.parametrize(
    ("models", "rows"),
    [
        # equal
        ([(56, 28, 1), (56, 28, 1)], [(56, 56), (28, 28), (1, 1)]),
        # almost equal
        (
            [(54, 26, 12, 5, 1), (55, 27, 13, 6, 1)],
            [(54, 55), (26, 27), (12, 13), (5, 6), (1, 1)],
        ),
        # one starts earlier
        ([(224, 112, 56), (56,)], [(224, None), (112, None), (56, 56)]),
        ([(56,), (224, 112, 56)], [(None, 224), (None, 112), (56, 56)]),
        # one leaves out a size
        ([(56, 28, 14), (56, 14)], [(56, 56), (28, None), (14, 14)]),
        # a whole octave apart is no match
        ([(64,), (32,)], [(64, None), (None, 32)]),
        # a vector is no map, however small the map
        ([(2,), (1,)], [(2, None), (None, 1)]),
        # the same size twice, around a squeeze to a vector
        ([(28, 1, 28), (28,)], [(28, None), (1, None), (28, 28)]),
        # nothing at all
        ([(), (28,)], [(None, 28)]),
        ([(28,), ()], [(28, None)]),
        # three models: the third is matched with what is there already
        (
            [(54, 26, 1), (112, 56, 28, 1), (112, 27, 1)],
            [(None, 112, 112), (54, 56, None), (26, 28, 27), (1, 1, 1)],
        ),
    ],
)
def test_alignment(models: list[tuple[int, ...]], rows: list[tuple[int | None, ...]]) -> None:
    found = _sides(align([_stages(*sides) for sides in models]))
    # Rows in which only one model stands may change places with their neighbours.
    assert sorted(found, key=str) == sorted(rows, key=str)


SIDES = st.lists(st.sampled_from([1, 2, 5, 6, 7, 14, 28, 55, 56, 112, 224]), max_size=6)


@settings(deadline=None)
@given(st.lists(SIDES, min_size=2, max_size=4))
def test_alignment_keeps_every_stage_in_order(models: list[list[int]]) -> None:
    rows = _sides(align([_stages(*sides) for sides in models]))
    for place, sides in enumerate(models):
        assert [row[place] for row in rows if row[place] is not None] == sides
    for row in rows:
        present = [side for side in row if side is not None]
        assert len(row) == len(models)
        assert present  # no row without a model
        assert len({side == 1 for side in present}) == 1  # vectors with vectors


def test_alignment_of_maps_of_other_dimensions() -> None:
    """A signal of 56 samples and an image of 56×56 are at the same scale."""
    rows = align([(Stage((56,), 8, 1, 10, 100),), (Stage((56, 56), 8, 1, 10, 100),)])
    assert len(rows) == 1


# ---------------------------------------------------------------- the summary


@pytest.mark.parametrize(
    ("names", "sentences"),
    [
        (
            ("nin", "alexnet"),
            (
                "nin has 1,992,166 parameters, alexnet has 58,299,082, 29.3 times as many.",
                "96.9 % of the difference is fully connected layers: alexnet holds 54,575,114 "
                "parameters in them (93.6 %), nin none.",
            ),
        ),
        (
            ("alexnet", "nin"),  # the smaller leads, wherever it stands; now on 3 channels
            (
                "nin has 2,015,398 parameters, alexnet has 58,322,314, 28.9 times as many.",
                "96.9 % of the difference is fully connected layers: alexnet holds 54,575,114 "
                "parameters in them (93.6 %), nin none.",
            ),
        ),
        (
            ("nin", "alexnet", "vgg11"),
            (
                "Of 3 models, nin is the smallest: it has 1,992,166 parameters, vgg11 has "
                "132,862,184, 66.7 times as many.",
                "94.5 % of the difference is fully connected layers: vgg11 holds 123,642,856 "
                "parameters in them (93.1 %), nin none.",
            ),
        ),
        (
            ("nin", "nin"),
            (
                "nin and nin (2) have 1,992,166 parameters each.",
                "They are the same in every layer.",
                "To compare versions of nin, save one: "
                "cnnstat shapes nin --arg NAME=VALUE --output a.json",
            ),
        ),
        (
            # VGG-11 has fewer convolution parameters: more than the difference is linear layers
            ("resnet18", "vgg11"),
            (
                "resnet18 has 11,689,512 parameters, vgg11 has 132,863,336, 11.4 times as many.",
                "The difference is fully connected layers: vgg11 holds 123,642,856 parameters in "
                "them (93.1 %), resnet18 513,000.",
            ),
        ),
    ],
)
def test_summary(names: tuple[str, ...], sentences: tuple[str, ...]) -> None:
    assert _compared(*names).summary == sentences


def test_arithmetic_of_the_summary() -> None:
    assert f"{58_299_082 / 1_992_166:.1f}" == "29.3"
    assert f"{54_575_114 / (58_299_082 - 1_992_166):.1%}" == "96.9%"
    assert f"{54_575_114 / 58_299_082:.1%}" == "93.6%"


def test_models_of_one_name_are_told_apart() -> None:
    assert _compared("nin", "nin").names == ("nin", "nin (2)")


# ---------------------------------------------------------------- live modules


class Live(nn.Module):
    """Conv, batch norm, and a classifier; its forward leaves traces on the module."""

    def __init__(self, channels: int = 4) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, channels, 3)
        self.norm = nn.BatchNorm2d(channels)
        self.dropout = nn.Dropout(0.5)
        self.linear = nn.Linear(channels * 26 * 26, 10)
        self.calls: list[tuple[int, ...]] = []

    def forward(self, x: Tensor) -> Tensor:
        self.calls.append(tuple(x.shape))
        x = F.relu(self.norm(self.conv(x)))
        self.last = x
        logits: Tensor = self.linear(self.dropout(x.flatten(1)))
        return logits


def _live_params(channels: int) -> int:
    return (9 * channels + channels) + 2 * channels + (channels * 26 * 26 * 10 + 10)


def test_live_modules() -> None:
    result = cnnstat.compare(Live(4), Live(8), input=(1, 1, 28, 28))
    assert result.names == ("Live", "Live (2)")
    assert result.totals[0].values == (_live_params(4), _live_params(8))
    for classifier, channels in zip(result.classifiers, (4, 8), strict=True):
        assert classifier is not None
        assert classifier.head is not None
        assert classifier.head.features == (channels, 26, 26)
        assert classifier.head.params == (9 * channels + channels) + 2 * channels + (
            channels * 10 + 10
        )
        assert [g.in_features for g in classifier.growth] == [
            channels * (side - 2) ** 2 for side in (28, 40, 56)
        ]


@pytest.mark.parametrize("shape", [(1, 1, 28, 28), (1, 1, 30, 30)], ids=["success", "failure"])
def test_live_modules_stay_untouched(shape: tuple[int, ...]) -> None:
    net, other = Live(), Live()
    net.conv.eval()  # a mix of flags
    net.conv.weight.requires_grad_(False)
    handle = net.linear.register_forward_hook(lambda *_: None)
    state = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    identities = {name: id(parameter) for name, parameter in net.named_parameters()}
    flags = {name: module.training for name, module in net.named_modules()}
    attributes = sorted(vars(net))
    rng, python_rng = torch.get_rng_state(), random.getstate()
    try:
        cnnstat.compare(net, other, input=shape)
    except cnnstat.ShapeError:
        assert shape == (1, 1, 30, 30)
    else:
        assert shape == (1, 1, 28, 28)
    assert sorted(vars(net)) == attributes
    assert net.calls == []
    assert {name: id(parameter) for name, parameter in net.named_parameters()} == identities
    assert all(torch.equal(tensor, state[name]) for name, tensor in net.state_dict().items())
    assert [p.requires_grad for p in net.conv.parameters()] == [False, True]
    assert {name: module.training for name, module in net.named_modules()} == flags
    assert list(net.linear._forward_hooks) == [handle.id]
    assert torch.equal(torch.get_rng_state(), rng)
    assert random.getstate() == python_rng


class Functional(nn.Module):
    """Its classifier is no module: the weights are the container's own."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3)
        self.weight = nn.Parameter(torch.zeros(10, 4 * 26 * 26))
        self.bias = nn.Parameter(torch.zeros(10))

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(F.relu(self.conv(x)).flatten(1), self.weight, self.bias)


FUNCTIONAL_LINEAR = 4 * 26 * 26 * 10 + 10


def test_functional_classifier() -> None:
    result = cnnstat.compare(Functional(), Live(), input=(1, 1, 28, 28))
    classifier = result.classifiers[0]
    assert classifier is not None
    (linear,) = classifier.linears
    assert (linear.in_features, linear.out_features) == (2704, 10)
    assert linear.params == classifier.params == FUNCTIONAL_LINEAR
    assert classifier.growth == ()  # there is no module to make wider …
    assert classifier.reason is not None  # … which is said
    assert "Functional" in repr(result)


def test_head_instead_of_a_functional_classifier() -> None:
    """The weights that only the replaced classifier used are no part of the variant."""
    classifier = cnnstat.compare(Functional(), Live(), input=(1, 1, 28, 28)).classifiers[0]
    assert classifier is not None
    assert classifier.head is not None
    assert classifier.head.params == (9 * 4 + 4) + (4 * 10 + 10)


def test_parts_of_a_functional_model_add_up() -> None:
    result = compare([cnnstat.analyze(Functional(), (1, 1, 28, 28))] * 2, [None, None])
    params = 9 * 4 + 4 + FUNCTIONAL_LINEAR
    assert result.totals[0].values[0] == params
    assert sum(role.params[0] for role in result.by_role) == params
    assert sum(row[0].params for row in result.stages if row[0]) == params
    assert {role.role: role.params[0] for role in result.by_role}["linear"] == FUNCTIONAL_LINEAR


class Adaptive(nn.Module):
    """Pools to 2×2 whatever the input: its classifier does not grow."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3)
        self.pool = nn.AdaptiveAvgPool2d(2)
        self.linear = nn.Linear(4 * 2 * 2, 10)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.linear(self.pool(F.relu(self.conv(x))).flatten(1))
        return logits


def test_adaptive_pooling_before_the_classifier() -> None:
    classifier = cnnstat.compare(Adaptive(), Live(), input=(1, 1, 28, 28)).classifiers[0]
    assert classifier is not None
    assert classifier.reason is None
    assert [g.in_features for g in classifier.growth] == [16, 16, 16]
    assert [g.total_params for g in classifier.growth] == [9 * 4 + 4 + 16 * 10 + 10] * 3
    assert classifier.head is not None
    assert classifier.head.features == (4, 2, 2)
    assert classifier.head.params == 9 * 4 + 4 + 4 * 10 + 10
    assert classifier.head.macs == 26 * 26 * 9 * 4 + 2 * 2 * 4 * 10


def test_input_by_keyword_reaches_the_variants() -> None:
    by_name = cnnstat.compare(Live(), Live(8), input="x=1,1,28,28")
    by_place = cnnstat.compare(Live(), Live(8), input=(1, 1, 28, 28))
    assert by_name.classifiers == by_place.classifiers


@pytest.mark.parametrize(
    "models",
    [
        (nn.Sequential(nn.ReLU()), nn.Sequential(nn.Conv2d(1, 4, 3))),
        (nn.Sequential(nn.ReLU()), nn.Sequential(nn.Tanh())),
        (nn.Conv2d(1, 4, 3), nn.Conv2d(1, 8, 3)),
    ],
    ids=["one without parameters", "both without", "single layers"],
)
def test_small_models(models: tuple[nn.Module, nn.Module]) -> None:
    result = cnnstat.compare(*models, input=(1, 1, 28, 28))
    params = tuple(sum(p.numel() for p in model.parameters()) for model in models)
    assert result.totals[0].values == params
    assert result.totals[0].ratios == (None if params[0] == 0 else 1, *(
        p / params[0] if params[0] else None for p in params[1:]
    ))  # fmt: skip
    assert "By spatial resolution" in repr(result)
    assert "By spatial resolution" in result._repr_html_()


def test_signal_models() -> None:
    """One dimension: the side grows alone, and stages have one size."""
    net = nn.Sequential(nn.Conv1d(2, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 30, 5))
    result = cnnstat.compare(net, copy.deepcopy(net), input=(1, 2, 32))
    assert [row[0].size for row in result.stages if row[0]] == [(30,), (1, 1)]
    (linear,) = result.classifiers[0].linears if result.classifiers[0] else ()
    assert linear.in_features == 4 * 30 == prod((4, 30))


@pytest.mark.parametrize("models", [(), ("nin",)])
def test_fewer_than_two_models(models: tuple[str, ...]) -> None:
    with pytest.raises(cnnstat.UsageError, match="takes two or more models"):
        cnnstat.compare(*models)


def test_model_that_does_not_run_on_the_input_of_the_first() -> None:
    with pytest.raises(cnnstat.ShapeError, match="lenet does not run on 1,1,224,224") as caught:
        cnnstat.compare("nin", "lenet")
    assert "the default input of nin" in str(caught.value)


def test_live_module_first_needs_an_input() -> None:
    with pytest.raises(cnnstat.UsageError, match="Live needs an input") as caught:
        cnnstat.compare(Live(), "lenet")
    assert "input=(1, 1, " in str(caught.value)  # what to type here
    assert "analyze" not in str(caught.value)


def test_as_many_parameters_are_not_the_same_model() -> None:
    narrow = nn.Sequential(nn.Linear(2, 6))
    activated = nn.Sequential(nn.Linear(2, 6), nn.ReLU())  # as many parameters
    (alone,) = cnnstat.compare(narrow, activated, input=(1, 2)).summary
    assert alone.endswith("have 18 parameters each.")
