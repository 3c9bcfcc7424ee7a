"""The networks of benchmarks/cuda.py in plain PyTorch, so that nothing but torch is needed.

The class is named in a spec: `benchmarks/cuda_networks.py:NiN`. Parameters and multiply–accumulates
are those of cnnstat's `nin`, `alexnet` and `resnet50`, and of torchvision's `vit_b_16`
(tests/benchmarks/test_cuda_benchmark.py).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


def _nin_block(*channels: int, kernel: int, stride: int = 1, padding: int = 0) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels[0], channels[1], kernel, stride, padding), nn.ReLU(),
        nn.Conv2d(channels[1], channels[1], 1), nn.ReLU(),
        nn.Conv2d(channels[1], channels[1], 1), nn.ReLU(),
    )  # fmt: skip


class NiN(nn.Sequential):
    """Network in Network, as in Dive into Deep Learning, section 8.3: N×1×224×224 → N×10."""

    def __init__(self) -> None:
        super().__init__(
            _nin_block(1, 96, kernel=11, stride=4), nn.MaxPool2d(3, 2),
            _nin_block(96, 256, kernel=5, padding=2), nn.MaxPool2d(3, 2),
            _nin_block(256, 384, kernel=3, padding=1), nn.MaxPool2d(3, 2), nn.Dropout(0.5),
            _nin_block(384, 10, kernel=3, padding=1),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        )  # fmt: skip


class AlexNet(nn.Sequential):
    """AlexNet as one tower, after Dive into Deep Learning, section 8.1: N×3×224×224 → N×10."""

    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(3, 96, 11, stride=4, padding=3), nn.ReLU(), nn.MaxPool2d(3, 2),
            nn.Conv2d(96, 256, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2),
            nn.Conv2d(256, 384, 3, padding=1), nn.ReLU(),
            nn.Conv2d(384, 384, 3, padding=1), nn.ReLU(),
            nn.Conv2d(384, 256, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2), nn.Flatten(),
            nn.Linear(256 * 6 * 6, 4096), nn.ReLU(), nn.Dropout(0.5),
            nn.Linear(4096, 4096), nn.ReLU(), nn.Dropout(0.5),
            nn.Linear(4096, 10),
        )  # fmt: skip


class Bottleneck(nn.Module):
    """The block of He et al., arXiv 1512.03385, Fig. 5 right, with the stride at the 3×3."""

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)
        self.relu = nn.ReLU(inplace=True)
        self.shortcut = nn.Sequential()
        if stride > 1 or channels != 4 * width:
            projection = nn.Conv2d(channels, 4 * width, 1, stride, bias=False)
            self.shortcut = nn.Sequential(projection, nn.BatchNorm2d(4 * width))

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        y += self.shortcut(x)
        return self.relu(y)


class ResNet50(nn.Sequential):
    """ResNet-50: N×3×224×224 → N×1000."""

    def __init__(self) -> None:
        layers: list[nn.Module] = [
            nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False), nn.BatchNorm2d(64),
            nn.ReLU(inplace=True), nn.MaxPool2d(3, stride=2, padding=1),
        ]  # fmt: skip
        channels = 64
        for width, blocks, stride in ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2)):
            for number in range(blocks):
                layers.append(Bottleneck(channels, width, stride if number == 0 else 1))
                channels = 4 * width
        super().__init__(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2048, 1000))


class EncoderBlock(nn.Module):
    """Pre-norm attention and MLP, each with a residual connection."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Dropout(0.0),
            nn.Linear(4 * width, width), nn.Dropout(0.0),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm1(x)
        x = x + self.attention(y, y, y, need_weights=False)[0]
        return x + self.mlp(self.norm2(x))


class ViT(nn.Module):
    """ViT-B/16 of Dosovitskiy et al., arXiv 2010.11929: N×3×224×224 → N×1000."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 768, kernel_size=16, stride=16)
        self.token = nn.Parameter(torch.zeros(1, 1, 768))
        self.positions = nn.Parameter(torch.zeros(1, 197, 768))
        self.encoder = nn.Sequential(*(EncoderBlock(768, 12) for _ in range(12)))
        self.norm = nn.LayerNorm(768, eps=1e-6)
        self.head = nn.Linear(768, 1000)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(len(x), -1, -1), x], dim=1) + self.positions
        return self.head(self.norm(self.encoder(x))[:, 0])


SHAPES = {"NiN": (1, 224, 224), "AlexNet": (3, 224, 224), "ResNet50": (3, 224, 224),
          "ViT": (3, 224, 224)}  # fmt: skip
"""The shape of one example of each network."""
NETWORKS: dict[str, type[nn.Module]] = {
    "NiN": NiN, "AlexNet": AlexNet, "ResNet50": ResNet50, "ViT": ViT,
}  # fmt: skip
