"""A norm of maps behind a convolution of sequences.

question: https://github.com/sunghac/HANet/issues/8
fix: nn.BatchNorm1d(middle)
output: 2×64×20
"""

from torch import nn

example_input = "2,32,20"


class Net(nn.Module):
    def __init__(self, channels=32, middle=16):
        super().__init__()
        self.attention = nn.Sequential(
            nn.Conv1d(in_channels=channels, out_channels=middle, kernel_size=1, bias=False),
            nn.BatchNorm2d(middle),
            nn.ReLU(inplace=True),
            nn.Conv1d(middle, 64, 1),
        )

    def forward(self, x):
        return self.attention(x)
