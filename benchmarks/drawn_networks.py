"""Working networks whose integer arguments are broken: drawn from a seed, and written out."""

from __future__ import annotations

import random
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Network:
    """A file that works: `source` defines `Net` and `example_input`."""

    name: str
    source: str


def networks(seed: int, count: int) -> list[Network]:
    written = [Network(path.stem, path.read_text()) for path in
               sorted((HERE / "networks").glob("*.py"))]  # fmt: skip
    chosen = random.Random(seed)
    return [*written * 6, *(Network(f"drawn {i}", draw(chosen)) for i in range(count))]


_HEAD = "from torch import nn\nimport torch\n\nexample_input = {shape}\n\n\n"


def draw(chosen: random.Random) -> str:
    """The source of a network of one of the kinds that people write."""
    kind = chosen.choice((_plain, _plain, _normed, _residual, _perceptron, _branches, _sequence))
    return kind(chosen)


def _plain(chosen: random.Random) -> str:
    """Convolutions and poolings, flattened into linear layers, as in LeNet and VGG."""
    side, channels = chosen.choice(((28, 1), (32, 3), (64, 3), (96, 3), (224, 3)))
    width = chosen.choice((6, 8, 16, 20, 32, 64))
    kernel = chosen.choice((3, 3, 3, 5))
    padding = chosen.choice((0, kernel // 2, kernel // 2))
    size, given, layers = side, channels, []
    while size >= 12 and len(layers) < 5:
        pad = f", padding={padding}" if padding else ""
        layers.append(f"nn.Conv2d({given}, {width}, {kernel}{pad}), nn.ReLU(), nn.MaxPool2d(2),")
        size = (size + 2 * padding - kernel + 1) // 2
        given, width = width, chosen.choice((width, 2 * width))
    hidden = chosen.choice((64, 84, 100, 120, 128, 256, 512))
    classes = chosen.choice((10, 10, 100))
    flat = chosen.choice((f"{given} * {size} * {size}", str(given * size * size)))
    body = "\n".join(f"            {layer}" for layer in layers)
    return (
        _HEAD.format(shape=(1, channels, side, side))
        + f"""class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
{body}
        )
        self.fc1 = nn.Linear({flat}, {hidden})
        self.fc2 = nn.Linear({hidden}, {classes})

    def forward(self, x):
        x = self.features(x)
        x = x.view(x.size(0), -1)
        return self.fc2(torch.relu(self.fc1(x)))
"""
    )


def _normed(chosen: random.Random) -> str:
    """Convolution, batch norm, activation, each written out; a pooled head."""
    width = chosen.choice((16, 24, 32, 64))
    given, lines, calls = 3, [], []
    for number in range(1, chosen.randint(3, 5)):
        stride = f", stride={chosen.choice((1, 2))}" if chosen.random() < 0.6 else ""
        lines += [
            f"self.conv{number} = nn.Conv2d({given}, {width}, kernel_size=3{stride}, padding=1)",
            f"self.norm{number} = nn.BatchNorm2d({width})",
        ]
        calls.append(f"x = self.norm{number}(self.conv{number}(x)).relu()")
        given, width = width, chosen.choice((width, 2 * width))
    body = "\n".join(f"        {line}" for line in lines)
    steps = "\n".join(f"        {call}" for call in calls)
    side = chosen.choice((32, 64, 128))
    return (
        _HEAD.format(shape=(1, 3, side, side))
        + f"""class Net(nn.Module):
    def __init__(self):
        super().__init__()
{body}
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear({given}, 10)

    def forward(self, x):
{steps}
        return self.fc(self.pool(x).flatten(1))
"""
    )


def _residual(chosen: random.Random) -> str:
    """Blocks of a class of their own, called with their widths, as in ResNet."""
    width = chosen.choice((16, 32, 64))
    blocks, given = [], width
    for _ in range(chosen.randint(2, 4)):
        made = chosen.choice((given, 2 * given))
        blocks.append(f"Block({given}, {made}, {1 if made == given else 2})")
        given = made
    side = chosen.choice((32, 64))
    return (
        _HEAD.format(shape=(1, 3, side, side))
        + f"""class Block(nn.Module):
    def __init__(self, in_channels, out_channels, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.shortcut = nn.Sequential()
        if stride != 1 or in_channels != out_channels:
            self.shortcut = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride=stride, bias=False),
                nn.BatchNorm2d(out_channels),
            )

    def forward(self, x):
        y = torch.relu(self.bn1(self.conv1(x)))
        return torch.relu(self.bn2(self.conv2(y)) + self.shortcut(x))


class Net(nn.Module):
    def __init__(self, num_classes=10):
        super().__init__()
        self.stem = nn.Conv2d(3, {width}, 3, padding=1)
        self.norm = nn.BatchNorm2d({width})
        self.stages = nn.Sequential({", ".join(blocks)})
        self.pool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear({given}, num_classes)

    def forward(self, x):
        x = self.stages(self.norm(self.stem(x)))
        return self.fc(torch.flatten(self.pool(x), 1))
"""
    )


def _perceptron(chosen: random.Random) -> str:
    """Linear layers with norms between."""
    widths = [784, *sorted(chosen.sample((64, 100, 128, 200, 256, 300, 512), 3), reverse=True)]
    lines = []
    for given, made in pairwise(widths):
        norm = chosen.choice((f"nn.BatchNorm1d({made}), ", f"nn.LayerNorm({made}), ", ""))
        lines.append(f"nn.Linear({given}, {made}), {norm}nn.ReLU(),")
    body = "\n".join(f"            {line}" for line in lines)
    return (
        _HEAD.format(shape=(2, 784))
        + f"""class Net(nn.Sequential):
    def __init__(self):
        super().__init__(
{body}
            nn.Linear({widths[-1]}, 10),
        )
"""
    )


def _branches(chosen: random.Random) -> str:
    """Inception blocks: branches of different kernels, concatenated."""
    a, b, c = (chosen.choice((8, 16, 24, 32)) for _ in range(3))
    stem = chosen.choice((16, 32, 64))
    joined = a + b + c
    return (
        _HEAD.format(shape=(1, 3, 64, 64))
        + f"""class Branches(nn.Module):
    def __init__(self, in_channels):
        super().__init__()
        self.one = nn.Conv2d(in_channels, {a}, kernel_size=1)
        self.three = nn.Sequential(
            nn.Conv2d(in_channels, {b}, kernel_size=1), nn.ReLU(),
            nn.Conv2d({b}, {b}, kernel_size=3, padding=1),
        )
        self.five = nn.Sequential(
            nn.Conv2d(in_channels, {c}, kernel_size=1), nn.ReLU(),
            nn.Conv2d({c}, {c}, kernel_size=5, padding=2),
        )

    def forward(self, x):
        return torch.cat([self.one(x), self.three(x), self.five(x)], dim=1)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, {stem}, kernel_size=7, stride=2, padding=3)
        self.pool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        self.mixed1 = Branches({stem})
        self.mixed2 = Branches({joined})
        self.fc = nn.Linear({joined}, 10)

    def forward(self, x):
        x = self.pool(self.stem(x))
        x = self.mixed2(self.mixed1(x))
        return self.fc(x.mean(dim=(2, 3)))
"""
    )


def _sequence(chosen: random.Random) -> str:
    """An embedding, then a recurrent layer or attention."""
    width = chosen.choice((64, 100, 128, 256))
    hidden = chosen.choice((64, 128, 256))
    kind = chosen.choice(("LSTM", "GRU"))
    return (
        "from torch import nn\n\nexample_input = '2,20:int64'\n\n\n"
        f"""class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(5000, {width})
        self.norm = nn.LayerNorm({width})
        self.encoder = nn.{kind}({width}, {hidden}, batch_first=True)
        self.fc = nn.Linear({hidden}, 10)

    def forward(self, tokens):
        x = self.norm(self.embedding(tokens))
        states, _ = self.encoder(x)
        return self.fc(states[:, -1])
"""
    )
