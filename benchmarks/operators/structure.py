"""How modules are put together: shared, frozen, nested, conditional, checkpointed, uncounted."""

from collections import OrderedDict

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint


class Shared(nn.Module):
    """One module called three times, and one weight in two layers."""

    input, letters = "2,4,10,10", "N,4,H,W"

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 3, padding=1)
        self.act = nn.ReLU()
        self.tied = nn.Conv2d(4, 4, 3, padding=1, bias=False)
        self.tied.weight = self.conv.weight

    def forward(self, x):
        for _ in range(3):
            x = self.act(self.conv(x) + x)
        return self.tied(x)


class Frozen(nn.Module):
    """A frozen stem, a frozen part in the middle, a part without gradients, an unused part."""

    input = "2,3,16,16"

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8)).requires_grad_(False)
        self.body = nn.Conv2d(8, 8, 3)
        self.fixed = nn.Conv2d(8, 8, 1).requires_grad_(False)
        self.teacher = nn.Conv2d(8, 8, 1)
        self.head = nn.Linear(8, 4)
        self.unused = nn.Linear(3, 3)

    def forward(self, x):
        x = self.fixed(self.body(self.stem(x)))
        with torch.no_grad():
            taught = self.teacher(x)
        return self.head((x - taught).mean((2, 3)))


class Nested(nn.Module):
    """Lists and dicts of modules; a dict comes out."""

    input = "2,4,8,8"

    def __init__(self):
        super().__init__()
        self.stages = nn.ModuleList(
            nn.Sequential(OrderedDict(conv=nn.Conv2d(4, 4, 3, padding=1), act=nn.ReLU()))
            for _ in range(3)
        )
        self.heads = nn.ModuleDict({"small": nn.Linear(4, 2), "large": nn.Linear(4, 9)})
        self.scale = nn.ParameterList(nn.Parameter(torch.ones(1)) for _ in range(3))

    def forward(self, x):
        for stage, scale in zip(self.stages, self.scale, strict=True):
            x = stage(x) * scale
        pooled = x.mean((2, 3))
        return {"maps": [x], "heads": {name: head(pooled) for name, head in self.heads.items()}}


class Gated(nn.Module):
    """Squeeze and excitation, with residual connections of several kinds."""

    input, letters = "2,8,12,12", "N,8,H,W"

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(8, 8, 3, padding=1)
        self.down = nn.Conv2d(8, 16, 1, stride=2)
        self.gate = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(8, 2, 1), nn.ReLU(),
                                  nn.Conv2d(2, 8, 1), nn.Sigmoid())  # fmt: skip
        self.gamma = nn.Parameter(torch.full((8, 1, 1), 1e-4))

    def forward(self, x):
        y = self.conv(x)
        y = x + self.gamma * (y * self.gate(y))
        return self.down(y) + torch.cat([y, x], 1)[:, :, ::2, ::2]


class Checkpointed(nn.Module):
    input = "2,4,8,8"

    def __init__(self):
        super().__init__()
        self.block = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 4, 1))

    def forward(self, x):
        return checkpoint(self.block, x, use_reentrant=False) + x


class Conditional(nn.Module):
    """A value decides, always in the same way: it is run for real."""

    input = "2,4,8,8"

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 3)

    def forward(self, x):
        y = self.conv(x)
        return y.relu() if y.abs().sum() >= 0 else y.sigmoid()


class ValueSized(nn.Module):
    """Sizes depend on values: an upper bound on the meta device, or a real run."""

    input = "4,6"

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(6, 2)

    def forward(self, x):
        kept = x[x[:, 0] > -10]
        return self.head(kept), torch.nonzero(x), torch.unique(x), torch.masked_select(x, x > 0)


class Uncounted(nn.Module):
    """Operators without a rule: the totals are lower bounds."""

    input = "2,6,6"

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(6, 6)

    def forward(self, x):
        x = self.linear(x)
        return torch.linalg.qr(
            x @ x.transpose(1, 2) + torch.eye(6, device=x.device)
        ).Q, torch.special.i0(x)


class Function(torch.autograd.Function):
    @staticmethod
    def forward(context, x):
        context.save_for_backward(x)
        return x * x.sigmoid()

    @staticmethod
    def backward(context, gradient):
        (x,) = context.saved_tensors
        s = x.sigmoid()
        return gradient * (s + x * s * (1 - s))


class CustomGradient(nn.Module):
    input = "2,4,8,8"

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 3)

    def forward(self, x):
        return Function.apply(self.conv(x))


class Overwritten(nn.Module):
    """What the backward pass needs is written over: it runs, and cannot be trained."""

    input = "2,8"

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(8, 8)

    def forward(self, x):
        return self.linear(x).relu_().mul_(2)


class Hooked(nn.Module):
    """Forward hooks change what goes in and comes out."""

    input = "2,6"

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(6, 8), nn.Linear(8, 4)
        self.first.register_forward_hook(lambda module, given, out: out.relu())
        self.second.register_forward_pre_hook(lambda module, given: (given[0] * 2,))

    def forward(self, x):
        return self.second(self.first(x))


class Keywords(nn.Module):
    """Inputs by name, in a dict, and one that is left out."""

    input = ("x=2,4,8", "mask=2,4:bool")

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(8, 8)

    def forward(self, x, mask=None, scale=None):
        x = self.linear(x)
        return x if mask is None else x.masked_fill(mask.unsqueeze(-1), 0)


class Suspicious(nn.Module):
    """The batch is mixed into the features."""

    input = "25,1,28,28"

    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 6, 5), nn.Conv2d(6, 16, 5)
        self.pool, self.fc = nn.MaxPool2d(2), nn.Linear(400, 10)

    def forward(self, x):
        x = self.pool(self.conv2(self.pool(self.conv1(x).relu())).relu())
        return self.fc(x.view(-1, 400))


class Unconnected(nn.Module):
    """A layer whose output goes nowhere, and one that gets no gradient."""

    input = "2,8"

    def __init__(self):
        super().__init__()
        self.used, self.lost, self.detached = nn.Linear(8, 8), nn.Linear(8, 3), nn.Linear(8, 8)

    def forward(self, x):
        x = self.used(x)
        self.lost(x)
        return x + self.detached(x).detach()


class MultiScale(nn.Module):
    """Branches of other resolutions are joined: a feature pyramid."""

    input, letters = "1,3,64,64", "1,3,H,W"

    def __init__(self):
        super().__init__()
        self.down = nn.ModuleList(nn.Conv2d(c, 8, 3, stride=2, padding=1) for c in (3, 8, 8))
        self.side = nn.ModuleList(nn.Conv2d(8, 4, 1) for _ in range(3))
        self.smooth = nn.Conv2d(4, 4, 3, padding=1)

    def forward(self, x):
        maps = []
        for down in self.down:
            x = down(x).relu()
            maps.append(x)
        y = self.side[2](maps[2])
        for side, x in zip(self.side[1::-1], maps[1::-1], strict=True):
            y = side(x) + nn.functional.interpolate(y, size=x.shape[-2:], mode="nearest")
        return self.smooth(y)
