"""Networks whose shapes do not fit, one for each kind of operator: their diagnoses are frozen.

The ones that people really write are in `examples/broken`.
"""

import torch
from torch import nn
from torch.nn import functional as F


class Conv1d(nn.Sequential):
    input = "2,4,30"

    def __init__(self):
        super().__init__(nn.Conv1d(4, 8, 3), nn.ReLU(), nn.Conv1d(6, 8, 3), nn.Conv1d(8, 4, 1))


class Conv3d(nn.Sequential):
    input = "1,3,4,12,12"

    def __init__(self):
        super().__init__(nn.Conv3d(3, 8, (1, 3, 3)), nn.Conv3d(8, 8, (6, 3, 3)), nn.Flatten())


class Exchanged(nn.Sequential):
    """The channels stand in the wrong order; a kernel and a stride of one size."""

    input = "1,3,24,24"

    def __init__(self):
        super().__init__(nn.Conv2d(8, 3, 3), nn.Conv2d(8, 4, 3), nn.MaxPool2d(2))


class Transposed(nn.Module):
    input = "1,4,9,9"

    def __init__(self):
        super().__init__()
        self.down = nn.Conv2d(4, 8, 3, stride=2, padding=1)
        self.up = nn.ConvTranspose2d(8, 4, 2, stride=2)

    def forward(self, x):
        return x + self.up(self.down(x))


class TransposedChannels(nn.Sequential):
    input = "1,4,8,8"

    def __init__(self):
        super().__init__(nn.Conv2d(4, 6, 3), nn.ConvTranspose2d(8, 4, 2, stride=2))


class OutputPadding(nn.Sequential):
    """torch refuses it, but not on the meta device."""

    input = "1,4,8,8"

    def __init__(self):
        super().__init__(nn.ConvTranspose2d(4, 4, 3, stride=2, output_padding=2))


class Pooled(nn.Sequential):
    input = "1,3,28,28"

    def __init__(self):
        super().__init__(
            nn.Conv2d(3, 8, 3), nn.MaxPool2d(3, ceil_mode=True), nn.MaxPool2d(2, ceil_mode=True),
            nn.Conv2d(8, 16, 3), nn.AvgPool2d(2), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(16, 4),
        )  # fmt: skip


class CeilFeatures(nn.Sequential):
    """Only ceil_mode makes the features of the linear layer."""

    input = "1,3,29,29"

    def __init__(self):
        super().__init__(
            nn.MaxPool2d(2, ceil_mode=True), nn.Conv2d(3, 4, 3), nn.MaxPool2d(2, ceil_mode=False),
            nn.Flatten(), nn.Linear(4 * 7 * 7, 10),
        )  # fmt: skip


class PoolPadding(nn.Sequential):
    input = "1,3,28,28"

    def __init__(self):
        super().__init__(nn.Conv2d(3, 8, 3), nn.MaxPool2d(2, padding=2))


class Pool3d(nn.Sequential):
    input = "1,2,4,16,16"

    def __init__(self):
        super().__init__(nn.Conv3d(2, 4, 3), nn.MaxPool3d(4), nn.Flatten(), nn.Linear(64, 2))


class Batched(nn.Module):
    input = ("3,4,5", "3,6,7")

    def forward(self, x, y):
        return torch.bmm(x, y)


class Multiplied(nn.Module):
    input = "2,6,8"

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(6, 4))

    def forward(self, x):
        return x @ self.weight


class Einsum(nn.Module):
    input = ("2,3,4", "2,5,3")

    def forward(self, x, y):
        return torch.einsum("bij,bkj->bik", x, y)


class Bias(nn.Module):
    input = "4,8"

    def __init__(self):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.empty(8, 6)), nn.Parameter(torch.empty(5))

    def forward(self, x):
        return torch.addmm(self.bias, x, self.weight)


class Functional(nn.Module):
    input = "4,8"

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(6, 10))

    def forward(self, x):
        return F.linear(x, self.weight)


class Concatenated(nn.Module):
    input = "1,3,15,15"

    def __init__(self):
        super().__init__()
        self.left, self.right = (
            nn.Conv2d(3, 4, 3, stride=2),
            nn.Conv2d(3, 4, 3, stride=2, padding=1),
        )

    def forward(self, x):
        return torch.cat([self.left(x), self.right(x)], dim=1)


class Broadcast(nn.Module):
    input = "2,8,10"

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(10, 12), nn.Linear(10, 16)

    def forward(self, x):
        return self.first(x) * self.second(x).sigmoid()


class Viewed(nn.Module):
    input = "2,10,24"

    def __init__(self):
        super().__init__()
        self.qkv = nn.Linear(24, 64)

    def forward(self, x):
        return self.qkv(x).view(2, 10, 3, 4, 6)


class Unpacked(nn.Module):
    input = "2,9,4,4"

    def forward(self, x):
        a, b = x.chunk(4, dim=1)
        return a + b


class Split(nn.Module):
    input = "2,9,4,4"

    def forward(self, x):
        return torch.split(x, [4, 4], dim=1)[0]


class Permuted(nn.Module):
    input = "2,9,4"

    def forward(self, x):
        return x.permute(0, 2, 3, 1)


class Expanded(nn.Module):
    input = "2,9,4"

    def forward(self, x):
        return x.expand(2, 3, 4)


class Squeezed(nn.Module):
    input = "2,9,4"

    def forward(self, x):
        return x[:, 12] + x.select(2, 1)


class Shuffled(nn.Sequential):
    input = "1,3,8,8"

    def __init__(self):
        super().__init__(nn.Conv2d(3, 10, 3, padding=1), nn.PixelShuffle(2), nn.Conv2d(2, 3, 3))


class Folded(nn.Sequential):
    input = "1,3,8,8"

    def __init__(self):
        super().__init__(nn.Unfold(3, padding=1), nn.Fold((8, 8), 2))


class Reflected(nn.Sequential):
    input = "1,3,4,4"

    def __init__(self):
        super().__init__(nn.ReflectionPad2d(5), nn.Conv2d(3, 3, 3))


class Groups(nn.Sequential):
    input = "1,3,8,8"

    def __init__(self):
        super().__init__(nn.Conv2d(3, 10, 3), nn.GroupNorm(5, 20))


class LayerNorm(nn.Sequential):
    input = "2,5,8"

    def __init__(self):
        super().__init__(nn.Linear(8, 12), nn.LayerNorm(16))


class BatchNorm1d(nn.Sequential):
    input = "2,8"

    def __init__(self):
        super().__init__(nn.Linear(8, 12), nn.BatchNorm1d(10), nn.Linear(12, 3))


class Norm3d(nn.Sequential):
    """A norm of another number of axes."""

    input = "2,3,8,8"

    def __init__(self):
        super().__init__(nn.Conv2d(3, 6, 3), nn.BatchNorm3d(6), nn.ReLU())


class GRU(nn.Module):
    input = "5,2,8"

    def __init__(self):
        super().__init__()
        self.gru, self.head = nn.GRU(8, 6, bidirectional=True), nn.Linear(6, 2)

    def forward(self, x):
        return self.head(self.gru(x)[0])


class Cell(nn.Module):
    input = "2,8"

    def __init__(self):
        super().__init__()
        self.cell = nn.LSTMCell(6, 4)

    def forward(self, x):
        return self.cell(x)[0]


class Attention(nn.Module):
    input = ("2,10,16", "2,7,12")

    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(16, 4, batch_first=True)

    def forward(self, x, y):
        return self.attention(x, y, y)[0]


class Scaled(nn.Module):
    input = ("2,4,10,8", "2,2,10,8")

    def forward(self, x, y):
        return F.scaled_dot_product_attention(x, y, y)


class Dtype(nn.Module):
    input = "2,8:int64"

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(8, 3)

    def forward(self, x):
        return self.linear(x)


class Gathered(nn.Module):
    input = ("4,10", "4:int64")

    def forward(self, x, where):
        return torch.gather(x, 1, where)


class NoChannels(nn.Module):
    """The input lacks an axis, as an image without channels does."""

    input = "28,28"

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3)

    def forward(self, x):
        return self.conv(x)


class Missing(nn.Module):
    """No shape is wrong: an attribute is."""

    input = "2,8"

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(8, 8)

    def forward(self, x):
        return self.second(self.first(x))
