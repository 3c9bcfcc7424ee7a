"""Pools of one, two and three axes: ceil_mode, padding, dilation, adaptive, with indices."""

import torch
from torch import nn
from torch.nn import functional as F


class Ceil1d(nn.Sequential):
    input, letters = "2,4,50", "N,4,L"

    def __init__(self):
        super().__init__(
            nn.Conv1d(4, 4, 1),
            nn.MaxPool1d(3, stride=2, ceil_mode=True),
            nn.AvgPool1d(2, stride=2, ceil_mode=True),
            nn.MaxPool1d(2, stride=2, padding=1, ceil_mode=True),
            nn.Conv1d(4, 2, 3),
        )


class Ceil2d(nn.Sequential):
    """The last window of the second pool would begin in the padding and is left out."""

    input, letters = "2,3,45,38", "N,3,H,W"

    def __init__(self):
        super().__init__(
            nn.Conv2d(3, 4, 3, stride=2),
            nn.MaxPool2d(3, stride=2, ceil_mode=True),
            nn.AvgPool2d(2, stride=3, padding=1, ceil_mode=True),
            nn.MaxPool2d((2, 3), stride=(2, 1), padding=(1, 1), ceil_mode=True),
        )


class Ceil3d(nn.Sequential):
    input, letters = "1,2,9,15,14", "1,2,T,H,W"

    def __init__(self):
        super().__init__(
            nn.Conv3d(2, 2, 1),
            nn.MaxPool3d(2, stride=2, ceil_mode=True),
            nn.AvgPool3d((1, 2, 2), stride=(1, 3, 3), ceil_mode=True),
            nn.Conv3d(2, 2, 2),
        )


class Floor(nn.Sequential):
    input, letters = "2,3,64,60", "N,3,H,W"

    def __init__(self):
        super().__init__(
            nn.Conv2d(3, 3, 3, padding=1),
            nn.MaxPool2d(2),
            nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False),
            nn.MaxPool2d(3, stride=2, padding=1),
            nn.MaxPool2d(2, stride=1, dilation=3),
            nn.AvgPool2d((2, 1), divisor_override=3),
            nn.LPPool2d(2, 2),
        )


class Floor3d(nn.Sequential):
    input, letters = "2,3,8,16,16", "N,3,T,H,W"

    def __init__(self):
        super().__init__(
            nn.Conv3d(3, 3, 1),
            nn.MaxPool3d((1, 3, 3), stride=(1, 2, 2), padding=(0, 1, 1)),
            nn.AvgPool3d(2),
            nn.MaxPool3d(2, stride=1, dilation=2),
        )


class Adaptive(nn.Sequential):
    input, letters = "2,4,20,18", "N,4,H,W"

    def __init__(self):
        super().__init__(
            nn.Conv2d(4, 4, 1),
            nn.AdaptiveMaxPool2d((None, 9)),
            nn.AdaptiveAvgPool2d((7, 5)),
            nn.AdaptiveMaxPool2d(4),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(4, 2),
        )


class AdaptiveOthers(nn.Module):
    """One and three axes."""

    input = ("2,4,30", "2,3,6,8,8")

    def __init__(self):
        super().__init__()
        self.line = nn.Sequential(
            nn.Conv1d(4, 4, 3), nn.AdaptiveAvgPool1d(10), nn.AdaptiveMaxPool1d(4)
        )
        self.volume = nn.Sequential(
            nn.Conv3d(3, 3, 1), nn.AdaptiveAvgPool3d((3, 4, 4)), nn.AdaptiveMaxPool3d(2)
        )

    def forward(self, x, y):
        return self.line(x), self.volume(y)


class Unpooled(nn.Module):
    input = "1,2,12,12"

    def __init__(self):
        super().__init__()
        self.pool = nn.MaxPool2d(2, return_indices=True)
        self.conv = nn.Conv2d(2, 2, 3, padding=1)
        self.unpool = nn.MaxUnpool2d(2)

    def forward(self, x):
        y, indices = self.pool(x)
        return self.unpool(self.conv(y), indices)


class Fractional(nn.Sequential):
    input = "1,2,13,13"

    def __init__(self):
        super().__init__(nn.Conv2d(2, 2, 1), nn.FractionalMaxPool2d(2, output_size=7))


class Functional(nn.Module):
    """The same as functions and methods, in a forward of their own."""

    input, letters = "2,4,32,32", "N,4,H,W"

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 3, padding=1)

    def forward(self, x):
        x = F.max_pool2d(self.conv(x), 2)
        x = F.avg_pool2d(self.conv(x), 2, ceil_mode=True)
        x = F.adaptive_avg_pool2d(x, 4) + F.adaptive_max_pool2d(x, 4)
        return torch.cat([x.mean((2, 3)), x.amax((2, 3)), x.flatten(2).sum(-1)], 1)


class Unbatched(nn.Sequential):
    input = "3,21,21"

    def __init__(self):
        super().__init__(
            nn.Conv2d(3, 4, 3, padding=1),
            nn.MaxPool2d(2, ceil_mode=True),
            nn.AvgPool2d(3, stride=2, ceil_mode=True),
            nn.AdaptiveAvgPool2d(3),
        )
