"""The built-in networks: their published figures, and that they are what they say they are."""

from __future__ import annotations

import importlib
import inspect
from math import sqrt

import pytest
import torch
from torch import nn

import cnnstat
from cnnstat.errors import ShapeError
from cnnstat.models.construction import WithoutData
from cnnstat.models.zoo.catalog import CATALOG

# torchvision's weight enums, `num_params` and `_ops` (GMACs at 3×224×224) of IMAGENET1K_V1, for
# the architectures that are the same there; its alexnet and googlenet are others.
TORCHVISION = [
    ("vgg11", 132_863_336, 7.609),
    ("vgg13", 133_047_848, 11.308),
    ("vgg16", 138_357_544, 15.47),
    ("vgg19", 143_667_240, 19.632),
    ("vgg11-bn", 132_868_840, 7.609),
    ("vgg13-bn", 133_053_736, 11.308),
    ("vgg16-bn", 138_365_992, 15.47),
    ("vgg19-bn", 143_678_248, 19.632),
    ("resnet18", 11_689_512, 1.814),
    ("resnet34", 21_797_672, 3.664),
    ("resnet50", 25_557_032, 4.089),
    ("resnet101", 44_549_160, 7.801),
    ("resnet152", 60_192_808, 11.514),
    ("densenet121", 7_978_856, 2.834),
]


@pytest.mark.parametrize(("name", "params", "gmacs"), TORCHVISION)
def test_torchvisions_published_figures(name, params, gmacs):
    totals = cnnstat.analyze(name).totals
    assert totals.params == params
    assert round(totals.macs / 1e9, 3) == gmacs
    assert totals.exact


# The others: the figures of the issue, and the same worked out from the sizes of the maps.


def conv(channels, side, into, kernel):
    """MACs of a convolution that makes channels×side×side maps of `into` maps."""
    return channels * side**2 * into * kernel**2


LENET = conv(6, 28, 1, 5) + conv(16, 10, 6, 5) + 400 * 120 + 120 * 84 + 84 * 10


def alexnet(channels):
    convs = conv(96, 55, channels, 11) + conv(256, 27, 96, 5) + conv(384, 13, 256, 3)
    return convs + conv(384, 13, 384, 3) + conv(256, 13, 384, 3) + ALEXNET_LINEARS


ALEXNET_LINEARS = 9216 * 4096 + 4096 * 4096 + 4096 * 10


def nin(side1, side2, side3, side4):
    """Three convolutions a block, k×k and twice 1×1, on maps of the given sides."""
    block1 = conv(96, side1, 1, 11) + 2 * conv(96, side1, 96, 1)
    block2 = conv(256, side2, 96, 5) + 2 * conv(256, side2, 256, 1)
    block3 = conv(384, side3, 256, 3) + 2 * conv(384, side3, 384, 1)
    return block1 + block2 + block3 + conv(10, side4, 384, 3) + 2 * conv(10, side4, 10, 1)


NIN_CIFAR10 = (
    conv(192, 32, 3, 5) + conv(160, 32, 192, 1) + conv(96, 32, 160, 1)
    + conv(192, 16, 96, 5) + 2 * conv(192, 16, 192, 1)
    + conv(192, 8, 192, 3) + conv(192, 8, 192, 1) + conv(10, 8, 192, 1)
)  # fmt: skip


def inception_mnist(side, into):
    """1×1 to 24, 16, 16 and 16 channels; on two of the 16s a 5×5, and a 3×3 and another."""
    reduced = conv(24 + 16 + 16 + 16, side, into, 1)
    return reduced + conv(24, side, 16, 5) + conv(24, side, 16, 3) + conv(24, side, 24, 3)


INCEPTION_MNIST = (
    conv(10, 24, 1, 5) + inception_mnist(12, 10) + conv(20, 8, 88, 5) + inception_mnist(4, 20)
    + 88 * 4 * 4 * 10
)  # fmt: skip
RESIDUAL_MNIST = (
    conv(16, 24, 1, 5) + 2 * conv(16, 12, 16, 3) + conv(32, 8, 16, 5) + 2 * conv(32, 4, 32, 3)
    + 32 * 4 * 4 * 10
)  # fmt: skip


def inception(side, into, one, reduce3, three, reduce5, five, projected):
    """The columns of Table 1 of arXiv 1409.4842, after the side and the channels of the input."""
    ones = conv(one + reduce3 + reduce5 + projected, side, into, 1)
    return ones + conv(three, side, reduce3, 3) + conv(five, side, reduce5, 5)


GOOGLENET = (
    conv(64, 112, 3, 7) + conv(64, 56, 64, 1) + conv(192, 56, 64, 3)
    + inception(28, 192, 64, 96, 128, 16, 32, 32) + inception(28, 256, 128, 128, 192, 32, 96, 64)
    + inception(14, 480, 192, 96, 208, 16, 48, 64) + inception(14, 512, 160, 112, 224, 24, 64, 64)
    + inception(14, 512, 128, 128, 256, 24, 64, 64) + inception(14, 512, 112, 144, 288, 32, 64, 64)
    + inception(14, 528, 256, 160, 320, 32, 128, 128)
    + inception(7, 832, 256, 160, 320, 32, 128, 128)
    + inception(7, 832, 384, 192, 384, 48, 128, 128) + 1024 * 1000
)  # fmt: skip

FACTS = [  # (name, input, params, macs, macs worked out)
    ("lenet", (1, 1, 28, 28), 61_706, 416_520, LENET),
    ("nin", (1, 1, 224, 224), 1_992_166, 762_297_352, nin(54, 26, 12, 5)),
    ("nin-mnist", (1, 1, 224, 224), 1_992_166, 762_297_352, nin(54, 26, 12, 5)),
    ("nin-stride3", (1, 1, 224, 224), 1_992_166, 1_412_114_944, nin(72, 35, 17, 8)),
    ("nin-cifar10", (1, 3, 32, 32), 966_986, 222_486_528, NIN_CIFAR10),
    ("alexnet", (1, 1, 224, 224), 58_299_082, 1_060_924_256, alexnet(1)),
    ("alexnet", (1, 3, 224, 224), 58_322_314, 1_131_201_056, alexnet(3)),
    ("inception-mnist", (1, 1, 28, 28), 97_298, 6_019_200, INCEPTION_MNIST),
    ("residual-mnist", (1, 1, 28, 28), 41_514, 2_013_184, RESIDUAL_MNIST),
    ("googlenet", (1, 3, 224, 224), 6_998_552, 1_582_671_872, GOOGLENET),  # params of Caffe's
]


@pytest.mark.parametrize(("name", "shape", "params", "macs", "worked_out"), FACTS)
def test_figures(name, shape, params, macs, worked_out):
    assert worked_out == macs
    totals = cnnstat.analyze(name, shape).totals
    assert (totals.params, totals.macs) == (params, macs)
    assert totals.exact


def test_every_network_has_its_figures_here():
    assert {row[0] for row in TORCHVISION} | {row[0] for row in FACTS} == set(CATALOG)


def test_what_the_linear_layers_of_alexnet_hold():
    analysis = cnnstat.analyze("alexnet", (1, 1, 224, 224))
    in_linears = ALEXNET_LINEARS + 4096 + 4096 + 10
    assert analysis.by_role["linear"].params == in_linears == 54_575_114
    assert round(in_linears / analysis.totals.params, 3) == 0.936
    assert analysis.by_role["linear"].macs == ALEXNET_LINEARS


# The blocks as d2l prints them


def outputs(name, *shape):
    rows = [row for row in cnnstat.analyze(name, *shape).layers if row.depth == 1]
    return [(row.path, row.outputs[0][1:]) for row in rows]


def test_block_outputs_of_nin():
    assert outputs("nin") == [
        ("block1", (96, 54, 54)), ("pool1", (96, 26, 26)),
        ("block2", (256, 26, 26)), ("pool2", (256, 12, 12)),
        ("block3", (384, 12, 12)), ("pool3", (384, 5, 5)),
        ("dropout", (384, 5, 5)),
        ("block4", (10, 5, 5)), ("pool", (10, 1, 1)), ("flatten", (10,)),
    ]  # fmt: skip


WINDOWS = [  # of the issue: (layer, kernel, stride, padding)
    ("nin", "block1.conv1", 11, 4, 0), ("nin", "pool1", 3, 2, 0), ("nin", "block2.conv1", 5, 1, 2),
    ("nin", "block3.conv1", 3, 1, 1), ("nin", "block4.conv1", 3, 1, 1), ("nin", "pool3", 3, 2, 0),
    ("nin-stride3", "block1.conv1", 11, 3, 0),
    ("alexnet", "conv1", 11, 4, 3), ("alexnet", "pool1", 3, 2, 0), ("alexnet", "conv2", 5, 1, 2),
    ("alexnet", "pool2", 3, 2, 0), ("alexnet", "conv3", 3, 1, 1), ("alexnet", "conv4", 3, 1, 1),
    ("alexnet", "conv5", 3, 1, 1), ("alexnet", "pool5", 3, 2, 0),
]  # fmt: skip


@pytest.mark.parametrize(("name", "path", "kernel", "stride", "padding"), WINDOWS)
def test_windows(name, path, kernel, stride, padding):
    layer = next(row for row in cnnstat.analyze(name).layers if row.path == path)
    window = layer.window
    expected = [(kernel,) * 2, (stride,) * 2, (padding,) * 2, (1, 1)]
    assert [window.kernel, window.stride, window.padding, window.dilation] == expected


def test_nin_mnist_views_its_input_as_224_by_224_images():
    # 64 · 28 · 28 = 224 · 224: a batch of 64 MNIST images makes one image
    (view, *_), *_ = outputs("nin-mnist", (64, 1, 28, 28))
    assert view == "view"
    assert cnnstat.analyze("nin-mnist", (64, 1, 28, 28)).layers[0].outputs == ((1, 10),)
    assert "dropout" not in dict(outputs("nin-mnist"))


SIDES = [  # the last feature map of a stage, as in the tables of the papers
    ("alexnet", {"pool1": 27, "pool2": 13, "conv5": 13, "pool5": 6}),
    ("vgg16", {"block1": 112, "block2": 56, "block3": 28, "block4": 14, "block5": 7}),
    ("resnet50", {"conv1": 112, "conv2_x": 56, "conv3_x": 28, "conv4_x": 14, "conv5_x": 7}),
    ("densenet121", {"conv1": 112, "pool1": 56, "transition1": 28, "transition2": 14, "block4": 7}),
    ("googlenet", {"conv1": 112, "pool1": 56, "pool2": 28, "pool3": 14, "pool4": 7, "pool5": 1}),
    ("nin-cifar10", {"block1": 32, "block2": 16, "block3": 8}),
]


@pytest.mark.parametrize(("name", "sides"), SIDES, ids=[name for name, _ in SIDES])
def test_sides_of_the_maps(name, sides):
    made = dict(outputs(name))
    assert {path: made[path][1:] for path in sides} == {p: (n, n) for p, n in sides.items()}


# What the catalog and the headers say


def built(name):
    """The network in eval mode, without the time it takes to draw its weights: they are zeros."""
    with WithoutData():
        model = CATALOG[name].load()()
    model.to_empty(device="cpu")
    for tensor in (*model.parameters(), *model.buffers()):
        tensor.data.zero_()
    return model.eval()


@pytest.mark.parametrize("name", CATALOG)
def test_catalog_and_header_state_the_figures(name):
    entry = CATALOG[name]
    totals = cnnstat.analyze(name).totals
    assert entry.params == totals.params
    header = importlib.import_module(entry.factory.partition(":")[0]).__doc__
    assert f"{totals.params:,}" in header
    assert f"{totals.macs:,}" in header
    assert entry.name == name
    assert entry.source
    assert entry.summary


def classes_of(name):
    """ImageNet's, but for alexnet, which is d2l's."""
    return 1000 if CATALOG[name].input == (1, 3, 224, 224) and name != "alexnet" else 10


@pytest.mark.parametrize("name", CATALOG)
def test_factories_take_the_channels_and_the_classes(name):
    parameters = inspect.signature(CATALOG[name].load()).parameters
    defaults = {parameter.name: parameter.default for parameter in parameters.values()}
    assert defaults == {"in_channels": CATALOG[name].input[1], "num_classes": classes_of(name)}
    assert cnnstat.analyze(name).layers[0].outputs == ((1, classes_of(name)),)


@pytest.mark.parametrize("name", CATALOG)
def test_a_real_run(name):
    # The large ones at batch 1: they take seconds.
    batch = 2 if CATALOG[name].params < 10_000_000 else 1
    model = built(name)
    with torch.no_grad():
        result = model(torch.zeros(batch, *CATALOG[name].input[1:]))
    assert result.shape == (batch, classes_of(name))
    assert sum(p.numel() for p in model.parameters()) == CATALOG[name].params


@pytest.mark.parametrize("name", CATALOG)
def test_other_channels_and_classes(name):
    batch, _, *sides = CATALOG[name].input
    shape = (batch, 5, *sides)
    analysis = cnnstat.analyze(name, shape, arguments={"num_classes": 7})
    assert analysis.layers[0].outputs == ((batch, 7),)
    assert analysis.model.arguments == {"num_classes": 7, "in_channels": 5}  # follows the input
    first = next(row for row in analysis.layers if row.role == "conv" and row.params)
    assert first.inputs == (shape,)
    with pytest.raises(ShapeError):
        cnnstat.analyze(name, shape, arguments={"in_channels": 6})


XAVIER = ["lenet", "nin", "nin-mnist", "nin-stride3", "nin-cifar10", "alexnet"]


@pytest.mark.parametrize("name", XAVIER)
def test_weights_are_drawn_as_the_source_says(name):
    torch.manual_seed(0)
    model = CATALOG[name].load()()
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            taps = layer.weight[0, 0].numel() if layer.weight.dim() > 2 else 1
            fan_in, fan_out = layer.weight.shape[1] * taps, layer.weight.shape[0] * taps
            bound = sqrt(6 / (fan_in + fan_out))  # Glorot and Bengio 2010, equation 16
            largest = layer.weight.abs().max().item()
            assert 0.9 * bound < largest <= bound * (1 + 1e-6)
