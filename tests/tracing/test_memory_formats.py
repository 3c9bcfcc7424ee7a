"""Strides without data are those of a real run on the CPU, for operands of random strides.

Where there is a GPU, those of CUDA are compared too.
"""

import random

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from cnnstat import analyze
from cnnstat.inputs import InputSpec
from cnnstat.run_config import RunConfig
from cnnstat.tracing.run.trace import trace

MAP, ROWS, VOLUME = (2, 4, 6, 8), (2, 4, 12), (2, 3, 4, 5, 6)
C = (4,)
QUERY, KEY = (2, 3, 5, 8), (2, 3, 7, 8)
attention = F.scaled_dot_product_attention

OPERATORS = {
    "relu": (F.relu, MAP),
    "gelu": (F.gelu, ROWS),
    "logsigmoid": (F.logsigmoid, MAP),
    "add": (torch.add, MAP, MAP),
    "add, broadcast": (torch.add, MAP, (4, 1, 1)),
    "mul, broadcast": (torch.mul, (2, 4, 1, 1), MAP),
    "mul of volumes": (torch.mul, VOLUME, (3, 1, 1, 1)),
    "conv2d": (lambda x, w: F.conv2d(x, w, padding=1), MAP, (5, 4, 3, 3)),
    "conv2d of a pixel": (F.conv2d, (2, 4, 1, 1), (5, 4, 1, 1)),
    "conv2d of one channel": (F.conv2d, (2, 1, 6, 8), (5, 1, 3, 3)),
    "depthwise": (lambda x, w: F.conv2d(x, w, groups=4), MAP, (4, 1, 3, 3)),
    "conv2d, no batch": (F.conv2d, MAP[1:], (5, 4, 3, 3)),
    "conv1d": (F.conv1d, ROWS, (5, 4, 3)),
    "conv1d of one channel": (F.conv1d, (2, 1, 12), (5, 1, 3)),
    "conv1d of groups": (lambda x, w: F.conv1d(x, w, groups=4), ROWS, (4, 1, 3)),
    "conv3d": (F.conv3d, VOLUME, (5, 3, 2, 2, 2)),
    "transposed 2d": (lambda x, w: F.conv_transpose2d(x, w, stride=2), MAP, (4, 5, 3, 3)),
    "transposed 1d": (F.conv_transpose1d, ROWS, (4, 5, 3)),
    "linear": (F.linear, (2, 3, 5), (7, 5), (7,)),
    "linear of four": (F.linear, (2, 3, 4, 5), (7, 5)),
    "matmul": (torch.matmul, (2, 3, 4, 5), (2, 3, 5, 6)),
    "matmul, broadcast": (torch.matmul, (4, 5), (2, 3, 5, 6)),
    "einsum": (lambda a, b: torch.einsum("bhij,bjhd->bihd", a, b), (2, 3, 4, 6), (2, 6, 3, 5)),
    "einsum of maps": (lambda a, b: torch.einsum("nchw,oc->nohw", a, b), MAP, (7, 4)),
    "batch norm": (F.batch_norm, MAP, C, C),
    "batch norm in training": (lambda x, *s: F.batch_norm(x, *s, training=True), MAP, C, C),
    "batch norm of rows": (F.batch_norm, ROWS, C, C),
    "batch norm of volumes": (F.batch_norm, VOLUME, (3,), (3,)),
    "layer norm": (lambda x: F.layer_norm(x, (8,)), MAP),
    "rms norm": (lambda x: F.rms_norm(x, (12,)), ROWS),
    "instance norm": (F.instance_norm, MAP),
    "max pool": (lambda x: F.max_pool2d(x, 2), MAP),
    "mean pool": (lambda x: F.avg_pool2d(x, 3, 2, 1), MAP),
    "mean pool of rows": (lambda x: F.avg_pool1d(x, 2), ROWS),
    "adaptive pool": (lambda x: F.adaptive_avg_pool2d(x, 3), MAP),
    "adaptive pool to one": (lambda x: F.adaptive_avg_pool2d(x, 1), MAP),
    "cumsum": (lambda x: x.cumsum(1), MAP),
    "sort": (lambda x: x.sort(1)[0], MAP),
    "topk": (lambda x: x.topk(2, 1)[0], MAP),
    "softmax": (lambda x: x.softmax(1), MAP),
    "cat": (lambda *x: torch.cat(x, 1), MAP, MAP),
    "cat of rows": (lambda *x: torch.cat(x, 2), ROWS, ROWS),
    "stack": (lambda *x: torch.stack(x, 1), MAP, MAP),
    "nearest": (lambda x: F.interpolate(x, scale_factor=2), MAP),
    "bilinear": (lambda x: F.interpolate(x, scale_factor=2, mode="bilinear"), MAP),
    "linear upsampling": (lambda x: F.interpolate(x, scale_factor=2, mode="linear"), ROWS),
    "pad": (lambda x: F.pad(x, (1, 1, 1, 1)), MAP),
    "reflect": (lambda x: F.pad(x, (1, 1, 1, 1), mode="reflect"), MAP),
    "replicate": (lambda x: F.pad(x, (1, 1, 1, 1), mode="replicate"), MAP),
    "roll": (lambda x: x.roll((1, 1), (2, 3)), MAP),
    "roll of all": (lambda x: x.roll(3), MAP),
    "flip": (lambda x: x.flip(2), MAP),
    "mean": (lambda x: x.mean((2, 3)), MAP),
    "sum, kept": (lambda x: x.sum(1, keepdim=True), MAP),
    "max": (lambda x: x.max(1)[0], MAP),
    "pixel shuffle": (lambda x: F.pixel_shuffle(x, 2), MAP),
    "clone": (torch.clone, MAP),
    "where": (lambda a, b: torch.where(a > 0, a, b), MAP, MAP),
    "cross entropy": (F.binary_cross_entropy_with_logits, MAP, MAP),
    "binary cross entropy": (lambda x, y: F.binary_cross_entropy(x, y, reduction="none"), MAP, MAP),
    "index_fill": (lambda x: x.index_fill(1, torch.zeros(1, dtype=torch.long, device=x.device), 0),
                   MAP),
    "attention": (attention, QUERY, KEY, KEY),
    "causal attention": (lambda *x: attention(*x, is_causal=True), QUERY, QUERY, QUERY),
    "attention with a mask": (attention, QUERY, KEY, KEY, (5, 7)),
    "attention, three axes": (attention, QUERY[1:], KEY[1:], KEY[1:]),
    "attention to narrower values": (attention, QUERY, KEY, (2, 3, 7, 6)),
    "attention to one batch": (attention, QUERY, (1, 3, 7, 8), (1, 3, 7, 8)),
    "attention of one head": (attention, (2, 1, 5, 8), (2, 1, 7, 8), (2, 1, 7, 8)),
    "attention of one row": (attention, (2, 3, 1, 8), KEY, KEY),
    "attention of one feature": (attention, (2, 3, 5, 1), (2, 3, 7, 1), (2, 3, 7, 1)),
    "rrelu": (F.rrelu, MAP),
    "glu": (lambda x: F.glu(x, 1), MAP),
    "one-hot": (lambda x: F.one_hot(x.long(), 4), ROWS),
    "huber": (lambda x, y: F.huber_loss(x, y, reduction="none"), MAP, MAP),
    "angle": (lambda x: x.to(torch.complex64).angle(), MAP),
    "magnitude": (lambda x: x.to(torch.complex64).abs(), MAP),
    "complex": (torch.complex, MAP, MAP),
    "complex product": (lambda x, y: x.to(torch.complex64) * y, MAP, MAP),
    "fft": (lambda x: torch.fft.fftn(x, dim=(1, 3)), MAP),
    "rfft": (lambda x: torch.fft.rfft(x, dim=2), MAP),
    "irfft": (lambda x: torch.fft.irfft(x.to(torch.complex64)), MAP),
    "irfft of an inner axis": (lambda x: torch.fft.irfft(x.to(torch.complex64), dim=1), MAP),
    "irfft2": (lambda x: torch.fft.irfft2(x.to(torch.complex64)), MAP),
    "irfftn": (lambda x: torch.fft.irfftn(x.to(torch.complex64), dim=(1, 2)), MAP),
    "hfft": (lambda x: torch.fft.hfft(x), MAP),
    "left singular vectors": (lambda x: torch.linalg.svd(x)[0], ROWS),
    "max pool of volumes": (lambda x: F.max_pool3d(x, 2), VOLUME),
    "adaptive pool of volumes": (lambda x: F.adaptive_avg_pool3d(x, 2), VOLUME),
    "unfold": (lambda x: F.unfold(x, 2), MAP),
    "embedding": (lambda w: F.embedding(torch.zeros(2, 3, dtype=torch.long, device=w.device), w),
                  (5, 4)),
}  # fmt: skip

# On a CPU these are laid out otherwise than without data. CUDA lays them out as without data: it
# makes the operand contiguous, decomposes the operator, or has rows for columns.
OF_THE_CPU = {
    "group norm": (lambda x: F.group_norm(x, 2), MAP),
    "channel shuffle": (lambda x: F.channel_shuffle(x, 2), MAP),
    "unpooling": (lambda x: F.max_unpool2d(
        x, torch.zeros(2, 4, 6, 8, dtype=torch.long, device=x.device), 2), MAP),
    "right singular vectors": (lambda x: torch.linalg.svd(x)[2], ROWS),
    "max pool of rows": (lambda x: F.max_pool1d(x, 2), ROWS),  # and if a gradient is computed
}  # fmt: skip
LAYOUTS = ("contiguous", "permuted", "channels last", "sliced", "expanded", "size-1 strides")


def strides(shape, layout, chance):
    order, gaps = list(range(len(shape))), [0] * len(shape)
    if layout == "channels last" and len(shape) > 2:
        order.append(order.pop(1))
    if layout in ("permuted", "sliced"):
        chance.shuffle(order)
    if layout == "sliced":
        gaps = [chance.choice([0, 0, 1, 2]) for _ in shape]
    result, step = [0] * len(shape), 1
    for dim in reversed(order):
        result[dim] = step
        step *= shape[dim] + gaps[dim]
    if layout == "expanded":
        return [0 if chance.random() < 0.4 else step for step in result]
    if layout == "size-1 strides":
        pairs = zip(shape, result, strict=True)
        return [chance.choice([1, 7, 100]) if n == 1 else step for n, step in pairs]
    return result


class Probe(nn.Module):
    """Runs each operator on operands of random strides, and keeps the strides of its result."""

    def __init__(self, operators, cases=10):
        super().__init__()
        self.operators, self.cases = operators, cases

    def forward(self, x):
        self.seen = {}
        for name, (function, *shapes) in self.operators.items():
            for case in range(self.cases):
                chance = random.Random(f"{name} {case}")
                chosen = LAYOUTS[case:] if case < len(LAYOUTS) else LAYOUTS
                layouts = [chosen[0] if case < len(LAYOUTS) else chance.choice(chosen)
                           for _ in shapes]  # fmt: skip
                laid_out = [strides(shape, layout, chance)
                            for shape, layout in zip(shapes, layouts, strict=True)]  # fmt: skip
                operands = [self.operand(x, shape, steps)
                            for shape, steps in zip(shapes, laid_out, strict=True)]  # fmt: skip
                try:
                    found = self.observed(function, operands, chance)
                except RuntimeError:
                    if not x.is_cuda:
                        raise
                    continue  # CUDA has no kernel for operands of such strides
                self.seen[name, case, str(laid_out)] = found
        return x

    def observed(self, function, operands, chance):
        return described(function(*operands))

    def operand(self, x, shape, steps):
        last = sum((n - 1) * step for n, step in zip(shape, steps, strict=True))
        return x.new_full((last + 1,), 0.5).as_strided(shape, steps)


def described(result):
    pairs = zip(result.shape, result.stride(), strict=True)
    return tuple(result.shape), [step for n, step in pairs if n > 1]


needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")


@pytest.mark.parametrize("fast", [True, False], ids=["kernels", "torch"])
def test_layouts_are_those_of_the_cpu(fast):
    wrong, count = differences(Probe(OPERATORS), Probe(OPERATORS), fast)
    assert not wrong, f"{len(wrong)} of {count}, the first is {wrong[0]}"


@needs_cuda
def test_layouts_are_those_of_cuda():
    operators = {**OPERATORS, **OF_THE_CPU}
    wrong, count = differences(Probe(operators), Probe(operators), device="cuda")
    assert not wrong, described_differences(wrong, count)


@needs_cuda
def test_layouts_of_gradients_are_those_of_cuda():
    probes = [GradientProbe(GRADIENTS, cases=8) for _ in range(2)]
    wrong, count = differences(*probes, device="cuda")
    assert {key[0] for key, *_ in wrong} <= GRADIENTS_OF_CUDA, described_differences(wrong, count)


def described_differences(wrong, count):
    """Of each operator, the number of its differences and the first."""
    found = {}
    for (name, *_, steps), ours, real in wrong:
        found.setdefault(name, []).append(f"operands {steps}: {ours}, real {real}")
    return "\n".join(
        [
            f"{len(wrong)} of {count}",
            *(f"{name}: {len(cases)}, {cases[0]}" for name, cases in found.items()),
        ]
    )


def differences(real, probe, fast=True, device="cpu"):
    """Layouts without data beside those of the device where they differ, and the number of all."""
    with torch.no_grad():
        real(torch.zeros(1, device=device))
    trace(probe, [InputSpec((1,))], config=RunConfig(fast=fast))
    assert probe.seen.keys() >= real.seen.keys()
    assert device == "cuda" or probe.seen.keys() == real.seen.keys()
    wrong = [
        (key, probe.seen[key], layout)
        for key, layout in real.seen.items()
        if probe.seen[key] != layout
    ]
    return wrong, len(real.seen)


def test_layouts_that_only_the_cpu_has():
    wrong, _ = differences(Probe(OF_THE_CPU), Probe(OF_THE_CPU))
    assert {key[0] for key, *_ in wrong} == set(OF_THE_CPU)  # else: a row of OPERATORS


# The gradients of attention are laid out as the products that it consists of have them. Its fused
# kernels differ in theirs: on a CPU the heads come after the rows, on CUDA as in the operand.
NO_GRADIENT = {
    "one-hot",
    *(name for name in OPERATORS if "attention" in name or "batch norm" in name),
}
GRADIENTS = {
    **{name: row for name, row in OPERATORS.items() if name not in NO_GRADIENT},
    "batch norm": (lambda x, w, b: F.batch_norm(x, None, None, w, b, training=True), MAP, C, C),
    "batch norm of rows": (lambda x: F.batch_norm(x, None, None, training=True), ROWS),
    "batch norm, fixed": (lambda x: F.batch_norm(x, x.new_ones(4), x.new_ones(4)), MAP),
    "softplus": (F.softplus, MAP),
    "hardswish": (F.hardswish, MAP),
    "hardsigmoid": (F.hardsigmoid, MAP),
    "elu": (F.elu, MAP),
    "log softmax": (lambda x: F.log_softmax(x, 1), MAP),
    "mse": (lambda x, y: F.mse_loss(x, y, reduction="none"), MAP, MAP),
    "smooth l1": (lambda x, y: F.smooth_l1_loss(x, y, reduction="none"), MAP, MAP),
}  # fmt: skip


# Some of their gradients CUDA lays out as it likes, as seen on an H200.
GRADIENTS_OF_CUDA = {
    "rms norm", "reflect", "replicate", "roll", "pixel shuffle", "magnitude", "fft",
    "batch norm, fixed",
}  # fmt: skip


class GradientProbe(Probe):
    """Keeps the strides of the gradients, for a gradient of the result with random strides."""

    @torch.enable_grad()
    def observed(self, function, operands, chance):
        result = function(*(operand.requires_grad_() for operand in operands))
        layout = strides(result.shape, chance.choice(LAYOUTS), chance)
        given = self.operand(operands[0].detach(), result.shape, layout).to(result.dtype)
        found = torch.autograd.grad(result, operands, given, allow_unused=True)
        return [None if gradient is None else described(gradient) for gradient in found]


def test_layouts_of_gradients_are_those_of_the_cpu():
    probes = [GradientProbe(GRADIENTS, cases=8) for _ in range(2)]
    wrong, count = differences(*probes)
    assert not wrong, f"{len(wrong)} of {count}, the first is {wrong[0]}"


class Attention(nn.Module):
    """Joins the heads by a view, which works on what the fused kernels return."""

    def __init__(self, key_heads=4, dropout=0.0):
        super().__init__()
        self.heads = [4, key_heads, key_heads]
        self.qkv, self.out = nn.Linear(32, 8 * sum(self.heads)), nn.Linear(32, 32)
        self.dropout = dropout

    def forward(self, x):
        b, t, c = x.shape
        parts = self.qkv(x).split([8 * heads for heads in self.heads], dim=2)
        q, k, v = (
            y.view(b, t, heads, 8).transpose(1, 2)
            for y, heads in zip(parts, self.heads, strict=True)
        )
        y = F.scaled_dot_product_attention(
            q, k, v, is_causal=True, enable_gqa=self.heads[1] < 4,
            dropout_p=self.dropout if self.training else 0.0,
        )  # fmt: skip
        return self.out(y.transpose(1, 2).view(b, t, c))


@pytest.mark.parametrize("key_heads", [4, 2])
@pytest.mark.parametrize("mode", ["eval", "train"])
@pytest.mark.parametrize("lane", ["meta", "fake", "cpu"])
def test_heads_of_attention_are_joined_by_a_view(mode, lane, key_heads):
    model = Attention(key_heads)
    analysis = analyze(model, (1, 16, 32), mode=mode, lane=lane)
    # three projections, two products of 4 heads × 16 × 16 × 8, the last projection
    expected = 16 * 32 * 8 * (4 + 2 * key_heads) + 2 * 4 * 16 * 16 * 8 + 16 * 32 * 32
    assert analysis.totals.macs == expected


def test_dropout_of_attention_is_laid_out_as_on_cuda():
    """The CPU has no fused kernel with dropout, CUDA has."""
    assert analyze(Attention(dropout=0.1), (1, 16, 32), mode="train").totals.macs


def test_the_operator_is_as_before_outside_a_run():
    analyze(Attention(), (1, 16, 32))
    q = torch.empty(2, 5, 3, 8, device="meta").transpose(1, 2)
    assert F.scaled_dot_product_attention(q, q, q).is_contiguous()
