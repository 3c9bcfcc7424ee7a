"""Small networks of many kinds for benchmarks/cuda.py: what CUDA saves for backward.

Each ends in ten classes. The sizes are such that activations outweigh weights.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

IMAGE, ROWS, IDS = (16, 32, 32), (48, 64), (48,)  # of one example
WORDS = 1000  # in the vocabulary


class Between(nn.Module):
    """A layer or a function after a layer, so that its operand has a gradient, on maps or rows."""

    def __init__(self, layer: Callable[[Tensor], Any], shape: tuple[int, ...]) -> None:
        super().__init__()
        self.before: nn.Module = (
            nn.Conv2d(shape[0], shape[0], 1) if len(shape) == 3 else nn.Linear(shape[-1], shape[-1])
        )
        self.layer, self.head = layer, nn.LazyLinear(10)
        with torch.no_grad():
            self(torch.zeros(2, *shape))

    def forward(self, x: Tensor) -> Tensor:
        y = self.layer(self.before(x))
        return self.head((y[0] if isinstance(y, tuple) else y).flatten(1))


class Attention(nn.Module):
    """One layer of self-attention; `mask` is causal, a boolean matrix, or none."""

    def __init__(
        self,
        heads: int = 4,
        keys: int = 4,
        features: int = 16,
        mask: str = "",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.heads, self.keys, self.features = heads, keys, features
        self.q = nn.Linear(64, heads * features)
        self.k, self.v = nn.Linear(64, keys * features), nn.Linear(64, keys * features)
        self.out, self.head = nn.Linear(heads * features, 64), nn.Linear(64, 10)
        self.mask, self.dropout = mask, dropout

    def forward(self, x: Tensor) -> Tensor:
        b, t, _ = x.shape
        q, k, v = (
            layer(x).view(b, t, heads, self.features).transpose(1, 2)
            for layer, heads in ((self.q, self.heads), (self.k, self.keys), (self.v, self.keys))
        )
        mask = None
        if self.mask == "matrix":
            mask = torch.ones(t, t, dtype=torch.bool, device=x.device).tril()
        y = F.scaled_dot_product_attention(
            q, k, v, mask, self.dropout if self.training else 0.0, self.mask == "causal",
            enable_gqa=self.keys < self.heads,
        )  # fmt: skip
        return self.head(self.out(y.transpose(1, 2).reshape(b, t, -1)).mean(1))


class Written(nn.Module):
    """Attention as products, with a mask that is filled in."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.head = nn.Linear(64, 192), nn.Linear(64, 10)
        self.drop = nn.Dropout(0.1)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (y.unflatten(2, (4, 16)).transpose(1, 2) for y in self.qkv(x).chunk(3, 2))
        scores = q @ k.transpose(2, 3) / 4
        mask = torch.ones(x.shape[1], x.shape[1], device=x.device).tril()
        weights = self.drop(scores.masked_fill(mask == 0, float("-inf")).softmax(3))
        return self.head((weights @ v).transpose(1, 2).flatten(2).mean(1))


class Words(nn.Module):
    """A classifier of rows of word numbers."""

    def __init__(self, core: nn.Module | None = None) -> None:
        super().__init__()
        self.words = nn.Embedding(WORDS, 64)
        self.core, self.head = core, nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        y = self.words(x)
        if self.core is not None:
            y = self.core(y)
            y = y[0] if isinstance(y, tuple) else y
        return self.head(y[..., :64].mean(1))


class Bag(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.bag, self.head = nn.EmbeddingBag(WORDS, 64, mode="mean"), nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.bag(x))


class UNet(nn.Module):
    """Down and up once, with group norm, SiLU, a transposed convolution and a concatenation."""

    def __init__(self) -> None:
        super().__init__()

        def block(i: int, o: int) -> nn.Sequential:
            return nn.Sequential(nn.Conv2d(i, o, 3, padding=1), nn.GroupNorm(4, o), nn.SiLU())

        self.down, self.low = block(16, 32), nn.Sequential(nn.MaxPool2d(2), block(32, 64))
        self.up, self.joined = nn.ConvTranspose2d(64, 32, 2, 2), block(64, 16)
        self.head = nn.Linear(16, 10)

    def forward(self, x: Tensor) -> Tensor:
        skipped = self.down(x)
        y = self.joined(torch.cat([skipped, self.up(self.low(skipped))], 1))
        return self.head(y.mean((2, 3)))


class Next(nn.Module):
    """A block of ConvNeXt: depthwise 7×7, layer norm over channels, GELU, a scale."""

    def __init__(self) -> None:
        super().__init__()
        self.depth = nn.Conv2d(16, 16, 7, padding=3, groups=16)
        self.norm, self.wide, self.back = nn.LayerNorm(16), nn.Linear(16, 64), nn.Linear(64, 16)
        self.gamma, self.head = nn.Parameter(torch.ones(16)), nn.Linear(16, 10)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.depth(x).permute(0, 2, 3, 1))
        y = (self.gamma * self.back(F.gelu(self.wide(y)))).permute(0, 3, 1, 2)
        return self.head((x + y).mean((2, 3)))


class Checkpointed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Conv2d(16, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU())
            for _ in range(4)
        )
        self.head = nn.Linear(16, 10)

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = checkpoint(block, x, use_reentrant=False)
        return self.head(x.mean((2, 3)))


def sampled(x: Tensor) -> Tensor:
    eye = torch.eye(2, 3, device=x.device).expand(len(x), 2, 3)
    return F.grid_sample(x, F.affine_grid(eye, list(x.shape), align_corners=False).to(x.dtype),
                         align_corners=False)  # fmt: skip


def encoder(**options: Any) -> nn.Module:
    layer = nn.TransformerEncoderLayer(64, 4, 128, batch_first=True, **options)
    return nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)


FUNCTIONS: dict[str, tuple[Callable[[Tensor], Tensor], tuple[int, ...]]] = {
    "relu": (F.relu, IMAGE),
    "gelu": (F.gelu, ROWS),
    "gelu tanh": (lambda x: F.gelu(x, approximate="tanh"), ROWS),
    "silu": (F.silu, IMAGE),
    "hardswish": (F.hardswish, IMAGE),
    "mish": (F.mish, IMAGE),
    "softplus": (F.softplus, IMAGE),
    "sigmoid times": (lambda x: x * x.sigmoid(), IMAGE),
    "glu": (lambda x: F.glu(x, 1), IMAGE),
    "softmax": (lambda x: x.softmax(-1), ROWS),
    "log softmax": (lambda x: x.log_softmax(-1), ROWS),
    "dropout": (lambda x: F.dropout(x, 0.2), IMAGE),
    "dropout of maps": (lambda x: F.dropout2d(x, 0.2), IMAGE),
    "alpha dropout": (lambda x: F.alpha_dropout(x, 0.2, training=True), IMAGE),
    "max pool": (lambda x: F.max_pool2d(x, 2), IMAGE),
    "mean pool": (lambda x: F.avg_pool2d(x, 2), IMAGE),
    "adaptive pool": (lambda x: F.adaptive_avg_pool2d(x, 5), IMAGE),
    "adaptive max pool": (lambda x: F.adaptive_max_pool2d(x, 5), IMAGE),
    "bilinear": (lambda x: F.interpolate(x, scale_factor=2, mode="bilinear"), IMAGE),
    "bicubic": (lambda x: F.interpolate(x, scale_factor=2, mode="bicubic"), IMAGE),
    "nearest": (lambda x: F.interpolate(x, scale_factor=2), IMAGE),
    "pixel shuffle": (lambda x: F.pixel_shuffle(x, 2), IMAGE),
    "unfold": (lambda x: F.unfold(x, 3, padding=1), IMAGE),
    "reflection": (lambda x: F.pad(x, (2, 2, 2, 2), mode="reflect"), IMAGE),
    "grid sample": (sampled, IMAGE),
    "normalize": (lambda x: F.normalize(x, dim=1), IMAGE),
    "layer norm": (lambda x: F.layer_norm(x, (64,)), ROWS),
    "rms norm": (lambda x: F.rms_norm(x, (64,)), ROWS),
    "cumsum": (lambda x: x.cumsum(1), ROWS),
    "sort": (lambda x: x.sort(-1)[0], ROWS),
    "topk": (lambda x: x.topk(8, -1)[0], ROWS),
    "roll": (lambda x: x.roll(3, 1), ROWS),
    "outer product": (lambda x: torch.einsum("bti,btj->bij", x, x), ROWS),
    "fft": (lambda x: torch.fft.rfft(x.float(), dim=1).abs(), ROWS),
    "std": (lambda x: (x - x.mean(-1, keepdim=True)) / (x.std(-1, keepdim=True) + 1), ROWS),
    "cat": (lambda x: torch.cat([x, x.flip(1)], 1), ROWS),
    "logsumexp": (lambda x: x.logsumexp(-1), ROWS),
    "where": (lambda x: torch.where(x > 0, x, x.exp() - 1), ROWS),
    "cdist": (lambda x: torch.cdist(x.float(), x.float()), ROWS),
}  # fmt: skip


LAYERS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "batch norm": (lambda: nn.BatchNorm2d(16), IMAGE),
    "group norm": (lambda: nn.GroupNorm(4, 16), IMAGE),
    "instance norm": (lambda: nn.InstanceNorm2d(16, affine=True), IMAGE),
    "prelu": (lambda: nn.PReLU(16), IMAGE),
    "rrelu": (nn.RReLU, IMAGE),
    "grouped": (lambda: nn.Conv2d(16, 32, 3, groups=4), IMAGE),
    "dilated": (lambda: nn.Conv2d(16, 16, 3, dilation=2), IMAGE),
    "transposed": (lambda: nn.ConvTranspose2d(16, 8, 4, 2, 1), IMAGE),
    "convolution of rows": (lambda: nn.Conv1d(48, 48, 3), ROWS),
    "weight norm": (
        lambda: nn.utils.parametrizations.weight_norm(nn.Conv2d(16, 16, 3)), IMAGE),
    "spectral norm": (
        lambda: nn.utils.parametrizations.spectral_norm(nn.Conv2d(16, 16, 3)), IMAGE),
    "lstm": (lambda: nn.LSTM(64, 96, batch_first=True), ROWS),
    "lstm, two ways, two layers, dropout": (
        lambda: nn.LSTM(64, 32, 2, batch_first=True, bidirectional=True, dropout=0.2), ROWS),
    "lstm, projected": (lambda: nn.LSTM(64, 96, proj_size=32, batch_first=True), ROWS),
    "gru": (lambda: nn.GRU(64, 96, batch_first=True), ROWS),
    "rnn": (lambda: nn.RNN(64, 96, batch_first=True), ROWS),
    "encoder": (encoder, ROWS),
    "encoder, norm first": (lambda: encoder(norm_first=True, dropout=0.0), ROWS),
}  # fmt: skip

WHOLE: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "attention": (Attention, ROWS),
    "causal attention": (lambda: Attention(mask="causal"), ROWS),
    "attention with a mask": (lambda: Attention(mask="matrix"), ROWS),
    "attention with dropout": (lambda: Attention(dropout=0.1), ROWS),
    "attention of shared keys": (lambda: Attention(keys=2), ROWS),
    "attention of 18 features": (lambda: Attention(features=18), ROWS),
    "attention of 20 features, mask": (lambda: Attention(features=20, mask="matrix"), ROWS),
    "attention as products": (Written, ROWS),
    "u-net": (UNet, IMAGE),
    "convnext": (Next, IMAGE),
    "checkpoints": (Checkpointed, IMAGE),
    "words": (Words, IDS),
    "words, lstm": (lambda: Words(nn.LSTM(64, 64, batch_first=True)), IDS),
    "bag of words": (Bag, IDS),
}


def kinds() -> dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]]:
    """What makes each network, and the shape of one example of it."""

    def between(layer: Callable[[], Any], shape: tuple[int, ...]) -> Callable[[], nn.Module]:
        return lambda: Between(layer(), shape)

    functions = {name: ((lambda f=f: f), shape) for name, (f, shape) in FUNCTIONS.items()}
    single = {**functions, **LAYERS}
    return {**{name: (between(*row), row[1]) for name, row in single.items()}, **WHOLE}
