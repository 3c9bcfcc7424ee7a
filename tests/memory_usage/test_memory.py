"""What `memory` predicts is what a real step on the CPU holds, as a tracker of its own counts it.

`live_bytes` shares no code with cnnstat; benchmarks/memory.py compares more models and batches.
"""

from __future__ import annotations

import json
import re
from functools import partial
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from msgspec import structs
from torch import nn
from torch.nn import functional as F
from torch.nn.parallel import DistributedDataParallel
from torch.utils.checkpoint import checkpoint

import cnnstat
from cnnstat.cli.main import run
from cnnstat.errors import UsageError
from cnnstat.memory_usage.predict import LARGEST, largest_batch
from cnnstat.memory_usage.results import KINDS
from cnnstat.memory_usage.view import view
from cnnstat.pipeline import load_model
from cnnstat.render.blocks import Areas
from cnnstat.render.data import data_of
from cnnstat.render.figures import COLOURS
from cnnstat.render.options import Options
from cnnstat.render.text_pictures import draw_areas
from cnnstat.run_config import ModelRequest
from cnnstat.tracing.meta_device import autocast
from cnnstat.tracing.training_step.step_parts import gradient_buckets
from tests.live_bytes import inference_peak, training_peak

OPTIMIZERS = {
    "sgd": torch.optim.SGD,
    "momentum": partial(torch.optim.SGD, momentum=0.9),
    "nesterov": partial(torch.optim.SGD, momentum=0.9, nesterov=True),
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "rmsprop": torch.optim.RMSprop,
    "adagrad": torch.optim.Adagrad,
    "adadelta": torch.optim.Adadelta,
    "adamax": torch.optim.Adamax,
    "nadam": torch.optim.NAdam,
    "radam": torch.optim.RAdam,
}
SAMPLE = [
    ("lenet", (64, 1, 28, 28)),
    ("nin", (2, 1, 224, 224)),
    ("resnet18", (4, 1, 64, 64)),
    ("densenet121", (2, 1, 64, 64)),
    ("torchvision:mobilenet_v3_small", (2, 3, 64, 64)),
    ("torchvision:swin_t", (1, 3, 64, 64)),
]


def real_training(spec, shape, optimizer="sgd"):
    model = load_model(ModelRequest(spec, (shape,))).builders.with_data()
    target = torch.zeros(shape[0], dtype=torch.int64)
    return training_peak(model, torch.rand(shape), target, partial(OPTIMIZERS[optimizer], lr=0.1))


@pytest.mark.parametrize(("spec", "shape"), SAMPLE, ids=[spec for spec, _ in SAMPLE])
def test_training_holds_what_a_real_step_holds(spec, shape):
    predicted = cnnstat.memory(spec, shape, device="cpu")
    real = real_training(spec, shape)
    assert predicted.peak_bytes == real.peak
    assert f"aten::{predicted.peak.operator}" in (real.at, real.at.partition(".")[0])


@pytest.mark.parametrize(("spec", "shape"), SAMPLE, ids=[spec for spec, _ in SAMPLE])
def test_inference_holds_what_a_real_forward_pass_holds(spec, shape):
    predicted = cnnstat.memory(spec, shape, device="cpu", inference=True)
    model = load_model(ModelRequest(spec, (shape,))).builders.with_data()
    assert predicted.peak_bytes == inference_peak(model, torch.rand(shape)).peak


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_each_optimizer_holds_what_it_really_holds(optimizer):
    shape = (2, 1, 28, 28)
    predicted = cnnstat.memory("lenet", shape, optimizer=optimizer, device="cpu")
    assert predicted.peak_bytes == real_training("lenet", shape, optimizer).peak


@pytest.mark.parametrize("model", [
    nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(8 * 36, 10)),
    nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.Dropout(0.5), nn.Linear(64, 10)),
    nn.Sequential(nn.Flatten(), nn.Linear(64, 64).requires_grad_(False), nn.Linear(64, 10)),
    nn.Sequential(nn.Flatten(), *[nn.Linear(64, 64)] * 3, nn.Linear(64, 10)),  # one layer, thrice
    nn.Sequential(nn.Flatten(1, 2), nn.TransformerEncoderLayer(8, 2, 32, 0.0, batch_first=True),
                  nn.Flatten(), nn.Linear(64, 10)),
], ids=["in place", "dropout", "frozen", "shared", "attention"])  # fmt: skip
def test_layers_of_every_kind(model):
    shape = (4, 1, 8, 8)
    predicted = cnnstat.memory(model, shape, device="cpu")
    target = torch.zeros(4, dtype=torch.int64)
    sgd = partial(torch.optim.SGD, lr=0.1)
    assert predicted.peak_bytes == training_peak(model, torch.rand(shape), target, sgd).peak


@pytest.mark.parametrize(
    ("dtype", "precision"),
    [("float64", "fp32"), ("float16", "fp16-true"), ("bfloat16", "bf16-true")],
)
def test_a_model_of_another_dtype(dtype, precision):
    net = nn.Linear(100, 10).to(getattr(torch, dtype))
    memory = cnnstat.memory(net, f"32,100:{dtype}", device="cpu")
    assert memory.precision == precision
    assert memory.peak.held.parameters == 1010 * getattr(torch, dtype).itemsize


def test_the_kinds_by_hand():
    """One linear layer, its loss and its step, on paper."""
    memory = cnnstat.memory(nn.Linear(100, 10), (32, 100), optimizer="adamw", device="cpu")
    weights = 4 * (100 * 10 + 10)
    held = memory.peak.held
    assert held.parameters == weights
    assert held.buffers == 0
    assert held.inputs == 4 * 32 * 100 + 8 * 32  # float32 examples, int64 classes
    assert held.gradients == weights
    assert held.optimizer_state == 2 * weights + 2 * 4  # two moments and a step for each parameter
    # the scores, 32×10, and the loss: the log-softmax and its total weight are freed by then;
    # the optimizer holds the square root and its quotient for the weight
    assert held.activations == 4 * 32 * 10 + 4
    assert held.temporaries == 2 * 4 * 100 * 10
    assert memory.peak.phase == "optimizer"


def test_the_kinds_sum_up_to_the_total():
    memory = cnnstat.memory("resnet18", batch_size=4, optimizer="adam")
    for moment in (memory.peak, *memory.phases, *memory.timeline):
        assert sum(getattr(moment.held, kind) for kind in KINDS) == moment.held_bytes
    assert max(moment.held_bytes for moment in memory.timeline) == memory.peak_bytes
    assert [moment.phase for moment in memory.phases] == [
        "forward", "loss", "backward", "optimizer"
    ]  # fmt: skip


def test_blocks_of_cuda():
    """Every tensor takes a whole number of 512 bytes; a step counter lies in the host's memory."""
    memory = cnnstat.memory(nn.Linear(100, 10), (32, 100), optimizer="adamw", device="cuda")
    held = memory.peak.held
    assert held.parameters == 8 * 512 + 512  # 4,000 and 40 bytes
    assert held.gradients == 9 * 512
    assert held.optimizer_state == 2 * 9 * 512
    assert held.inputs == 25 * 512 + 512  # 12,800 and 256 bytes
    assert held.temporaries == 9 * 512  # all square roots at once


def test_dropout_keeps_a_byte_an_element_on_cuda():
    model = nn.Sequential(nn.Dropout(0.5), nn.Linear(1024, 10))

    def kept(device):
        layers = cnnstat.memory(model, (8, 1024), device=device).layers
        return {layer.path: layer.kept_bytes for layer in layers}["0"]

    assert kept("cuda") == 8 * 1024 * 4  # the input wants no gradient: its mask is not kept
    model = nn.Sequential(nn.Linear(1024, 1024), nn.Dropout(0.5), nn.Linear(1024, 10))
    layers = cnnstat.memory(model, (8, 1024), device="cuda").layers
    assert {layer.path: layer.kept_bytes for layer in layers}["1"] == 8 * 1024 * (4 + 1)
    layers = cnnstat.memory(model, (8, 1024), device="cpu").layers
    assert {layer.path: layer.kept_bytes for layer in layers}["1"] == 8 * 1024 * (4 + 4)


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.project = nn.Linear(64, 3 * 64)

    def forward(self, x):
        q, k, v = self.project(x).view(*x.shape[:2], 3, 4, 16).permute(2, 0, 3, 1, 4)
        return F.scaled_dot_product_attention(q, k, v).sum()


@pytest.mark.parametrize(("precision", "form"), [("fp32", "efficient"), ("bf16-true", "flash")])
def test_attention_is_fused_on_cuda(precision, form):
    """No scores are kept: 512² of them in 8 × 4 heads would take 32 MiB in float32."""
    memory = cnnstat.memory(Attention(), (8, 512, 64), precision=precision)
    assert memory.peak_bytes < 8 * 4 * 512 * 512 * 2
    assert any(form in note for note in memory.notes)


class GroupedAttention(nn.Module):
    """Eight heads, of which four share keys and values."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, x):
        q, k, v = x[:, :8] * self.scale, x[:, :2] * self.scale, x[:, 2:4] * self.scale
        return F.scaled_dot_product_attention(q, k, v, enable_gqa=True)


def test_heads_that_share_keys_are_fused_on_cuda():
    memory = cnnstat.memory(GroupedAttention(), (4, 8, 512, 64), precision="bf16-true")
    assert any("flash" in note for note in memory.notes)
    (kept,) = [layer for layer in memory.layers if layer.path == "scaled_dot_product_attention"]
    # the result, and a number in float32 for each row; q, k and v are made and kept before
    assert kept.kept_bytes == 4 * 8 * 512 * (64 * 2 + 4)
    plain = cnnstat.memory(GroupedAttention(), (4, 8, 512, 64))
    assert any("plain products" in note for note in plain.notes)  # no fused form in float32


class Checkpointed(nn.Module):
    """What `checkpoint=["0", "1"]` is to do to a sequence of blocks."""

    def __init__(self, blocks):
        super().__init__()
        self.blocks = blocks

    def forward(self, x):
        for block in self.blocks[:2]:
            x = checkpoint(block, x, use_reentrant=False)
        return self.blocks[2](x)


def blocks():
    def block(channels):
        conv = nn.Conv2d(channels, 16, 3, padding=1)
        return nn.Sequential(conv, nn.ReLU(), nn.Conv2d(16, 16, 3, padding=1), nn.ReLU())

    return nn.Sequential(block(1), block(16), nn.Sequential(nn.Flatten(), nn.Linear(16 * 256, 10)))


@pytest.mark.parametrize(
    ("precision", "lower"), [("fp32", None), ("bf16", torch.bfloat16)]
)  # fmt: skip
def test_checkpointing_holds_what_it_really_holds(precision, lower):
    shape, target = (8, 1, 16, 16), torch.zeros(8, dtype=torch.int64)
    told = partial(cnnstat.memory, blocks(), shape, device="cpu", precision=precision)
    predicted = told(checkpoint=["0", "1"])
    sgd = partial(torch.optim.SGD, lr=0.1)
    real = training_peak(Checkpointed(blocks()), torch.rand(shape), target, sgd, lower)
    assert predicted.peak_bytes == real.peak
    assert predicted.peak_bytes < told().peak_bytes
    assert predicted.checkpointed == ("0", "1")


@pytest.mark.parametrize("reentrant", [False, True])
@pytest.mark.parametrize(
    ("precision", "lower"), [("fp32", None), ("bf16", torch.bfloat16)]
)  # fmt: skip
def test_checkpoints_of_the_model_itself(precision, lower, reentrant):
    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.block, self.head = nn.Linear(64, 64), layers(), nn.Linear(64, 10)

        def forward(self, x):
            x = checkpoint(self.block, self.first(x), use_reentrant=reentrant)
            return self.head(x)

    def layers():
        return nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 64), nn.ReLU())

    shape, target = (32, 64), torch.zeros(32, dtype=torch.int64)
    predicted = cnnstat.memory(Own(), shape, device="cpu", precision=precision)
    sgd = partial(torch.optim.SGD, lr=0.1)
    real = training_peak(Own(), torch.rand(shape), target, sgd, lower)
    assert predicted.peak_bytes == real.peak


def test_a_model_whose_forward_creates_its_layers():
    class Late(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.ModuleDict()

        def forward(self, x):
            if "first" not in self.layers:
                self.layers["first"] = nn.Linear(x.shape[1], 10)
            return self.layers["first"](x)

    memory = partial(cnnstat.memory, device="cpu")
    assert memory(Late(), (4, 8)).peak_bytes == memory(nn.Linear(8, 10), (4, 8)).peak_bytes


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_lazy_layers_hold_what_the_layers_hold_that_they_become(precision):
    lazy = nn.Sequential(nn.LazyConv2d(4, 3), nn.Flatten(), nn.LazyLinear(10))
    plain = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4 * 36, 10))
    memory = partial(cnnstat.memory, device="cpu", precision=precision)
    assert memory(lazy, (4, 3, 8, 8)).peak_bytes == memory(plain, (4, 3, 8, 8)).peak_bytes


@pytest.mark.parametrize(
    ("spec", "shape"), [("lenet", (8, 1, 28, 28)), ("resnet18", (2, 1, 64, 64))]
)
def test_ddp_holds_what_a_real_rank_holds(spec, shape):
    plain, rank = (cnnstat.memory(spec, shape, device="cpu", ddp=ddp) for ddp in (False, True))
    gradients = cnnstat.analyze(spec, shape).totals.param_bytes
    assert rank.peak.held.buckets == gradients
    assert rank.peak_bytes == plain.peak_bytes + gradients
    model = load_model(ModelRequest(spec, (shape,))).builders.with_data()
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    try:
        target = torch.zeros(shape[0], dtype=torch.int64)
        sgd = partial(torch.optim.SGD, lr=0.1)
        real = training_peak(model, torch.rand(shape), target, sgd, wrapped=DistributedDataParallel)
    finally:
        dist.destroy_process_group()
    assert rank.peak_bytes == real.peak


def test_buckets_are_filled_from_the_last_parameter():
    # 3 MiB closes the first bucket, which holds 1 MiB at least; then 20 + 8 MiB; 1 MiB is left
    sizes = [1, 8, 20, 3]
    parameters = [torch.empty(n * 2**18, device="meta") for n in sizes]
    assert [b.nbytes >> 20 for b in gradient_buckets(parameters)] == [3, 28, 1]
    mixed = [torch.empty(4, device="meta"), torch.empty(4, device="meta", dtype=torch.bfloat16)]
    assert [b.nbytes for b in gradient_buckets(mixed)] == [8, 16]


def test_a_model_is_left_untouched():
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(144, 2))
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    model.eval()
    cnnstat.memory(model, (2, 1, 8, 8), checkpoint="0")
    assert not model.training
    assert "forward" not in vars(model[0])
    assert all(parameter.grad is None for parameter in model.parameters())
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@pytest.mark.parametrize(("spec", "shape"), SAMPLE[:4], ids=[spec for spec, _ in SAMPLE[:4]])
def test_accumulated_batches_hold_what_they_really_hold(spec, shape, optimizer):
    told = partial(cnnstat.memory, spec, shape, device="cpu", optimizer=optimizer)
    model = load_model(ModelRequest(spec, (shape,))).builders.with_data()
    target = torch.zeros(shape[0], dtype=torch.int64)
    stepper = partial(OPTIMIZERS[optimizer], lr=0.1)
    real = training_peak(model, torch.rand(shape), target, stepper, accumulate=3)
    assert told(accumulate=3).peak_bytes == told(accumulate=2).peak_bytes == real.peak
    assert told().peak_bytes <= real.peak


def test_accumulated_batches_lie_beside_the_gradients_of_those_before():
    step = cnnstat.memory("lenet", (8, 1, 28, 28), device="cpu", accumulate=4)
    gradients = cnnstat.analyze("lenet").totals.param_bytes
    assert [moment.held.gradients for moment in step.phases] == [gradients] * 4
    assert "the last of 4 accumulated" in " ".join(repr(step).split())
    with pytest.raises(UsageError, match="no gradients to accumulate"):
        cnnstat.memory("lenet", accumulate=2, inference=True)
    with pytest.raises(UsageError, match="of at least one batch, not 0"):
        cnnstat.memory("lenet", accumulate=0)


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_picture_in_the_terminal_is_no_wider_than_that(width):
    step = cnnstat.memory("nin", (8, 1, 224, 224), fsdp=8)  # its last phase is short
    (areas,) = [block for block in view(step, Options()).blocks if isinstance(block, Areas)]
    *rows, marks = draw_areas(areas, width, decorated=False)
    assert max(map(len, [*rows, marks])) <= width
    assert marks.split() == ["forward", "backward", "optimizer"]


def test_every_kind_of_memory_has_a_colour_of_its_own():
    assert len(KINDS) <= len(set(COLOURS)) == len(COLOURS)


# Mixed precision


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
@pytest.mark.parametrize(("spec", "shape"), SAMPLE, ids=[spec for spec, _ in SAMPLE])
def test_mixed_precision_holds_what_autocast_really_holds(spec, shape, precision):
    predicted = cnnstat.memory(spec, shape, device="cpu", precision=precision)
    model = load_model(ModelRequest(spec, (shape,))).builders.with_data()
    target, sgd = torch.zeros(shape[0], dtype=torch.int64), partial(torch.optim.SGD, lr=0.1)
    lower, scaler = torch.bfloat16, None
    if precision == "fp16":
        lower, scaler = torch.float16, torch.amp.GradScaler("cpu")
    real = training_peak(model, torch.rand(shape), target, sgd, lower, scaler=scaler)
    assert predicted.peak_bytes == real.peak
    assert predicted.peak_bytes < cnnstat.memory(spec, shape, device="cpu").peak_bytes


def test_mixed_inference_holds_what_autocast_really_holds():
    shape = (4, 1, 64, 64)
    told = partial(cnnstat.memory, "resnet18", shape, inference=True, device="cpu")
    model = load_model(ModelRequest("resnet18", (shape,))).builders.with_data()
    real = inference_peak(model, torch.rand(shape), torch.bfloat16)
    assert told(precision="bf16").peak_bytes == real.peak
    assert real.peak > told().peak_bytes  # the casts of the weights are kept beside the weights


def header(macro):
    """What a macro of torch's own header lists."""
    file = Path(torch.__file__).parent / "include" / "ATen" / "autocast_mode.h"
    (body,) = re.findall(rf"#define {macro}\(_\)((?:.*\\\n)*.*\n)", file.read_text())
    return {".".join(filter(None, row)) for row in re.findall(r"_\((\w+)(?:, (\w+))?\)", body)}


def test_casts_on_cuda_are_those_of_torchs_header():
    known = set(autocast.autocast_operators("cuda"))
    assert header("AT_FORALL_LOWER_PRECISION_FP") == autocast.LOWER["cuda"]
    assert header("AT_FORALL_FP32_SET_OPT_DTYPE") == autocast.WITH_DTYPE
    assert header("AT_FORALL_PROMOTE") == autocast.PROMOTED & known
    others = known - autocast.LOWER["cuda"] - autocast.WITH_DTYPE - autocast.PROMOTED
    assert others - autocast.UNCAST_ON_CUDA == header("AT_FORALL_FP32")


@pytest.mark.parametrize("name", sorted(autocast.LOWER["cpu"] & {"mm", "linear", "bmm", "matmul"}))
def test_casts_on_the_cpu(name):
    x = torch.rand(1, 2, 2) if name == "bmm" else torch.rand(2, 2)
    operator = getattr(torch.ops.aten, name)
    casts = autocast.Autocast("cpu", torch.bfloat16)
    with casts.registered(), casts.on():
        predicted = operator(x.to("meta"), x.to("meta"))
    assert operator(x.to("meta"), x.to("meta")).dtype is torch.float32
    with torch.autocast("cpu", torch.bfloat16):
        assert predicted.dtype is operator(x, x).dtype is torch.bfloat16


# The largest batch


@pytest.mark.parametrize("limit", ["64MiB", "100MB", "2GiB"])
def test_the_largest_batch_fits_and_one_more_does_not(limit):
    found = cnnstat.memory("lenet", batch_size=16, device_memory=limit).fit
    assert found.fits

    def peak(batch):
        return cnnstat.memory("lenet", batch_size=batch).peak_bytes

    assert peak(found.largest_batch) == found.largest_bytes <= found.device_memory_bytes
    assert peak(found.largest_batch + 1) > found.device_memory_bytes


@pytest.mark.parametrize(("limit", "largest"), [(109, None), (110, (1, 110)), (1100, (100, 1100)),
                                                (1109, (100, 1100))])  # fmt: skip
@pytest.mark.parametrize("known", [1, 7, 100, 5000])
def test_search(limit, largest, known):
    def peak(batch):
        return 100 + 10 * batch

    assert largest_batch(peak, limit, (known, peak(known))) == largest


def test_search_where_small_batches_do_not_run():
    def peak(batch):
        return None if batch < 3 else max(50, 10 * batch) + batch // 7

    assert largest_batch(peak, 81, (40, peak(40))) == (8, 81)
    assert largest_batch(peak, 40, (40, peak(40))) is None


def test_search_where_large_batches_do_not_run():
    def peak(batch):
        return None if batch > 40 else 10 * batch

    assert largest_batch(peak, 10**6, (2, 20)) == (40, 400)
    assert largest_batch(peak, 250, (2, 20)) == (25, 250)


@pytest.mark.parametrize(("known", "found"), [(2, LARGEST), (2 * LARGEST, 2 * LARGEST)])
def test_the_search_ends_at_batches_that_nobody_trains_with(known, found):
    assert largest_batch(lambda batch: 100, 1000, (known, 100)) == (found, 100)


@pytest.mark.parametrize("inference", [False, True])
def test_a_model_that_is_small_for_its_device(inference):
    memory = cnnstat.memory(nn.Linear(4, 4), (2, 4), device="h100", inference=inference)
    assert (memory.fit.largest_batch, memory.fit.at_least) == (LARGEST, True)
    alone = cnnstat.memory(nn.Linear(4, 4), (LARGEST, 4), inference=inference)
    assert memory.fit.largest_bytes == alone.peak_bytes
    assert "fits; at least 16,777,216 fits" in " ".join(str(memory).split())


def test_no_batch_fits(capsys):
    assert run(["memory", "alexnet", "--batch-size", "4", "--device-memory", "100MiB"]) == 0
    assert "batch 4 does not fit; no batch fits" in capsys.readouterr().out


@pytest.mark.parametrize(("device", "gib"), [("rtx-4090", 24), ("RTX 4090", 24), ("l40s", 48)])
def test_the_memory_of_a_device_is_the_limit(device, gib):
    named = cnnstat.memory("lenet", device=device)
    plain = cnnstat.memory("lenet", device="cuda", device_memory=gib * 2**30)
    assert named.device == "cuda"
    assert named.fit.device_title.endswith(device.upper().replace("-", " "))
    assert structs.replace(named.fit, device_title=None) == plain.fit


def test_data_with_top_are_the_layers():
    memory = cnnstat.memory("lenet", batch_size=2)
    data = data_of(memory, Options(top=3))
    assert data.columns == ("layer", "type", "kept_bytes", "kept_share")
    assert [row[:3] for row in data.rows] == [
        (layer.path, layer.type, layer.kept_bytes) for layer in memory.layers[:3]
    ]
    assert len(data_of(memory).rows) == 1  # the step


def test_devices_of_memory(tmp_path, monkeypatch):
    assert cnnstat.memory("lenet", device="cuda:1").fit is None
    assert cnnstat.memory("lenet", device="cpu").device == "cpu"
    given = cnnstat.memory("lenet", device="h100", device_memory="1MiB").fit
    assert (given.device_memory_bytes, given.device_title) == (2**20, None)


# What it says


def test_losses():
    class Pair(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm = nn.LSTM(8, 16)

        def forward(self, x):
            return self.lstm(x)

    assert cnnstat.memory("lenet", batch_size=2).loss == "cross-entropy"
    assert cnnstat.memory(Attention(), (2, 4, 64)).loss == "the model's own"
    memory = cnnstat.memory(Pair(), (5, 2, 8))
    assert memory.loss == "the sum of the outputs"
    assert any("recurrent" in note for note in memory.notes)


@pytest.mark.parametrize("format", ["table", "markdown", "csv", "json", "latex", "html", "svg"])
@pytest.mark.parametrize("options", [[], ["--inference"]])
def test_every_format(format, options, capsys):
    assert run(["memory", "lenet", "--batch-size", "4", "--format", format, *options]) == 0
    out = capsys.readouterr().out
    if format == "json":
        held = json.loads(out)["peak"]["held"]
        assert sum(held.values()) == json.loads(out)["peak_bytes"]
    elif format == "svg":
        assert out.startswith("<svg")
        assert "activations" in out
    else:
        assert "parameters" in out


def test_a_picture_in_a_file(tmp_path, capsys):
    assert run(["memory", "lenet", "--output", str(tmp_path / "step.svg")]) == 0
    assert (tmp_path / "step.svg").read_text().startswith("<svg")
    assert run(["list", "--output", str(tmp_path / "list.svg")]) == 2
    assert "no picture" in capsys.readouterr().err
    assert not (tmp_path / "list.svg").exists()


NEEDS_VALUES = """
from torch import nn
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 4)
    def forward(self, x):
        x = self.linear(x)
        return x if x.sum().item() > 0 else -x
"""


@pytest.mark.parametrize(("arguments", "status", "expected"), [
    (["lenet", "--batch-size", "0"], 2, "batch-size"),
    (["lenet", "--device-memory", "many"], 2, "--device-memory 24GiB"),
    (["lenet", "--device", "gtx1080"], 2, "try: --device cuda --device-memory 24GiB"),
    (["lenet", "--device", "gpu"], 2, "known: auto, cuda, cpu,"),
    (["lenet", "--device-memory", "24"], 2, "--device-memory 24: of which unit?"),
    (["lenet", "-b", str(10**18)], 1, "is larger than any memory"),
    (["lenet", "--fsdp", str(10**6)], 2, "at most 65,536"),
    (["lenet", "--inference", "--checkpoint", "conv1"], 2, "keeps no activations"),
    (["lenet", "--checkpoint", "conv9"], 2, "fits no module"),
    (["lenet", "--input", "1,3,7,7"], 1, "shapes don't fit"),
    (["net.py:Net", "--input", "2,4", "--precision", "bf16"], 1, "not executed with data"),
])  # fmt: skip
def test_errors(arguments, status, expected, tmp_path, monkeypatch, capsys):
    (tmp_path / "net.py").write_text(NEEDS_VALUES)
    monkeypatch.chdir(tmp_path)
    assert run(["memory", *arguments]) == status
    out, err = capsys.readouterr()
    if "1,3,7,7" in arguments:  # the layers that ran before
        assert out.startswith("lenet on 1×3×7×7\n")
    else:
        assert not out
    assert expected in err


def test_nothing_to_train():
    model = nn.Linear(4, 2).requires_grad_(False)
    with pytest.raises(cnnstat.ModelError, match="nothing to train"):
        cnnstat.memory(model, (2, 4))
    assert cnnstat.memory(model, (2, 4), inference=True).optimizer is None


class Collects(nn.Module):
    """Writes each state into a table that it creates on the CPU, through a view of it."""

    def __init__(self, write):
        super().__init__()
        self.cell, self.head, self.write = nn.LSTMCell(8, 16), nn.Linear(16, 4), write

    def forward(self, x):
        table = torch.zeros(x.shape[0], x.shape[1], 16)
        h, c = torch.zeros(len(x), 16), torch.zeros(len(x), 16)
        for step in range(x.shape[1]):
            h, c = self.cell(x[:, step], (h, c))
            self.write(table, step, h)
        return self.head(table).mean(1)


@pytest.mark.parametrize("write", [
    lambda table, step, h: table[:, step].copy_(h),
    lambda table, step, h: table.narrow(1, step, 1).add_(h[:, None]),
    lambda table, step, h: table.__setitem__((slice(None), step), h),
], ids=["copied", "added", "assigned"])  # fmt: skip
def test_a_table_on_the_cpu_that_is_written_through_a_view(write):
    predicted = cnnstat.memory(Collects(write), (4, 6, 8), device="cpu")
    target = torch.zeros(4, dtype=torch.int64)
    sgd = partial(torch.optim.SGD, lr=0.1)
    real = training_peak(Collects(write), torch.rand(4, 6, 8), target, sgd)
    assert predicted.peak_bytes == real.peak


class Filled(nn.Module):
    """Writes copies of its features into a constant, all at once or one after the other."""

    def __init__(self, at_once):
        super().__init__()
        self.linear, self.at_once = nn.Linear(8, 10), at_once

    def forward(self, x):
        x = self.linear(x)
        table = torch.zeros(16, *x.shape)
        if self.at_once:
            table.copy_(torch.stack([x] * 16))
        else:
            for row in table:
                row.copy_(x + 1)
        return table.mean(0)


@pytest.mark.parametrize("at_once", [True, False])
def test_a_constant_that_is_written_counts_once(at_once):
    predicted = cnnstat.memory(Filled(at_once), (4, 8), device="cpu", inference=True)
    assert predicted.peak_bytes == inference_peak(Filled(at_once), torch.rand(4, 8)).peak
