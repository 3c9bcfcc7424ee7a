"""Mistakes as people make them, each with the change that repairs it.

Forms are those of public questions and issues, in small networks of our own.
"""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import indent


@dataclass(frozen=True)
class Mistake:
    """A network in which the rule `code` finds something, and nothing once it is repaired.

    `repair` replaces one piece of `layers` or `forward` by another.
    """

    name: str
    code: str
    inputs: tuple[tuple[int, ...], ...]
    layers: str
    forward: str
    repair: tuple[str, str]

    @property
    def broken(self) -> str:
        names = "xyz"[: len(self.inputs)]
        sizes = self.inputs if len(self.inputs) > 1 else self.inputs[0]
        return (
            f"import torch\nimport torch.nn.functional as F\nfrom torch import nn\n\n"
            f"example_input = {sizes}\n\n\nclass Net(nn.Module):\n    def __init__(self):\n"
            f"        super().__init__()\n{indent(self.layers.strip(), ' ' * 8)}\n\n"
            f"    def forward(self, {', '.join(names)}):\n{indent(self.forward.strip(), ' ' * 8)}\n"
        )

    @property
    def repaired(self) -> str:
        before, after = self.repair
        assert self.broken.count(before) == 1, (self.name, before)
        return self.broken.replace(before, after)


_IMAGE, _STEPS, _ROW = ((5, 3, 32, 32),), ((5, 20, 12),), ((5, 20),)

MISTAKES = [
    # the batch
    Mistake("encoder layer without batch_first", "CN201", ((5, 3, 28, 28),), """
self.patches = nn.Conv2d(3, 32, 4, 4)
self.encoder = nn.TransformerEncoderLayer(32, 4, 64)
self.head = nn.Linear(32, 10)""", """
x = self.encoder(self.patches(x).flatten(2).transpose(1, 2))
return self.head(x.mean(1))""", ("32, 4, 64)", "32, 4, 64, batch_first=True)")),
    Mistake("attention by hand over axis 0", "CN201", ((5, 3, 28, 28),), """
self.patches = nn.Conv2d(3, 32, 4, 4)
self.qkv = nn.Linear(32, 96)
self.head = nn.Linear(32, 10)""", """
x = self.patches(x).flatten(2).transpose(1, 2)
q, k, v = self.qkv(x).chunk(3, -1)
q, k, v = (t.transpose(0, 1) for t in (q, k, v))
x = (q @ k.transpose(1, 2) / 32**0.5).softmax(-1) @ v
return self.head(x.mean(0))""", ("""
        q, k, v = (t.transpose(0, 1) for t in (q, k, v))""", """
        q, k, v = (t for t in (q, k, v))""")),
    Mistake("sdpa on steps first", "CN201", _STEPS, """
self.qkv = nn.Linear(12, 36)
self.head = nn.Linear(12, 4)""", """
q, k, v = self.qkv(x).transpose(0, 1).chunk(3, -1)
x = F.scaled_dot_product_attention(q, k, v).transpose(0, 1)
return self.head(x[:, -1])""", (".transpose(0, 1).chunk", ".chunk")),
    Mistake("affinity by features of the batch", "CN201", _IMAGE, """
self.conv = nn.Conv2d(3, 8, 3)
self.head = nn.Linear(8, 4)""", """
x = self.conv(x).relu().mean((2, 3))
x = x @ (x.t() @ x)
return self.head(x)""", ("x = x @ (x.t() @ x)", "x = x * x")),
    Mistake("softmax of the classes over axis 0", "CN202", _IMAGE, """
self.conv = nn.Conv2d(3, 8, 5, 2)
self.head = nn.Linear(8, 4)
self.softmax = nn.Softmax(dim=0)""", """
x = self.conv(x).relu().amax((2, 3))
return self.softmax(self.head(x))""", ("dim=0", "dim=1")),
    Mistake("log-softmax over axis 0", "CN202", _STEPS, """
self.rnn = nn.GRU(12, 16, batch_first=True)
self.head = nn.Linear(16, 4)""", """
x, _ = self.rnn(x)
return F.log_softmax(self.head(x[:, -1]), dim=0)""", ("dim=0", "dim=1")),
    Mistake("attention weights over axis 0", "CN202", _STEPS, """
self.rnn = nn.LSTM(12, 16, batch_first=True)
self.score = nn.Linear(16, 1)
self.head = nn.Linear(16, 4)""", """
x, _ = self.rnn(x)
weights = self.score(x).softmax(0)
return self.head((weights * x).sum(1))""", ("softmax(0)", "softmax(1)")),
    Mistake("mixture weights over axis 0", "CN202", _IMAGE, """
self.conv = nn.Conv2d(3, 8, 3)
self.gate = nn.Linear(8, 3)
self.experts = nn.ModuleList(nn.Linear(8, 4) for _ in range(3))""", """
x = self.conv(x).relu().mean((2, 3))
gate = F.softmax(self.gate(x), 0)
return sum(gate[:, i : i + 1] * expert(x) for i, expert in enumerate(self.experts))""",
            ("(x), 0)", "(x), 1)")),
    Mistake("LSTM on features of a CNN", "CN203", ((5, 3, 32, 64),), """
self.conv = nn.Conv2d(3, 8, 3, (4, 2), 1)
self.lstm = nn.LSTM(64, 16)
self.head = nn.Linear(16, 4)""", """
x = self.conv(x).relu().flatten(1, 2).transpose(1, 2)
x, _ = self.lstm(x)
return self.head(x[:, -1])""", ("nn.LSTM(64, 16)", "nn.LSTM(64, 16, batch_first=True)")),
    Mistake("GRU on a batch of sequences", "CN203", _STEPS, """
self.gru = nn.GRU(12, 16, num_layers=2)
self.head = nn.Linear(16, 4)""", """
x, _ = self.gru(x)
return self.head(x[:, -1])""", ("num_layers=2)", "num_layers=2, batch_first=True)")),
    Mistake("RNN on rows of digits", "CN203", ((5, 28, 28),), """
self.rnn = nn.RNN(28, 64, nonlinearity="relu")
self.head = nn.Linear(64, 10)""", """
x, _ = self.rnn(x)
return self.head(x[:, -1, :])""", ('"relu")', '"relu", batch_first=True)')),
    Mistake("batch written into a view", "CN204", ((4, 1, 28, 28),), """
self.conv = nn.Conv2d(1, 6, 5, 4)
self.head = nn.Linear(216, 10)""", """
x = self.conv(x).relu()
return self.head(x.view(4, -1))""", ("view(4, -1)", "view(x.shape[0], -1)")),
    Mistake("hidden state of one batch size", "CN204", ((4, 20, 12),), """
self.lstm = nn.LSTM(12, 16, batch_first=True)
self.head = nn.Linear(16, 10)""", """
state = torch.zeros(1, 4, 16), torch.zeros(1, 4, 16)
x, _ = self.lstm(x, state)
return self.head(x[:, -1])""", ("(x, state)", "(x)")),
    Mistake("table of one batch size", "CN204", ((4, 20, 12),), """
self.token = nn.Parameter(torch.zeros(4, 1, 12))
self.head = nn.Linear(12, 10)""", """
x = torch.cat([self.token, x], 1)
return self.head(x[:, 0])""", ("[self.token, x]", "[self.token[:1].expand(len(x), 1, 12), x]")),
    # views
    Mistake("tokens back to a map", "CN205", ((2, 3, 28, 28),), """
self.patches = nn.Conv2d(3, 24, 4, 4)
self.norm = nn.LayerNorm(24)
self.conv = nn.Conv2d(24, 8, 3)""", """
x = self.norm(self.patches(x).flatten(2).transpose(1, 2))
return self.conv(x.view(x.size(0), 24, 7, 7))""",
            ("x.view(", "x.transpose(1, 2).reshape(")),
    Mistake("map to tokens", "CN205", ((2, 3, 28, 28),), """
self.conv = nn.Conv2d(3, 24, 4, 4)
self.head = nn.Linear(24, 10)""", """
x = self.conv(x).relu()
return self.head(x.view(x.size(0), 49, 24).mean(1))""",
            ("x.view(x.size(0), 49, 24)", "x.flatten(2).transpose(1, 2)")),
    Mistake("heads merged without a permutation", "CN205", ((2, 15, 24),), """
self.qkv = nn.Linear(24, 72)
self.out = nn.Linear(24, 24)""", """
b, n, c = x.shape
q, k, v = self.qkv(x).view(b, n, 3, 4, 6).permute(2, 0, 3, 1, 4)
x = (q @ k.transpose(-1, -2)).softmax(-1) @ v
return self.out(x.reshape(b, n, c))""",
            ("x.reshape(b, n, c)", "x.transpose(1, 2).reshape(b, n, c)")),
    Mistake("heads split on the wrong axes", "CN205", ((2, 15, 24),), """
self.query = nn.Linear(24, 24)
self.key = nn.Linear(24, 24)
self.out = nn.Linear(15, 10)""", """
q = self.query(x).view(-1, 4, 15, 6)
k = self.key(x).view(-1, 15, 4, 6).transpose(1, 2)
return self.out((q @ k.transpose(2, 3)).mean((1, 2)))""",
            ("view(-1, 4, 15, 6)", "view(-1, 15, 4, 6).transpose(1, 2)")),
    Mistake("heights joined with channels", "CN205", ((2, 1, 26, 30),), """
self.conv = nn.Conv2d(1, 8, 3, padding=1)
self.lstm = nn.LSTM(240, 16, batch_first=True)
self.head = nn.Linear(32, 4)""", """
x = self.conv(x).relu()
x, _ = self.lstm(x.view(x.size(0), 26, -1))
return x""", ("x.view(x.size(0), 26, -1)", "x.transpose(1, 2).flatten(2)")),
    Mistake("frames joined with the batch", "CN205", ((2, 3, 7, 16, 16),), """
self.conv3 = nn.Conv3d(3, 10, 3, padding=1)
self.conv = nn.Conv2d(10, 4, 3)""", """
x = self.conv3(x).relu()
b, c, t, h, w = x.shape
return self.conv(x.reshape(b * t, c, h, w)).view(b, t, 4, 14, 14).mean((1, 3, 4))""",
            ("x.reshape(b", "x.transpose(1, 2).reshape(b")),
    Mistake("boxes of a detector without a permutation", "CN205", ((2, 3, 35, 35),), """
self.conv = nn.Conv2d(3, 18, 5, 5)""", """
return self.conv(x).view(x.size(0), -1, 6).softmax(-1)""",
            ("self.conv(x).view", "self.conv(x).permute(0, 2, 3, 1).reshape")),
    Mistake("flattened, then another layout", "CN205", ((2, 30, 30, 3),), """
self.norm = nn.LayerNorm(3)
self.conv = nn.Conv2d(3, 8, 3)""", """
x = self.norm(x).view(x.size(0), -1)
return self.conv(x.view(x.size(0), 3, 30, 30))""",
            ("self.norm(x).view(x.size(0), -1)", "self.norm(x).permute(0, 3, 1, 2).flatten(1)")),
    Mistake("hidden states of both directions", "CN206", _STEPS, """
self.lstm = nn.LSTM(12, 16, batch_first=True, bidirectional=True)
self.head = nn.Linear(32, 4)""", """
_, (h, _) = self.lstm(x)
return self.head(h.view(-1, 32))""", ("h.view(-1, 32)", "h.transpose(0, 1).reshape(-1, 32)")),
    Mistake("features of the wrong number", "CN206", ((25, 1, 16, 16),), """
self.conv = nn.Conv2d(1, 16, 3, 4)
self.head = nn.Linear(400, 10)""", """
x = F.relu(self.conv(x))
x = x.view(-1, 400)
return self.head(x)""", ("x = x.view(-1, 400)", "x = F.pad(x.flatten(1), (0, 144))")),
    Mistake("half of the features", "CN206", ((8, 3, 32, 32),), """
self.conv = nn.Conv2d(3, 8, 4, 4)
self.head = nn.Linear(256, 10)""", """
x = self.conv(x).relu()
return self.head(x.view(-1, 256))""", ("x.view(-1, 256)", "x[:, :4].flatten(1)")),
    Mistake("steps and batch exchanged by a view", "CN206", _STEPS, """
self.lstm = nn.LSTM(16, 16)
self.first = nn.Linear(12, 16)
self.head = nn.Linear(16, 4)""", """
x = self.first(x)
x, _ = self.lstm(x.view(20, x.size(0), 16))
return self.head(x[-1])""", ("x.view(20, x.size(0), 16)", "x.transpose(0, 1)")),
    Mistake("linear layer on a map", "CN207", ((4, 1, 28, 28),), """
self.conv = nn.Conv2d(1, 8, 5)
self.pool = nn.MaxPool2d(2)
self.head = nn.Linear(12, 10)""", """
x = self.pool(F.relu(self.conv(x)))
return self.head(x)""", ("return self.head(x)", "return self.head(x.mean(2).mean(1))")),
    Mistake("an MLP on images", "CN207", ((4, 1, 28, 28),), """
self.mlp = nn.Sequential(nn.Linear(28, 64), nn.ReLU(), nn.Linear(64, 10))""", """
return self.mlp(x)""", ("self.mlp(x)", "self.mlp(x[:, 0, 0])")),
    Mistake("branches joined along the batch", "CN208", ((5, 6), (5, 6), (5, 6)), """
self.encoder = nn.Linear(6, 16)
self.head = nn.Linear(16, 3)""", """
parts = [self.encoder(part).relu() for part in (x, y, z)]
return self.head(torch.cat(parts, dim=0))""",
            ("torch.cat(parts, dim=0)", "torch.stack(parts, 1).sum(1)")),
    Mistake("two views of an image", "CN208", ((5, 3, 32, 32), (5, 3, 32, 32)), """
self.conv = nn.Conv2d(3, 8, 3)
self.head = nn.Linear(8, 3)""", """
x = torch.cat((self.conv(x), self.conv(y)))
return self.head(x.relu().mean((2, 3)))""", ("self.conv(y)))", "self.conv(y)), 2)")),
    # norms
    Mistake("bias before a batch norm", "CN301", _IMAGE, """
self.conv = nn.Conv2d(3, 8, 3)
self.norm = nn.BatchNorm2d(8)""", """
return F.relu(self.norm(self.conv(x)))""", ("3, 8, 3)", "3, 8, 3, bias=False)")),
    Mistake("bias before an instance norm", "CN301", _IMAGE, """
self.up = nn.ConvTranspose2d(3, 8, 4, 2, 1)
self.norm = nn.InstanceNorm2d(8)""", """
return F.relu(self.norm(self.up(x)))""", ("4, 2, 1)", "4, 2, 1, bias=False)")),
    Mistake("bias of a linear layer before a norm", "CN301", _ROW, """
self.fc = nn.Linear(20, 16)
self.norm = nn.BatchNorm1d(16)""", """
return F.relu(self.norm(self.fc(x)))""", ("20, 16)", "20, 16, bias=False)")),
    Mistake("layer norm of one value", "CN304", _ROW, """
self.score = nn.Linear(20, 1)
self.norm = nn.LayerNorm(1)""", """
return self.norm(self.score(x))""", ("self.norm(self.score(x))", "self.score(x)")),
    Mistake("group norm with a group for each channel", "CN304", _IMAGE, """
self.conv = nn.Conv2d(3, 8, 3)
self.norm = nn.GroupNorm(8, 8)""", """
return self.norm(self.conv(x).mean((2, 3), keepdim=True))""",
            ("GroupNorm(8, 8)", "GroupNorm(2, 8)")),
    Mistake("momentum in the place of eps", "CN305", _IMAGE, """
self.conv = nn.Conv2d(3, 8, 3, bias=False)
self.norm = nn.BatchNorm2d(8, 0.8)""", """
return F.leaky_relu(self.norm(self.conv(x)), 0.2)""", ("8, 0.8)", "8, momentum=0.2)")),
    Mistake("channels in the place of eps", "CN305", _IMAGE, """
self.conv = nn.Conv2d(3, 8, 3, bias=False)
self.norm = nn.BatchNorm2d(8, 8)""", """
return F.relu(self.norm(self.conv(x)))""", ("Norm2d(8, 8)", "Norm2d(8)")),
    Mistake("momentum of Keras", "CN306", _IMAGE, """
self.conv = nn.Conv2d(3, 8, 3, bias=False)
self.norm = nn.BatchNorm2d(8, momentum=0.9, eps=1e-3)""", """
return F.relu(self.norm(self.conv(x)))""", ("momentum=0.9", "momentum=0.1")),
    Mistake("momentum 0", "CN306", _IMAGE, """
self.conv = nn.Conv2d(3, 8, 3, bias=False)
self.norm = nn.BatchNorm2d(8, momentum=0.0)""", """
return F.relu(self.norm(self.conv(x)))""", ("momentum=0.0", "momentum=None")),
    Mistake("batch norm behind a global pool", "CN308", _IMAGE, """
self.pool = nn.AdaptiveAvgPool2d(1)
self.conv = nn.Conv2d(3, 8, 1, bias=False)
self.norm = nn.BatchNorm2d(8)""", """
return F.interpolate(self.norm(self.conv(self.pool(x))).relu(), x.shape[2:])""",
            ("nn.BatchNorm2d(8)", "nn.GroupNorm(2, 8)")),
    Mistake("dropout before a batch norm", "CN309", _ROW, """
self.drop = nn.Dropout(0.3)
self.norm = nn.BatchNorm1d(20)
self.head = nn.Linear(20, 4)""", """
return self.head(self.norm(F.relu(self.drop(x))))""",
            ("self.norm(F.relu(self.drop(x)))", "self.drop(F.relu(self.norm(x)))")),
    # layers without effect
    Mistake("forgotten activation of an MLP", "CN302", _ROW, """
self.one = nn.Linear(20, 64)
self.two = nn.Linear(64, 32)
self.three = nn.Linear(32, 10)""", """
x = self.one(x)
x = self.two(x)
return self.three(x.relu())""", ("self.two(x)", "self.two(x.relu())")),
    Mistake("convolutions without an activation", "CN302", _IMAGE, """
self.wide = nn.Conv2d(3, 32, 3, padding=1)
self.narrow = nn.Conv2d(32, 16, 1)""", """
return self.narrow(self.wide(x)).relu()""", ("self.wide(x)", "self.wide(x).relu()")),
    Mistake("dropout is no activation", "CN302", _ROW, """
self.one = nn.Linear(20, 64)
self.drop = nn.Dropout(0.5)
self.two = nn.Linear(64, 10)""", """
return self.two(self.drop(self.one(x)))""", ("self.one(x)", "self.one(x).tanh()")),
    Mistake("softmax of one score", "CN303", _ROW, """
self.hidden = nn.Linear(20, 16)
self.score = nn.Linear(16, 1)""", """
return F.softmax(self.score(self.hidden(x).relu()), dim=1)""",
            ("F.softmax(self.score(self.hidden(x).relu()), dim=1)",
             "self.score(self.hidden(x).relu()).sigmoid()")),
    Mistake("attention weights over the last axis", "CN303", _STEPS, """
self.score = nn.Linear(12, 1)
self.head = nn.Linear(12, 4)""", """
weights = F.softmax(self.score(x), dim=-1)
return self.head((weights * x).sum(1))""", ("dim=-1", "dim=1")),
    Mistake("attention over one key", "CN303", ((5, 12),), """
self.attention = nn.MultiheadAttention(12, 2, batch_first=True)
self.head = nn.Linear(12, 4)""", """
x = x.unsqueeze(1)
x, _ = self.attention(x, x, x)
return self.head(x.squeeze(1))""",
            ("x = x.unsqueeze(1)", "x = torch.stack([x, 2 * x], 1)[:, :2][:, [0, 1]]")),
    Mistake("dropout of a recurrent layer", "CN307", _STEPS, """
self.gru = nn.GRU(12, 16, batch_first=True, dropout=0.2)
self.head = nn.Linear(16, 4)""", """
x, _ = self.gru(x)
return self.head(x[:, -1])""", ("dropout=0.2", "num_layers=2, dropout=0.2")),
    Mistake("dropout of channels on features", "CN313", _ROW, """
self.hidden = nn.Linear(20, 16)
self.drop = nn.Dropout2d(0.5)
self.head = nn.Linear(16, 4)""", """
return self.head(self.drop(self.hidden(x).relu()))""", ("nn.Dropout2d", "nn.Dropout")),
    Mistake("ReLU twice", "CN310", _IMAGE, """
self.conv = nn.Conv2d(3, 8, 3)
self.head = nn.Linear(8, 4)""", """
x = F.max_pool2d(F.relu(self.conv(x)), 2)
return self.head(F.relu(x).mean((2, 3)))""", ("F.relu(x).mean", "x.mean")),
    Mistake("probabilities for a cross-entropy", "CN311", _ROW, """
self.head = nn.Linear(20, 4)""", """
return F.softmax(self.head(x), dim=1)""", ("F.softmax(self.head(x), dim=1)", "self.head(x)")),
    Mistake("ReLU on the scores", "CN311", _ROW, """
self.head = nn.Linear(20, 4)""", """
return F.relu(self.head(x))""", ("F.relu(self.head(x))", "self.head(x)")),
    Mistake("softmax without dim", "CN312", _STEPS, """
self.score = nn.Linear(12, 3)""", """
return F.softmax(self.score(x)).sum(1)""", ("(self.score(x))", "(self.score(x), -1)")),
    Mistake("layer of softmax without dim", "CN312", _ROW, """
self.score = nn.Linear(20, 3)
self.softmax = nn.LogSoftmax()""", """
return self.softmax(self.score(x))""", ("LogSoftmax()", "LogSoftmax(1)")),
    # kernels
    Mistake("dilation larger than the map", "CN401", ((2, 3, 17, 17),), """
self.conv = nn.Conv2d(3, 8, 3, padding=18, dilation=18)""", """
return self.conv(x)""", ("padding=18, dilation=18", "padding=6, dilation=6")),
    Mistake("3x3 on a map of one position", "CN401", ((2, 3, 8, 8),), """
self.conv = nn.Conv2d(3, 8, 8)
self.last = nn.Conv2d(8, 8, 3, padding=1)""", """
return self.last(self.conv(x).relu())""", ("8, 8, 3, padding=1", "8, 8, 1")),
    Mistake("1x1 with stride", "CN402", _IMAGE, """
self.conv = nn.Conv2d(3, 8, 3, padding=1)
self.main = nn.Conv2d(8, 16, 1, 2)
self.shortcut = nn.Conv2d(8, 16, 1, 2)""", """
x = self.conv(x).relu()
return self.main(x) + self.shortcut(x)""", ("self.main = nn.Conv2d(8, 16, 1, 2)",
                                           "self.main = nn.Conv2d(8, 16, 3, 2, 1)")),
    Mistake("pool of what was pooled", "CN404", _IMAGE, """
self.conv = nn.Conv2d(3, 8, 3)
self.pool = nn.AdaptiveAvgPool2d((1, 1))""", """
x = self.pool(self.conv(x).relu())
return F.avg_pool2d(x, 1).flatten(1)""", ("F.avg_pool2d(x, 1).flatten(1)", "x.flatten(1)")),
    # numbers
    Mistake("log of softmax plus epsilon", "CN601", _ROW, """
self.head = nn.Linear(20, 4)""", """
return torch.log(F.softmax(self.head(x), 1) + 1e-9)""",
            ("torch.log(F.softmax(self.head(x), 1) + 1e-9)", "F.log_softmax(self.head(x), 1)")),
    Mistake("softmax by hand", "CN602", _STEPS, """
self.score = nn.Linear(12, 1)""", """
weights = torch.exp(self.score(x))
weights = weights / torch.sum(weights, dim=1, keepdim=True)
return (weights * x).sum(1)""", ("torch.exp(self.score(x))", "torch.exp(self.score(x).tanh())")),
    Mistake("double table", "CN603", _ROW, """
self.register_buffer("basis", torch.linspace(0, 1, 20, dtype=torch.float64)[:, None])""", """
return x.double() @ self.basis""",
            ("x.double() @ self.basis", "x @ self.basis.float()")),
    Mistake("distance without a constant", "CN604", ((5, 8), (5, 8)), """
self.embed = nn.Linear(8, 4)""", """
d = (self.embed(x) - self.embed(y)).pow(2).sum(1)
return torch.sqrt(d)""", ("torch.sqrt(d)", "torch.sqrt(d + 1e-6)")),
    # costs
    Mistake("branch that is not added", "CN701", _IMAGE, """
self.main = nn.Conv2d(3, 8, 3, padding=1)
self.shortcut = nn.Conv2d(3, 8, 1)""", """
y = self.main(x)
z = self.shortcut(x)
return y.relu()""", ("return y.relu()", "return (y + z).relu()")),
    Mistake("backbone run for each head", "CN702", _IMAGE, """
self.body = nn.Conv2d(3, 8, 3)
self.heads = nn.ModuleList(nn.Linear(8, n) for n in (2, 4))""", """
return [head(self.body(x).relu().mean((2, 3))) for head in self.heads]""",
            ("return [head(self.body(x).relu().mean((2, 3))) for",
             "x = self.body(x).relu().mean((2, 3))\n        return [head(x) for")),
    Mistake("1x1 before a global pool", "CN703", _IMAGE, """
self.body = nn.Conv2d(3, 8, 3)
self.head = nn.Conv2d(8, 10, 1)
self.pool = nn.AdaptiveAvgPool2d(1)""", """
return self.pool(self.head(self.body(x).relu())).flatten(1)""",
            ("self.pool(self.head(self.body(x).relu()))",
             "self.head(self.pool(self.body(x).relu()))")),
    Mistake("1x1 on an enlarged map", "CN704", _IMAGE, """
self.body = nn.Conv2d(3, 8, 3)
self.head = nn.Conv2d(8, 10, 1)""", """
return self.head(F.interpolate(self.body(x).relu(), scale_factor=4, mode="bilinear"))""",
            ("self.head(F.interpolate(self.body(x).relu(), scale_factor=4, mode=\"bilinear\"))",
             "F.interpolate(self.head(self.body(x).relu()), scale_factor=4, mode=\"bilinear\")")),
]  # fmt: skip
