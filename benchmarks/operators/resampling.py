"""What makes maps larger or smaller, or surrounds them, without weights."""

import torch
from torch import nn
from torch.nn import functional as F


class Weighted(nn.Module):
    """The base of networks without layers: with its parameter there is a backward pass."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))


class Upsampled(nn.Sequential):
    input, letters = "1,4,6,7", "1,4,H,W"

    def __init__(self):
        super().__init__(
            nn.Upsample(scale_factor=2),
            nn.Conv2d(4, 4, 3, padding=1),
            nn.Upsample(scale_factor=1.5, mode="bilinear"),
            nn.Upsample(scale_factor=2, mode="bicubic", align_corners=True),
            nn.Conv2d(4, 2, 3, padding=1),
        )


class Sized(Weighted):
    """To a given size, with and without antialiasing, upwards and downwards."""

    input = "1,3,16,16"

    def forward(self, x):
        x = x * self.weight
        x = F.interpolate(x, (24, 20), mode="nearest-exact")
        x = F.interpolate(x, (12, 12), mode="bilinear", antialias=True)
        x = F.interpolate(x, (9, 9), mode="bicubic", antialias=True)
        return F.interpolate(x, size=(18, 18), mode="area")


class Lines(Weighted):
    input = "2,4,20"

    def forward(self, x):
        x = x * self.weight
        x = F.interpolate(x, scale_factor=2)
        x = F.interpolate(x, scale_factor=2, mode="linear")
        return F.interpolate(x, size=30, mode="nearest-exact")


class Volumes(Weighted):
    input = "1,2,4,6,6"

    def forward(self, x):
        x = x * self.weight
        x = F.interpolate(x, scale_factor=2)
        x = F.interpolate(x, scale_factor=(1, 2, 2), mode="trilinear")
        return F.interpolate(x, size=(4, 8, 8), mode="nearest-exact")


class Shuffled(nn.Module):
    input, letters = "2,12,8,8", "N,12,H,W"

    def __init__(self):
        super().__init__()
        self.up = nn.PixelShuffle(2)
        self.conv = nn.Conv2d(3, 3, 3, padding=1)
        self.down = nn.PixelUnshuffle(2)
        self.mix = nn.ChannelShuffle(4)

    def forward(self, x):
        return self.mix(self.down(self.conv(self.up(x))))


class Unfolded(nn.Module):
    """Patches, a product with each, and the sum of what overlaps."""

    input = "2,3,10,12"

    def __init__(self):
        super().__init__()
        self.unfold = nn.Unfold(3, padding=1, stride=(1, 2), dilation=1)
        self.mix = nn.Linear(27, 27)
        self.fold = nn.Fold((10, 12), 3, padding=1, stride=(1, 2))

    def forward(self, x):
        patches = self.unfold(x).transpose(1, 2)
        return self.fold(self.mix(patches).transpose(1, 2))


class Windows(Weighted):
    """`Tensor.unfold`: windows of an axis as an axis of their own."""

    input = "2,4,20"

    def forward(self, x):
        x = x * self.weight
        return x.unfold(2, 5, 3).mean(-1)


class Padded(nn.Module):
    input, letters = "2,3,10,12", "N,3,H,W"

    def __init__(self):
        super().__init__()
        self.pads = nn.Sequential(
            nn.Conv2d(3, 3, 1),
            nn.ZeroPad2d((1, 2, 0, 1)),
            nn.ReflectionPad2d(2),
            nn.ReplicationPad2d((1, 1, 0, 2)),
            nn.ConstantPad2d(1, 0.5),
            nn.CircularPad2d(1),
        )
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x):
        x = self.conv(self.pads(x))
        return F.pad(x, (0, -1, -1, 0))  # crops


class PaddedOthers(nn.Module):
    """One and three axes."""

    input = ("2,4,9", "1,2,4,5,6")

    def __init__(self):
        super().__init__()
        self.line = nn.Sequential(nn.Conv1d(4, 4, 1), nn.ReflectionPad1d(2), nn.ReplicationPad1d(1))
        self.volume = nn.Sequential(
            nn.Conv3d(2, 2, 1), nn.ReflectionPad3d(1), nn.ReplicationPad3d(1)
        )

    def forward(self, x, y):
        return self.line(x), F.pad(self.volume(y), (1, 1, 1, 1, 1, 1))


class Sampled(nn.Module):
    """A spatial transformer."""

    input = "2,3,12,12"

    def __init__(self):
        super().__init__()
        self.where = nn.Sequential(nn.Flatten(), nn.Linear(432, 6))

    def forward(self, x):
        grid = F.affine_grid(self.where(x).view(-1, 2, 3), x.shape, align_corners=False)
        return F.grid_sample(x, grid, align_corners=False)


class SampledVolume(Weighted):
    input = ("1,2,4,6,6", "1,4,6,6,3")

    def forward(self, x, grid):
        x = x * self.weight
        return F.grid_sample(x, grid.tanh(), mode="nearest", align_corners=True)


class Rolled(Weighted):
    """Shifted windows."""

    input = "1,3,8,8"

    def forward(self, x):
        x = x * self.weight
        x = torch.roll(x, (-2, -2), (2, 3))
        x = x.view(1, 3, 2, 4, 2, 4).permute(0, 2, 4, 3, 5, 1)
        return torch.flip(x.reshape(4, 16, 3), [1]).rot90(1, (0, 1))
