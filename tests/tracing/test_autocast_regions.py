"""`with torch.autocast(…)` in a model: dtypes and bytes are those of a real run."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import cnnstat
from cnnstat.tracing.meta_device.autocast import registered_autocast
from tests.networks import With

BF16 = torch.bfloat16


def layers():
    return {"conv": nn.Conv2d(3, 4, 3), "norm": nn.BatchNorm2d(4), "head": nn.Linear(4, 8)}


def in_a_region(net, x):
    with torch.autocast("cpu", dtype=BF16):
        return net.head(net.norm(net.conv(x)).relu().mean((2, 3)))


def with_a_part_in_float32(net, x):
    with torch.autocast("cpu", dtype=BF16):
        x = net.conv(x)
        assert torch.is_autocast_enabled("cpu")
        assert torch.get_autocast_dtype("cpu") is BF16
        with torch.autocast("cpu", enabled=False):
            assert not torch.is_autocast_enabled("cpu")
            x = net.norm(x.float())
        return net.head(x.mean((2, 3)))


def in_two_regions(net, x):
    with torch.autocast("cpu", dtype=BF16):
        x = net.conv(x)
    x = net.norm(x.float())
    with torch.autocast(x.device.type, dtype=torch.float16):
        return net.head(x.mean((2, 3)))


@torch.autocast("cpu", dtype=BF16)
def decorated(net, x):
    return net.head(net.conv(x).mean((2, 3)))


def attending(net, x):
    with torch.autocast("cpu", dtype=BF16):
        q = x.flatten(2)
        return F.scaled_dot_product_attention(q, q, q).softmax(-1)


def switched_off(net, x):
    with torch.autocast("cpu", dtype=BF16, enabled=False):
        return net.conv(x)


FORWARDS = [in_a_region, with_a_part_in_float32, in_two_regions, decorated, switched_off]


def rows(analysis):
    return [(layer.path, layer.activation_bytes) for layer in analysis.layers]


@pytest.mark.parametrize("forward", FORWARDS, ids=lambda f: f.__name__)
def test_bytes_are_those_of_the_cpu(forward):
    net = With(forward, **layers())
    meta, cpu = (cnnstat.analyze(net, (2, 3, 8, 8), lane=lane) for lane in ("meta", "cpu"))
    assert rows(meta) == rows(cpu)
    # on meta a batch norm returns its statistics in eval mode too, two numbers for each channel
    assert abs(meta.totals.peak_bytes - cpu.totals.peak_bytes) in (0, 2 * 4 * 4)
    assert meta.totals.macs == cpu.totals.macs


def test_bytes_of_many_operators_are_those_of_the_cpu():
    def forward(net, x):
        with torch.autocast("cpu", dtype=BF16):
            y = net.conv(x)
            mixed = torch.cat([y, y.float()], 1)
            found = [
                y,
                net.norm(y),
                attending(net, x),
                y.sum(),
                y + 1,
                mixed,
                y.softmax(1),
                y.exp(),
                net.lstm(x[0])[0],
                net.gru(x[0])[0],
            ]
        return found

    net = With(forward, **layers(), lstm=nn.LSTM(8, 4), gru=nn.GRU(8, 4))
    meta, cpu = (cnnstat.analyze(net, (2, 3, 8, 8), lane=lane) for lane in ("meta", "cpu"))
    assert rows(meta) == rows(cpu)


def test_autocast_of_cuda():
    """As on CUDA, where a linear layer runs in float16 and a norm in float32."""

    def forward(net, x):
        with torch.autocast("cuda"):
            x = net.a(x)
            assert torch.get_autocast_gpu_dtype() is torch.float16
            return net.b(F.layer_norm(x, (32,)))

    net = With(forward, a=nn.Linear(64, 32), b=nn.Linear(32, 8))
    analysis = cnnstat.analyze(net, (2, 64))
    assert analysis.lane == "meta"
    assert rows(analysis) == [
        ("", 0), ("a", 2 * 32 * 2), ("layer_norm", 2 * 32 * 4), ("b", 2 * 8 * 2),
    ]  # fmt: skip
    assert analysis.totals.macs == 2 * (64 * 32 + 32 * 8)


def test_gradients_under_autocast():
    net = With(in_a_region, **layers())
    totals = cnnstat.analyze(net, (2, 3, 8, 8), training=True).totals
    assert totals.backward_macs == 2 * (36 * 3 * 4 * 9) + 2 * 2 * 4 * 8
    assert totals.backward_uncounted == {}


def test_state_is_as_before():
    before = torch.autocast.__init__, torch.autocast.__enter__, torch.is_autocast_enabled

    def failing(net, x):
        with torch.autocast("cpu", dtype=BF16):
            net.head(net.conv(x))  # its shapes don't fit

    with pytest.raises(cnnstat.ShapeError):
        cnnstat.analyze(With(failing, **layers()), (2, 3, 8, 8), lane="meta")

    def left_open(net, x):
        torch.autocast("cpu", dtype=BF16).__enter__()
        return net.conv(x)

    analysis = cnnstat.analyze(With(left_open, **layers()), (2, 3, 8, 8), lane="meta")
    assert analysis.layers[1].activation_bytes == 2 * 4 * 36 * 2
    assert (torch.autocast.__init__, torch.autocast.__enter__, torch.is_autocast_enabled) == before
    assert registered_autocast.get() is None
    assert not torch.is_autocast_enabled("cpu")
    plain = cnnstat.analyze(nn.Linear(4, 5), (2, 4))
    assert plain.layers[0].activation_bytes == 2 * 5 * 4


def test_memory_in_mixed_precision_with_a_region():
    net = With(in_a_region, **layers())
    whole = With(lambda net, x: net.head(net.norm(net.conv(x)).relu().mean((2, 3))), **layers())
    both = [cnnstat.memory(model, (2, 3, 8, 8), precision="bf16", device="cpu").peak_bytes
            for model in (net, whole)]  # fmt: skip
    assert both[0] == both[1]
