"""Working networks with all that people leave out or write otherwise, drawn from a seed.

Sizes, names and ways of writing vary. Each is a file with `Net` and `example_input`.
"""

from __future__ import annotations

import random
from collections.abc import Callable

_HEAD = "import torch\nimport torch.nn.functional as F\nfrom torch import nn\n\n"

FLATTENED = ("x.view(x.size(0), -1)", "x.flatten(1)", "torch.flatten(x, 1)",
             "x.reshape(x.shape[0], -1)")  # fmt: skip


def _file(example: object, body: str) -> str:
    return f"{_HEAD}example_input = {example!r}\n\n\n{body.strip()}\n"


def lenet(r: random.Random) -> str:
    """Layers one by one, functional poolings, linear layers behind."""
    a, b = r.choice((6, 8, 16)), r.choice((12, 20, 24, 32))
    side = r.choice((28, 32))
    last = ((side - 4) // 2 - 4) // 2
    flat, hidden, batch = r.choice(FLATTENED), r.choice((64, 84, 120)), r.choice((2, 4, 8))
    norm = f"\n        self.norm = nn.BatchNorm1d({hidden})" if r.random() < 0.5 else ""
    call = "self.norm(self.fc1(x))" if norm else "self.fc1(x)"
    return _file((batch, 1, side, side), f"""
class Net(nn.Module):
    def __init__(self, classes=10):
        super().__init__()
        self.conv1 = nn.Conv2d(1, {a}, kernel_size=5)
        self.conv2 = nn.Conv2d({a}, {b}, kernel_size=5)
        self.fc1 = nn.Linear({b} * {last} * {last}, {hidden}){norm}
        self.fc2 = nn.Linear({hidden}, classes)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = {flat}
        x = F.relu({call})
        return self.fc2(x)
""")  # fmt: skip


def written_view(r: random.Random) -> str:
    """The size of the flattened map in the view and in the linear layer."""
    a, b = r.choice((8, 16, 32)), r.choice((20, 24, 40, 48))
    side = r.choice((32, 48))
    last = (side // 2 - 2) // 2
    return _file((r.choice((2, 3, 6)), 3, side, side), f"""
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, {a}, 3, padding=1)
        self.conv2 = nn.Conv2d({a}, {b}, 3)
        self.pool = nn.MaxPool2d(2)
        self.fc = nn.Linear({b} * {last} * {last}, 100)
        self.out = nn.Linear(100, 10)

    def forward(self, x):
        x = self.pool(self.conv1(x).relu())
        x = self.pool(self.conv2(x).relu())
        x = x.view(-1, {b} * {last} * {last})
        x = self.fc(x).relu()
        return self.out(x)
""")  # fmt: skip


def tiny_vgg(r: random.Random) -> str:
    """Blocks in Sequential with named arguments, flattened by a layer."""
    units, side = r.choice((10, 16, 32)), r.choice((28, 32, 64))
    return _file((r.choice((2, 4)), 1, side, side), f"""
class Net(nn.Module):
    def __init__(self, channels=1, hidden_units={units}, classes=10):
        super().__init__()
        self.block1 = nn.Sequential(
            nn.Conv2d(in_channels=channels, out_channels=hidden_units, kernel_size=3, padding=1),
            nn.BatchNorm2d(hidden_units),
            nn.ReLU(),
            nn.MaxPool2d(kernel_size=2),
        )
        self.block2 = nn.Sequential(
            nn.Conv2d(hidden_units, hidden_units, kernel_size=3, padding=1),
            nn.BatchNorm2d(hidden_units),
            nn.ReLU(),
            nn.MaxPool2d(kernel_size=2),
        )
        self.classifier = nn.Sequential(
            nn.Flatten(),
            nn.Linear(in_features=hidden_units * {side // 4} * {side // 4}, out_features=classes),
        )

    def forward(self, x):
        x = self.block1(x)
        x = self.block2(x)
        return self.classifier(x)
""")  # fmt: skip


def residual(r: random.Random) -> str:
    """Blocks with a projection on the shortcut."""
    width = r.choice((16, 24, 32))
    norm = r.choice((True, False))
    shortcut = "nn.Conv2d(inp, out, 1, stride, bias=False)"
    if norm:
        shortcut = f"nn.Sequential({shortcut}, nn.BatchNorm2d(out))"
    pooled = r.choice(("self.pool(x).flatten(1)", "x.mean(dim=(2, 3))"))
    return _file((2, 3, 32, 32), f"""
class Block(nn.Module):
    def __init__(self, inp, out, stride=1):
        super().__init__()
        self.conv1 = nn.Conv2d(inp, out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out)
        self.conv2 = nn.Conv2d(out, out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out)
        self.shortcut = {shortcut}

    def forward(self, x):
        y = torch.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return torch.relu(y + self.shortcut(x))


class Net(nn.Module):
    def __init__(self, classes=10):
        super().__init__()
        self.stem = nn.Conv2d(3, {width}, 3, padding=1)
        layers = [Block({width}, {2 * width}, 2), Block({2 * width}, {4 * width}, 2)]
        self.layers = nn.Sequential(*layers)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear({4 * width}, classes)

    def forward(self, x):
        x = self.layers(self.stem(x).relu())
        return self.fc({pooled})
""")  # fmt: skip


def text_cnn(r: random.Random) -> str:
    """An embedding whose features become the channels of a convolution."""
    dim, made, length = r.choice((48, 64, 100)), r.choice((32, 40, 72)), r.choice((20, 35, 50))
    moved = r.choice((".permute(0, 2, 1)", ".transpose(1, 2)"))
    return _file(f"{r.choice((2, 4, 6))},{length}:int64", f"""
class Net(nn.Module):
    def __init__(self, vocab=400, classes=5):
        super().__init__()
        self.embed = nn.Embedding(vocab, {dim})
        self.conv = nn.Conv1d({dim}, {made}, kernel_size=3, padding=1)
        self.norm = nn.BatchNorm1d({made})
        self.pool = nn.AdaptiveMaxPool1d(1)
        self.fc = nn.Linear({made}, classes)

    def forward(self, tokens):
        x = self.embed(tokens)
        x = self.norm(self.conv(x{moved})).relu()
        x = self.pool(x).flatten(1)
        return self.fc(x)
""")  # fmt: skip


def recurrent(r: random.Random) -> str:
    """A recurrent layer with its state, the last step and a linear layer."""
    kind, depth = r.choice(("LSTM", "GRU")), r.choice((1, 2))
    dim, units = r.choice((24, 50, 64)), r.choice((32, 48, 128))
    both = r.random() < 0.5
    rows = f"2 * {depth}" if both else str(depth)
    zeros = f"torch.zeros({rows}, x.size(0), self.units, device=x.device)"
    state = f"({zeros}, {zeros})" if kind == "LSTM" else zeros
    return _file((r.choice((3, 5)), r.choice((9, 14)), dim), f"""
class Net(nn.Module):
    def __init__(self, units={units}, classes=4):
        super().__init__()
        self.units = units
        self.rnn = nn.{kind}({dim}, units, {depth}, batch_first=True{', bidirectional=True' * both})
        self.norm = nn.LayerNorm({'2 * ' * both}units)
        self.fc = nn.Linear({'2 * ' * both}units, classes)

    def forward(self, x):
        state = {state}
        out, _ = self.rnn(x, state)
        x = self.norm(out[:, -1])
        return self.fc(x)
""")  # fmt: skip


def transformer(r: random.Random) -> str:
    """Tokens with learned positions, an encoder with the batch first."""
    dim, heads, length = r.choice((32, 64, 96)), r.choice((2, 4, 8)), r.choice((24, 40, 50))
    return _file(f"{r.choice((3, 5))},{length}:int64", f"""
class Net(nn.Module):
    def __init__(self, vocab=300, dim={dim}, max_len={r.choice((64, 128))}, classes=6):
        super().__init__()
        self.embed = nn.Embedding(vocab, dim)
        self.positions = nn.Parameter(torch.zeros(1, max_len, dim))
        layer = nn.TransformerEncoderLayer(d_model=dim, nhead={heads}, dim_feedforward={2 * dim},
                                           batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, num_layers=2)
        self.fc = nn.Linear(dim, classes)

    def forward(self, ids):
        length = ids.size(1)
        mask = nn.Transformer.generate_square_subsequent_mask(length).to(ids.device)
        x = self.embed(ids) + self.positions[:, :length]
        x = self.encoder(x, mask=mask)
        return self.fc(x.mean(dim=1))
""")  # fmt: skip


def heads(r: random.Random) -> str:
    """Attention written out, as in ViT."""
    dim, count = r.choice((48, 64, 96)), r.choice((4, 6, 8))
    count = count if dim % count == 0 else 4
    side = r.choice((32, 48))
    return _file((2, 3, side, side), f"""
class Attention(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x):
        b, n, c = x.shape
        q, k, v = self.qkv(x).view(b, n, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        attn = (q @ k.transpose(-2, -1) * (c // self.heads) ** -0.5).softmax(dim=-1)
        x = (attn @ v).transpose(1, 2).reshape(b, n, c)
        return self.proj(x)


class Net(nn.Module):
    def __init__(self, image_size={side}, patch_size=8, dim={dim}, classes=10):
        super().__init__()
        self.patches = nn.Conv2d(3, dim, kernel_size=patch_size, stride=patch_size)
        self.positions = nn.Parameter(torch.zeros(1, (image_size // patch_size) ** 2, dim))
        self.norm = nn.LayerNorm(dim)
        self.attention = Attention(dim, {count})
        self.fc = nn.Linear(dim, classes)

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = x + self.positions
        x = x + self.attention(self.norm(x))
        return self.fc(x.mean(dim=1))
""")  # fmt: skip


def cross_attention(r: random.Random) -> str:
    """Queries and a context of another width."""
    dim, other = r.choice(((64, 40), (48, 32), (96, 128)))
    return _file(((2, 9, dim), (2, 5, other)), f"""
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.LayerNorm({dim})
        self.attention = nn.MultiheadAttention({dim}, 4, kdim={other}, vdim={other},
                                               batch_first=True)
        self.fc = nn.Linear({dim}, {dim})

    def forward(self, x, context):
        y, _ = self.attention(self.norm(x), context, context)
        x = x + y
        return self.fc(x)
""")  # fmt: skip


def autoencoder(r: random.Random) -> str:
    """Strided convolutions and their transposes; the difference from the input is returned."""
    a, b, side = r.choice((8, 16)), r.choice((24, 32, 48)), r.choice((32, 48, 64))
    return _file((2, 3, side, side), f"""
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.down1 = nn.Conv2d(3, {a}, 3, stride=2, padding=1)
        self.down2 = nn.Conv2d({a}, {b}, 3, stride=2, padding=1)
        self.up2 = nn.ConvTranspose2d({b}, {a}, 3, stride=2, padding=1, output_padding=1)
        self.up1 = nn.ConvTranspose2d({a}, 3, 3, stride=2, padding=1, output_padding=1)

    def forward(self, x):
        small = F.relu(self.down1(x))
        code = F.relu(self.down2(small))
        small = small + F.relu(self.up2(code))
        return x - self.up1(small)
""")  # fmt: skip


def unet(r: random.Random) -> str:
    """Two levels; sides that two halvings do not divide are interpolated."""
    w = r.choice((8, 12, 16))
    side, fitted = r.choice(((48, False), (46, True), (50, True)))
    up = "F.interpolate(self.up2(z), size=b.shape[2:])" if fitted else "self.up2(z)"
    return _file((1, 3, side, side), f"""
class Double(nn.Sequential):
    def __init__(self, inp, out):
        super().__init__(
            nn.Conv2d(inp, out, 3, padding=1), nn.BatchNorm2d(out), nn.ReLU(),
            nn.Conv2d(out, out, 3, padding=1), nn.BatchNorm2d(out), nn.ReLU(),
        )


class Net(nn.Module):
    def __init__(self, classes=2):
        super().__init__()
        self.left1 = Double(3, {w})
        self.left2 = Double({w}, {2 * w})
        self.pool = nn.MaxPool2d(2)
        self.bottom = Double({2 * w}, {4 * w})
        self.up2 = nn.ConvTranspose2d({4 * w}, {2 * w}, 2, stride=2)
        self.right2 = Double({4 * w}, {2 * w})
        self.up1 = nn.ConvTranspose2d({2 * w}, {w}, 2, stride=2)
        self.right1 = Double({2 * w}, {w})
        self.last = nn.Conv2d({w}, classes, 1)

    def forward(self, x):
        a = self.left1(x)
        b = self.left2(self.pool(a))
        z = self.bottom(self.pool(b))
        z = {up}
        z = self.right2(torch.cat([z, b], dim=1))
        z = self.up1(z)
        z = self.right1(torch.cat([z, a], dim=1))
        return self.last(z)
""")  # fmt: skip


def modern(r: random.Random) -> str:
    """Norms over the channels, put last and back, as in ConvNeXt."""
    w = r.choice((16, 24, 32))
    return _file((2, 3, 32, 32), f"""
class Block(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.depthwise = nn.Conv2d(dim, dim, kernel_size=7, padding=3, groups=dim)
        self.norm = nn.LayerNorm(dim)
        self.wide = nn.Linear(dim, 4 * dim)
        self.narrow = nn.Linear(4 * dim, dim)

    def forward(self, x):
        y = self.depthwise(x).permute(0, 2, 3, 1)
        y = self.narrow(F.gelu(self.wide(self.norm(y))))
        return x + y.permute(0, 3, 1, 2)


class Net(nn.Module):
    def __init__(self, classes=10):
        super().__init__()
        self.stem = nn.Conv2d(3, {w}, kernel_size=4, stride=4)
        self.blocks = nn.Sequential(Block({w}), Block({w}))
        self.norm = nn.LayerNorm({w})
        self.fc = nn.Linear({w}, classes)

    def forward(self, x):
        x = self.blocks(self.stem(x))
        x = self.norm(x.mean(dim=(2, 3)))
        return self.fc(x)
""")  # fmt: skip


def generator(r: random.Random) -> str:
    """A vector becomes a small map, which grows."""
    w, noise = r.choice((32, 48, 64)), r.choice((50, 100))
    return _file((r.choice((3, 4)), noise), f"""
class Net(nn.Module):
    def __init__(self, noise={noise}, width={w}):
        super().__init__()
        self.enter = nn.Linear(noise, width * 7 * 7)
        self.norm = nn.BatchNorm1d(width * 7 * 7)
        self.grow1 = nn.ConvTranspose2d(width, width // 2, 4, 2, 1)
        self.norm1 = nn.BatchNorm2d(width // 2)
        self.grow2 = nn.ConvTranspose2d(width // 2, 1, 4, 2, 1)

    def forward(self, z):
        x = F.relu(self.norm(self.enter(z)))
        x = x.view(-1, {w}, 7, 7)
        x = F.relu(self.norm1(self.grow1(x)))
        return torch.tanh(self.grow2(x))
""")  # fmt: skip


def signals(r: random.Random) -> str:
    """Samples without a channel, which get one."""
    length, w = r.choice((64, 100, 128)), r.choice((12, 16, 24))
    last = length // 4
    return _file((r.choice((4, 8)), length), f"""
class Net(nn.Module):
    def __init__(self, classes=3):
        super().__init__()
        scale = torch.linspace(0.5, 1.5, {length}, dtype=torch.float64)
        self.register_buffer("scale", scale.float())
        self.conv1 = nn.Conv1d(1, {w}, kernel_size=5, padding=2)
        self.conv2 = nn.Conv1d({w}, {2 * w}, kernel_size=5, padding=2)
        self.pool = nn.MaxPool1d(2)
        self.fc = nn.Linear({2 * w} * {last}, classes)

    def forward(self, x):
        x = (x * self.scale).unsqueeze(1)
        x = self.pool(F.relu(self.conv1(x)))
        x = self.pool(F.relu(self.conv2(x)))
        x = {r.choice(FLATTENED)}
        return self.fc(x)
""")  # fmt: skip


def branches(r: random.Random) -> str:
    """Concatenated branches."""
    a, b, c = r.choice((8, 16)), r.choice((16, 24)), r.choice((8, 12))
    return _file((2, 3, 32, 32), f"""
class Mixed(nn.Module):
    def __init__(self, inp):
        super().__init__()
        self.one = nn.Conv2d(inp, {a}, kernel_size=1)
        self.three = nn.Conv2d(inp, {b}, kernel_size=3, padding=1)
        self.five = nn.Conv2d(inp, {c}, kernel_size=5, padding=2)

    def forward(self, x):
        one, three, five = self.one(x), self.three(x), self.five(x)
        return torch.cat([one, three, five], dim=1)


class Net(nn.Module):
    def __init__(self, classes=10):
        super().__init__()
        self.mixed1 = Mixed(3)
        self.mixed2 = Mixed({a + b + c})
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear({a + b + c}, classes)

    def forward(self, x):
        x = self.mixed2(F.relu(self.mixed1(x)))
        x = self.pool(x).flatten(1)
        return self.fc(x)
""")  # fmt: skip


ARCHITECTURES: tuple[Callable[[random.Random], str], ...] = (
    lenet, written_view, tiny_vgg, residual, text_cnn, recurrent, transformer, heads,
    cross_attention, autoencoder, unet, modern, generator, signals, branches,
)  # fmt: skip
