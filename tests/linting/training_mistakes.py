"""Mistakes that keep a network from being trained, saved, moved or evaluated as it should be."""

from __future__ import annotations

from tests.linting.mistakes import Mistake

_ROW, _IMAGE, _STEPS = ((5, 20),), ((5, 3, 16, 16),), ((5, 12, 20),)

TRAINING_MISTAKES = [
    # layers that no module registers
    Mistake(
        "layers in a dict",
        "CN101",
        _ROW,
        """
self.heads = {"a": nn.Linear(20, 10), "b": nn.Linear(20, 10)}""",
        """
return self.heads["a"](x) + self.heads["b"](x)""",
        (
            '{"a": nn.Linear(20, 10), "b": nn.Linear(20, 10)}',
            'nn.ModuleDict({"a": nn.Linear(20, 10), "b": nn.Linear(20, 10)})',
        ),
    ),
    Mistake(
        "a list that a loop fills",
        "CN101",
        _ROW,
        """
self.layers = []
for _ in range(3):
    self.layers.append(nn.Linear(20, 20))""",
        """
for layer in self.layers:
    x = layer(x).relu()
return x""",
        ("self.layers = []", "self.layers = nn.ModuleList()"),
    ),
    Mistake(
        "a list in a list",
        "CN101",
        _ROW,
        """
self.stages = [[nn.Linear(20, 20)], [nn.Linear(20, 10)]]""",
        """
for stage in self.stages:
    for layer in stage:
        x = layer(x)
return x""",
        (
            "[[nn.Linear(20, 20)], [nn.Linear(20, 10)]]",
            "nn.ModuleList(nn.ModuleList([nn.Linear(20, n)]) for n in (20, 10))",
        ),
    ),
    Mistake(
        "parameters in a list",
        "CN101",
        _ROW,
        """
self.scales = [nn.Parameter(torch.ones(20)) for _ in range(2)]""",
        """
return x * self.scales[0] + self.scales[1]""",
        (
            "[nn.Parameter(torch.ones(20)) for _ in range(2)]",
            "nn.ParameterList(nn.Parameter(torch.ones(20)) for _ in range(2))",
        ),
    ),
    Mistake(
        "a layer of the class",
        "CN101",
        _ROW,
        """
type(self).shared = None
self.first = nn.Linear(20, 20)
globals().setdefault("SHARED", nn.Linear(20, 10))""",
        """
return SHARED(self.first(x))""",
        (
            'globals().setdefault("SHARED", nn.Linear(20, 10))',
            'globals()["SHARED"] = self.second = nn.Linear(20, 10)',
        ),
    ),
    Mistake(
        "a layer in forward",
        "CN103",
        _IMAGE,
        """
self.conv = nn.Conv2d(3, 8, 3)""",
        """
x = self.conv(x)
return nn.BatchNorm2d(8)(x)""",
        ("nn.BatchNorm2d(8)(x)", "x.relu()"),
    ),
    Mistake(
        "a list times three",
        "CN104",
        _ROW,
        """
self.layers = nn.ModuleList([nn.Linear(20, 20)] * 3)""",
        """
for layer in self.layers:
    x = layer(x).relu()
return x""",
        ("[nn.Linear(20, 20)] * 3", "nn.Linear(20, 20) for _ in range(3)"),
    ),
    # what stays on the CPU
    Mistake(
        "positions by arange",
        "CN102",
        _STEPS,
        """
self.positions = nn.Embedding(12, 20)""",
        """
return x + self.positions(torch.arange(x.size(1)))""",
        ("torch.arange(x.size(1))", "torch.arange(x.size(1), device=x.device)"),
    ),
    Mistake(
        "a hidden state",
        "CN102",
        _STEPS,
        """
self.lstm = nn.LSTM(20, 32, batch_first=True)""",
        """
h0 = torch.zeros(1, x.size(0), 32)
out, _ = self.lstm(x, (h0, h0))
return out[:, -1]""",
        ("x.size(0), 32)", "x.size(0), 32, device=x.device)"),
    ),
    Mistake(
        "a mask in a list",
        "CN102",
        _ROW,
        """
self.masks = [torch.ones(20)]
self.head = nn.Linear(20, 10)""",
        """
return self.head(x * self.masks[0])""",
        ("self.masks[0])", "self.masks[0].to(x.device))"),
    ),
    Mistake(
        "a table that a product reads",
        "CN102",
        _ROW,
        """
self.basis = torch.randn(20, 8)
self.head = nn.Linear(8, 10)""",
        """
return self.head(x @ self.basis)""",
        ("self.basis = torch.randn(20, 8)", 'self.register_buffer("basis", torch.randn(20, 8))'),
    ),
    # parameters without gradient or values
    Mistake(
        "a shortcut that is never called",
        "CN105",
        _IMAGE,
        """
self.conv = nn.Conv2d(3, 8, 3, padding=1)
self.shortcut = nn.Sequential(nn.Conv2d(3, 8, 1), nn.BatchNorm2d(8))""",
        """
return self.conv(x).relu()""",
        ("self.conv(x).relu()", "(self.conv(x) + self.shortcut(x)).relu()"),
    ),
    Mistake(
        "a detached branch",
        "CN106",
        _ROW,
        """
self.first = nn.Linear(20, 20)
self.second = nn.Linear(20, 10)""",
        """
x = self.first(x).detach()
return self.second(x)""",
        (".detach()", ".relu()"),
    ),
    Mistake(
        "a result that is dropped",
        "CN106",
        _ROW,
        """
self.first = nn.Linear(20, 20)
self.second = nn.Linear(20, 10)""",
        """
y = self.first(x)
return self.second(x)""",
        ("self.second(x)", "self.second(y)"),
    ),
    Mistake(
        "a parameter of torch.Tensor",
        "CN107",
        _ROW,
        """
self.weight = nn.Parameter(torch.Tensor(20, 10))""",
        """
return x @ self.weight""",
        ("torch.Tensor(20, 10)", "torch.Tensor(20, 10).normal_(std=0.1)"),
    ),
    # modes
    Mistake(
        "a dropout in forward",
        "CN501",
        _ROW,
        """
self.head = nn.Linear(20, 10)""",
        """
return self.head(nn.Dropout(0.3)(x))""",
        ("nn.Dropout(0.3)(x)", "F.dropout(x, 0.3, self.training)"),
    ),
    Mistake(
        "dropout of channels",
        "CN501",
        _IMAGE,
        """
self.conv = nn.Conv2d(3, 8, 3)""",
        """
return F.dropout2d(self.conv(x), 0.2)""",
        ("0.2)", "0.2, training=self.training)"),
    ),
    Mistake(
        "dropout of attention",
        "CN501",
        _STEPS,
        """
self.qkv = nn.Linear(20, 60)""",
        """
q, k, v = self.qkv(x).chunk(3, -1)
return F.scaled_dot_product_attention(q, k, v, dropout_p=0.1)""",
        ("dropout_p=0.1", "dropout_p=0.1 if self.training else 0.0"),
    ),
    Mistake(
        "noise",
        "CN502",
        _ROW,
        """
self.head = nn.Linear(20, 10)""",
        """
return self.head(x + torch.rand_like(x))""",
        ("torch.rand_like(x)", "1"),
    ),
    Mistake(
        "a ReLU in place behind a softmax",
        "CN503",
        _ROW,
        """
self.first = nn.Linear(20, 20)
self.relu = nn.ReLU(inplace=True)""",
        """
gate = self.first(x).softmax(-1)
return self.relu(gate) * x""",
        ("inplace=True", "inplace=False"),
    ),
    Mistake(
        "an assignment to what a sigmoid returned",
        "CN503",
        _ROW,
        """
self.first = nn.Linear(20, 20)""",
        """
gate = self.first(x).sigmoid()
gate[:, 0] = 1
return gate * x""",
        ("gate[:, 0] = 1", "gate = torch.cat([torch.ones_like(gate[:, :1]), gate[:, 1:]], 1)"),
    ),
    # gradients that are not recorded, outputs that are not returned
    Mistake(
        "a backbone in no_grad",
        "CN106",
        _ROW,
        """
self.body = nn.Linear(20, 20)
self.head = nn.Linear(20, 10)""",
        """
with torch.no_grad():
    x = self.body(x).relu()
return self.head(x)""",
        ("with torch.no_grad():", "if True:"),
    ),
    Mistake(
        "a mask of integers",
        "CN106",
        _ROW,
        """
self.gate = nn.Linear(20, 20)
self.head = nn.Linear(20, 10)""",
        """
return self.head(x * (self.gate(x) > 0))""",
        ("(self.gate(x) > 0)", "self.gate(x).sigmoid()"),
    ),
    Mistake(
        "data of a parameter",
        "CN106",
        _ROW,
        """
self.scale = nn.Parameter(torch.ones(20))
self.head = nn.Linear(20, 10)""",
        """
return self.head(x * self.scale.data)""",
        ("self.scale.data", "self.scale"),
    ),
    Mistake(
        "no return",
        "CN108",
        _ROW,
        """
self.head = nn.Linear(20, 10)""",
        """
x = self.head(x)
x = x.relu()""",
        ("x = x.relu()", "return x.relu()"),
    ),
]
