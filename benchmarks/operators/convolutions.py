"""Convolutions of one, two and three axes: every setting, grouped, transposed, without a batch."""

import torch
from torch import nn
from torch.nn import functional as F


class Conv1d(nn.Sequential):
    input, letters = "2,4,64", "N,4,L"

    def __init__(self):
        super().__init__(
            nn.Conv1d(4, 8, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv1d(8, 8, 5, dilation=2, groups=4, bias=False),
            nn.Conv1d(8, 6, 4, padding="same"),
        )


class Conv2d(nn.Sequential):
    input, letters = "2,3,40,36", "N,3,H,W"

    def __init__(self):
        super().__init__(
            nn.Conv2d(3, 8, 7, stride=2, padding=3, bias=False),
            nn.Conv2d(8, 8, 3, padding=1, groups=8),  # depthwise
            nn.Conv2d(8, 16, 1),
            nn.Conv2d(16, 16, (3, 5), stride=(1, 2), padding=(2, 1), dilation=(2, 1), groups=4),
            nn.Conv2d(16, 12, 3, padding="same", dilation=2),
            nn.Conv2d(12, 24, 2, padding="valid", groups=12),  # two filters for each channel
        )


class Conv3d(nn.Sequential):
    input, letters = "2,3,8,16,16", "N,3,T,H,W"

    def __init__(self):
        super().__init__(
            nn.Conv3d(3, 8, (1, 3, 3), stride=(1, 2, 2), padding=(0, 1, 1)),
            nn.BatchNorm3d(8),
            nn.ReLU(inplace=True),
            nn.Conv3d(8, 8, 3, padding=1, groups=2),
            nn.Conv3d(8, 4, (3, 1, 1), dilation=(2, 1, 1)),
        )


class PaddingModes(nn.Sequential):
    input, letters = "1,3,16,20", "1,3,H,W"

    def __init__(self):
        super().__init__(
            nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect"),
            nn.Conv2d(4, 4, 3, padding=2, padding_mode="replicate"),
            nn.Conv2d(4, 4, 5, padding=2, padding_mode="circular"),
        )


class Transposed1d(nn.Sequential):
    input, letters = "2,4,10", "N,4,L"

    def __init__(self):
        super().__init__(
            nn.ConvTranspose1d(4, 6, 4, stride=2, padding=1),
            nn.ConvTranspose1d(6, 6, 3, stride=3, output_padding=2, groups=3, bias=False),
            nn.Conv1d(6, 2, 3),
        )


class Transposed2d(nn.Sequential):
    input, letters = "2,8,7,9", "N,8,H,W"

    def __init__(self):
        super().__init__(
            nn.ConvTranspose2d(8, 8, 2, stride=2),
            nn.ConvTranspose2d(8, 6, 3, stride=2, padding=1, output_padding=1),
            nn.ConvTranspose2d(6, 6, 3, dilation=2, groups=2, bias=False),
            nn.ConvTranspose2d(6, 4, (3, 4), stride=(1, 3), padding=(0, 1), output_padding=(0, 2)),
            nn.ConvTranspose2d(4, 4, 3, dilation=3, padding=2, output_padding=2),
            nn.Conv2d(4, 2, 3, padding=1),
        )


class Transposed3d(nn.Sequential):
    input, letters = "1,4,3,4,5", "N,4,T,H,W"

    def __init__(self):
        super().__init__(
            nn.ConvTranspose3d(4, 4, (1, 2, 2), stride=(1, 2, 2)),
            nn.ConvTranspose3d(4, 2, 3, stride=2, padding=1, output_padding=1, groups=2),
        )


class SizedTransposed(nn.Module):
    """The size of the output is asked for."""

    input = "1,4,12,12"

    def __init__(self):
        super().__init__()
        self.down = nn.Conv2d(4, 8, 3, stride=2, padding=1)
        self.up = nn.ConvTranspose2d(8, 4, 3, stride=2, padding=1)

    def forward(self, x):
        return self.up(self.down(x), output_size=x.shape[-2:])


class Unbatched(nn.Sequential):
    input, letters = "3,24,24", "3,H,W"

    def __init__(self):
        super().__init__(
            nn.Conv2d(3, 8, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2, ceil_mode=True),
            nn.ConvTranspose2d(8, 4, 2, stride=2),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(0),
            nn.Linear(16, 5),
        )


class Unbatched1d(nn.Sequential):
    input, letters = "4,30", "4,L"

    def __init__(self):
        super().__init__(
            nn.Conv1d(4, 8, 5, stride=2),
            nn.AvgPool1d(2),
            nn.ConvTranspose1d(8, 4, 3, dilation=2),
            nn.AdaptiveMaxPool1d(3),
        )


class Unbatched3d(nn.Sequential):
    input = "2,6,8,8"

    def __init__(self):
        super().__init__(
            nn.Conv3d(2, 4, 3, padding=1),
            nn.MaxPool3d(2, ceil_mode=True),
            nn.ConvTranspose3d(4, 2, 2, stride=2),
        )


class Functional(nn.Module):
    """Convolutions as functions, with weights that the module has or computes."""

    input, letters = "2,4,12,12", "N,4,H,W"

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(6, 2, 3, 3))
        self.bias = nn.Parameter(torch.empty(6))
        self.register_buffer("blur", torch.ones(6, 1, 5, 5))
        self.up = nn.Parameter(torch.empty(6, 2, 2, 2))

    def forward(self, x):
        x = F.conv2d(x, self.weight, self.bias, stride=2, padding=1, groups=2)
        x = F.conv2d(x, self.blur / self.blur.sum(), padding="same", groups=6)
        x = F.conv_transpose2d(x, self.up, stride=2, groups=2)
        return F.conv1d(x.flatten(2), x.new_ones(3, 4, 3), padding=1)


class Standardized(nn.Conv2d):
    """Weights are standardized at each call."""

    input = "1,4,10,10"

    def __init__(self):
        super().__init__(4, 8, 3, padding=1)

    def forward(self, x):
        mean = self.weight.mean(dim=(1, 2, 3), keepdim=True)
        std = self.weight.std(dim=(1, 2, 3), keepdim=True)
        return self._conv_forward(x, (self.weight - mean) / (std + 1e-5), self.bias)


class TimeFirst(nn.Module):
    input = "20,2,8"

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(3, 8, 6))
        self.bias = nn.Parameter(torch.empty(6))

    def forward(self, x):
        return torch.conv_tbc(x, self.weight, self.bias, 1)


class Lazy(nn.Sequential):
    input = "2,5,16,16"

    def __init__(self):
        super().__init__(
            nn.LazyConv2d(8, 3, stride=2),
            nn.LazyBatchNorm2d(),
            nn.LazyConvTranspose2d(4, 2, stride=2),
            nn.Flatten(),
            nn.LazyLinear(10),
        )


class Flawed(nn.Sequential):
    """It runs, and a stride larger than its kernel leaves pixels out."""

    input, letters = "1,3,33,33", "1,3,H,W"

    def __init__(self):
        super().__init__(
            nn.Conv2d(3, 8, 3, stride=2, padding=0),
            nn.BatchNorm2d(8),
            nn.Conv2d(8, 8, 1, stride=2),
            nn.MaxPool2d(2, stride=3),
        )


class ChannelsLast(nn.Sequential):
    input = "2,8,16,16"

    def __init__(self):
        super().__init__(nn.Conv2d(8, 8, 3, padding=1, groups=2), nn.ReLU(), nn.MaxPool2d(2))
        self.to(memory_format=torch.channels_last)
