"""Calls in the words of torchinfo, thop, fvcore and ptflops: understood, or answered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import cnnstat

IMAGE = (1, 3, 32, 32)


class Net(nn.Module):
    def __init__(self, width: int = 4) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, width, 3)
        self.norm = nn.BatchNorm2d(width)
        self.linear = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(self.norm(self.conv(x)).mean((2, 3)))


class Wide(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, width, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


class Deep(nn.Module):
    """Its forward names arguments as torchinfo does: they are the model's."""

    def forward(self, input_size: Tensor, depth: int = 1) -> Tensor:
        return input_size * depth


NET = Net()


@pytest.mark.parametrize(
    "call",
    [
        lambda: cnnstat.analyze(NET, input_size=IMAGE),
        lambda: cnnstat.analyze(NET, input_size=list(IMAGE)),
        lambda: cnnstat.analyze(NET, input_size=[IMAGE]),
        lambda: cnnstat.analyze(NET, input_size=IMAGE, dtypes=[torch.float32]),
        lambda: cnnstat.analyze(NET, input_shape="1,3,32,32"),
        lambda: cnnstat.analyze(NET, input_data=torch.zeros(IMAGE)),
        lambda: cnnstat.analyze(NET, inputs=(torch.zeros(IMAGE),)),
        lambda: cnnstat.analyze(NET, input=IMAGE),
        lambda: cnnstat.analyze(NET, *IMAGE),
        lambda: cnnstat.analyze(Net, IMAGE),
        lambda: cnnstat.analyze(lambda: Net(), IMAGE),
        lambda: cnnstat.analyze(Net, IMAGE, arguments={"width": 4}),
    ],
)
def test_understood(call: Callable[[], Any]) -> None:
    usual = cnnstat.analyze(NET, IMAGE)
    found = call()
    assert found.layers == usual.layers
    assert found.totals == usual.totals


def test_names_of_forward_are_inputs() -> None:
    assert cnnstat.analyze(Deep(), input_size=IMAGE, depth=2).totals.other_ops == 3 * 32 * 32
    assert cnnstat.analyze("nin", input_size=(1, 1, 224, 224)).totals.params == 1_992_166
    assert cnnstat.memory(NET, input_size=IMAGE).peak_bytes == cnnstat.memory(NET, IMAGE).peak_bytes
    ids = cnnstat.analyze(nn.Embedding(9, 4), input_size=(1, 5), dtypes=[torch.long])
    assert ids.inputs[0].dtype == "int64"


def test_layers_by_index_and_object() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(3600, 5))
    named = cnnstat.explain(net, "0", IMAGE)
    assert cnnstat.explain(net, 0, IMAGE) == cnnstat.explain(net, net[0], IMAGE) == named
    assert cnnstat.explain(net, -1, IMAGE) == cnnstat.explain(net, "3", IMAGE)
    assert cnnstat.explain(NET, NET.conv, IMAGE) == cnnstat.explain(NET, "conv", IMAGE)
    models = cnnstat.compare([net, NET], input=IMAGE).analyses
    assert [analysis.model.class_name for analysis in models] == ["Sequential", "Net"]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: cnnstat.analyze(NET, IMAGE, depth=2),
         r"try: cnnstat.analyze\(model, …\).show\(depth=2\)"),
        (lambda: cnnstat.lint(NET, IMAGE, col_names=["output_size", "num_params", "mult_adds"]),
         r'try: cnnstat.lint\(model, …\).show\(columns="output,params,macs"\)'),
        (lambda: cnnstat.analyze(NET, IMAGE, device="cuda"), "run without data, on no device"),
        (lambda: cnnstat.analyze("nin", verbose=0), "leave out verbose="),
        (lambda: cnnstat.analyze(NET, IMAGE, dtypes=[torch.long]), "'1,128:int64'"),
        (lambda: cnnstat.analyze(NET, IMAGE, input_size=IMAGE), "both describe the inputs"),
        (lambda: cnnstat.analyze(NET, input_size=[IMAGE], dtypes=[1, 2]), "one for each of 1"),
        (lambda: cnnstat.analyze(Wide, IMAGE), "missing a required argument: 'width'"),
        (lambda: cnnstat.analyze(Wide), r"try: cnnstat.analyze\(Wide\(…\), …\)"),
        (lambda: cnnstat.analyze(Net), r"try: cnnstat.analyze\(model, \(1, 3, 224, 224\)\)"),
        (lambda: cnnstat.analyze(int, IMAGE), "int is a class, and no nn.Module"),
        (lambda: cnnstat.analyze(NET.state_dict(), IMAGE), "weights, .* no layers"),
        (lambda: cnnstat.analyze(torch.zeros(3), IMAGE), "a Tensor is neither a name nor"),
        (lambda: cnnstat.analyze([NET], IMAGE), "a list is neither a name nor"),
        (lambda: cnnstat.analyze(cnnstat.parameters("lenet")), "a result of the kind parameters"),
        (lambda: cnnstat.explain(NET, nn.ReLU(), IMAGE), "this ReLU is no layer of Net"),
        (lambda: cnnstat.explain(NET, 0, IMAGE), r"no layer '0'\n  it has conv, norm, mean"),
        (lambda: cnnstat.explain(NET, -1, IMAGE), "the model has no order of layers"),
        (lambda: cnnstat.explain(NET, 1.5, IMAGE), "a layer is named by its path, not 1.5"),
        (lambda: cnnstat.scale(NET), r'names of models, not objects.*\n.*register\("net"\)'),
        (lambda: cnnstat.measure([NET]), "Net needs an input"),
        (lambda: cnnstat.scale(NET), "names of models, not objects"),
    ],
)  # fmt: skip
def test_answered(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(cnnstat.UsageError, match=message):
        call()


def test_a_missing_batch_dimension() -> None:
    with pytest.raises(
        cnnstat.ShapeError, match=r"input \(1, 3, 32, 32\) instead of \(3, 32, 32\)"
    ):
        cnnstat.analyze(NET, input_size=(3, 32, 32))


@pytest.mark.parametrize(
    "name", ["summary", "profile", "FlopCountAnalysis", "get_model_complexity_info"]
)
def test_functions_of_other_tools(name: str) -> None:
    with pytest.raises(AttributeError, match=r"no attribute .*try: cnnstat.analyze\(model"):
        getattr(cnnstat, name)
