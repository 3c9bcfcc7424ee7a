"""Quantised layers: their packed weights are parameters, with the bytes of their own dtype."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torch.ao import quantization

import cnnstat
from tests.networks import Function, With

pytestmark = pytest.mark.filterwarnings("ignore")  # torch announces the successor of torch.ao


def dynamic(model, *layers, dtype=torch.qint8):
    torch.manual_seed(0)
    return quantization.quantize_dynamic(model, set(layers), dtype=dtype)


def perceptron():
    return nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))


WEIGHTS, BIASES = 64 * 32 + 32 * 10, 32 + 10


@pytest.mark.parametrize(("dtype", "itemsize"), [(torch.qint8, 1), (torch.float16, 2)])
def test_dynamic_linear_layers(dtype, itemsize):
    model = dynamic(perceptron(), nn.Linear, dtype=dtype)
    analysis = cnnstat.analyze(model, (2, 64))
    totals = analysis.totals
    assert totals.macs == 2 * WEIGHTS
    assert totals.params == WEIGHTS + BIASES
    assert totals.param_bytes == itemsize * WEIGHTS + 4 * BIASES
    assert totals.exact
    rows = {layer.path: layer for layer in analysis.layers}
    assert list(rows) == ["", "0", "1", "2"]
    assert (rows["0"].type, rows["0"].role) == ("DynamicQuantizedLinear", "linear")
    assert (rows["0"].params, rows["2"].params) == (64 * 32 + 32, 32 * 10 + 10)
    assert analysis.layers[0].outputs == ((2, 10),)


def test_a_float_model_has_the_same_figures():
    model = perceptron()
    quantised = cnnstat.analyze(dynamic(copy.deepcopy(model), nn.Linear), (2, 64)).totals
    plain = cnnstat.analyze(model, (2, 64)).totals
    for figure in ("params", "macs", "other_ops", "depth"):
        assert getattr(quantised, figure) == getattr(plain, figure)


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(8, 16, 2, bidirectional=True)
        self.gru = nn.GRU(8, 4)
        self.cell = nn.LSTMCell(8, 4)

    def forward(self, x):
        return self.lstm(x)[0], self.gru(x)[0], self.cell(x[0])[0]


def test_dynamic_recurrent_layers_cost_as_the_float_ones():
    model = Recurrent()
    plain = cnnstat.analyze(model, (5, 2, 8))
    quantised = cnnstat.analyze(dynamic(model, nn.LSTM, nn.GRU, nn.LSTMCell), (5, 2, 8))
    assert quantised.totals.uncounted == {}
    assert (quantised.totals.params, quantised.totals.macs) == (
        plain.totals.params, plain.totals.macs,
    )  # fmt: skip
    roles = {layer.path: (layer.role, layer.params) for layer in quantised.layers}
    expected = {layer.path: (layer.role, layer.params) for layer in plain.layers}
    assert roles["lstm"] == expected["lstm"]
    assert roles["gru"] == expected["gru"]


class Convolutional(nn.Module):
    def __init__(self):
        super().__init__()
        self.quantise, self.dequantise = quantization.QuantStub(), quantization.DeQuantStub()
        self.conv = nn.Conv2d(4, 6, 3, groups=2)
        self.relu = nn.ReLU()
        self.linear = nn.Linear(6 * 36, 10)

    def forward(self, x):
        x = self.relu(self.conv(self.quantise(x)))
        return self.dequantise(self.linear(x.flatten(1)))


@pytest.mark.parametrize("fused", [False, True])
def test_static_quantisation(fused):
    torch.manual_seed(0)
    model = Convolutional().eval()
    if fused:
        model = quantization.fuse_modules(model, ["conv", "relu"])
    engine = next(e for e in torch.backends.quantized.supported_engines if e != "none")
    model.qconfig = quantization.get_default_qconfig(engine)
    prepared = quantization.prepare(model)
    prepared(torch.rand(2, 4, 8, 8))
    analysis = cnnstat.analyze(quantization.convert(prepared), (2, 4, 8, 8))
    conv, linear = 6 * 2 * 9, 6 * 36 * 10
    assert analysis.totals.uncounted == {}
    assert analysis.totals.macs == 2 * (36 * conv + linear)
    assert analysis.totals.params == conv + 6 + linear + 10
    roles = {layer.path: layer.role for layer in analysis.layers}
    assert (roles["conv"], roles["linear"]) == ("conv", "linear")


def test_quantised_table():
    model = nn.Sequential(nn.EmbeddingBag(10, 8))
    model.qconfig = quantization.float_qparams_weight_only_qconfig
    quantization.prepare(model, inplace=True)
    quantization.convert(model, inplace=True)
    totals = cnnstat.analyze(model, torch.zeros(2, 3, dtype=torch.int64)).totals
    assert (totals.params, totals.param_bytes, totals.uncounted) == (80, 80, {})


def test_a_layer_that_unpacks_its_weights():
    """Two 4-bit numbers in a byte, as bitsandbytes stores them."""

    class Layer(nn.Module):
        def __init__(self):
            super().__init__()
            packed = torch.zeros(32 * 64 // 2, dtype=torch.uint8)
            self.packed = nn.Parameter(packed, requires_grad=False)
            self.scale = nn.Parameter(torch.ones(32, 1))

        def forward(self, x):
            both = torch.stack((self.packed >> 4, self.packed & 15), -1)
            return nn.functional.linear(x, (both.view(32, 64).to(x.dtype) - 8) * self.scale)

    totals = cnnstat.analyze(Layer(), (2, 64)).totals
    assert (totals.macs, totals.exact) == (2 * 32 * 64, True)
    assert totals.params == 32 * 64 // 2 + 32  # elements: two weights each
    assert totals.param_bytes == 32 * 64 // 2 + 32 * 4


def test_simulated_quantisation_in_training():
    model = nn.Sequential(nn.Linear(64, 32), quantization.FakeQuantize())
    totals = cnnstat.analyze(model, (2, 64)).totals
    assert (totals.macs, totals.uncounted) == (2 * 64 * 32, {})


def test_quantising_a_tensor():
    function = Function(lambda x: torch.quantize_per_tensor(x, 0.1, 0, torch.qint8).dequantize())
    totals = cnnstat.analyze(function, (2, 5)).totals
    assert (totals.other_ops, totals.exact) == (3 * 10 + 2 * 10, True)


@pytest.mark.parametrize("backend", ["x86", "qnnpack"])
def test_training_that_is_aware_of_quantisation_has_the_products_of_the_float_model(backend):
    def network():
        layers = nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(288, 4)
        return nn.Sequential(quantization.QuantStub(), *layers, quantization.DeQuantStub()).train()

    plain = cnnstat.analyze(network(), (2, 3, 8, 8), training=True).totals
    prepared = network()
    prepared.qconfig = quantization.get_default_qat_qconfig(backend)
    found = cnnstat.analyze(quantization.prepare_qat(prepared), (2, 3, 8, 8), training=True).totals
    for name in ("params", "macs", "backward_macs", "exact"):
        assert getattr(found, name) == getattr(plain, name)


def test_a_buffer_that_is_resized_in_place():
    """As observers do; it is a view of itself."""

    def forward(self, x):
        smallest = torch.empty(0)
        smallest.resize_(x.shape)
        smallest.copy_(self.conv(x).relu().amin())
        return smallest

    analysis = cnnstat.analyze(With(forward, conv=nn.Conv2d(1, 1, 3)), (1, 1, 8, 8), lane="cpu")
    assert analysis.totals.macs == 6 * 6 * 9
