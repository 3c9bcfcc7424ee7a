"""Normalization over the batch, groups, channels and last axes; softmax and statistics."""

import torch
from torch import nn
from torch.nn import functional as F


class Weighted(nn.Module):
    """The base of networks without layers: with its parameter there is a backward pass."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))


class Batch(nn.Sequential):
    input, letters = "4,3,12,12", "N,3,H,W"

    def __init__(self):
        super().__init__(
            nn.Conv2d(3, 8, 3, bias=False),
            nn.BatchNorm2d(8),
            nn.ReLU(inplace=True),
            nn.BatchNorm2d(8, affine=False),
            nn.BatchNorm2d(8, track_running_stats=False),
            nn.SyncBatchNorm(8),
        )


class Lines(nn.Sequential):
    input = "4,6,20"

    def __init__(self):
        super().__init__(nn.BatchNorm1d(6), nn.InstanceNorm1d(6), nn.GroupNorm(3, 6))


class Features(nn.Sequential):
    input = "4,6"

    def __init__(self):
        super().__init__(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.LayerNorm(8), nn.RMSNorm(8))


class Volumes(nn.Sequential):
    input = "2,4,3,6,6"

    def __init__(self):
        super().__init__(nn.BatchNorm3d(4), nn.InstanceNorm3d(4, affine=True))


class Groups(nn.Sequential):
    input, letters = "2,8,10,10", "N,8,H,W"

    def __init__(self):
        super().__init__(
            nn.GroupNorm(4, 8),
            nn.Conv2d(8, 8, 3, padding=1),
            nn.GroupNorm(1, 8, affine=False),
            nn.InstanceNorm2d(8),
            nn.InstanceNorm2d(8, affine=True, track_running_stats=True),
            nn.LocalResponseNorm(5),
        )


class Layers(nn.Module):
    input, letters = "2,10,6,8", "N,T,6,8"

    def __init__(self):
        super().__init__()
        self.one, self.two = nn.LayerNorm(8), nn.LayerNorm((6, 8), elementwise_affine=False)
        self.bare, self.rms = nn.LayerNorm(8, bias=False), nn.RMSNorm((6, 8))

    def forward(self, x):
        return F.layer_norm(self.rms(self.bare(self.two(self.one(x)))), (8,))


class ChannelsFirst(nn.Module):
    """A layer norm of channels, written out and by permuting, as in ConvNeXt."""

    input, letters = "2,8,6,6", "N,8,H,W"

    def __init__(self):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(8)), nn.Parameter(torch.zeros(8))

    def forward(self, x):
        mean = x.mean(1, keepdim=True)
        var = (x - mean).pow(2).mean(1, keepdim=True)
        y = (x - mean) / torch.sqrt(var + 1e-6)
        y = self.weight[:, None, None] * y + self.bias[:, None, None]
        return F.layer_norm(y.permute(0, 2, 3, 1), (8,), self.weight, self.bias).permute(0, 3, 1, 2)


class Softmax(Weighted):
    input, letters = "2,5,10", "N,5,T"

    def forward(self, x):
        x = x * self.weight
        y = x.softmax(1) + F.log_softmax(x, -1) + F.softmin(x, -1)
        return y - torch.logsumexp(x, -1, keepdim=True), F.gumbel_softmax(x, dim=-1)


class Statistics(Weighted):
    input = "3,6,8"

    def forward(self, x):
        x = x * self.weight
        var, mean = torch.var_mean(x, dim=-1, keepdim=True)
        deviation, _ = torch.std_mean(x, dim=(1, 2))
        y = (x - mean) / var.add(1e-5).rsqrt() + x.std(-1, keepdim=True) + x.var()
        return F.normalize(y, dim=-1) * x.norm() + deviation[:, None, None], torch.linalg.norm(
            x, dim=-1
        )


class Parametrized(nn.Sequential):
    """Weights that are computed from others at each call."""

    input = "2,4,8,8"

    def __init__(self):
        super().__init__(
            nn.utils.parametrizations.weight_norm(nn.Conv2d(4, 6, 3)),
            nn.utils.parametrizations.spectral_norm(nn.Conv2d(6, 4, 1)),
            nn.Flatten(),
            nn.utils.parametrizations.weight_norm(nn.Linear(144, 5), dim=None),
        )
