"""The second layer of a gate takes the rate of the reduction, not the width that is left by it.

fix: nn.Conv2d(narrow, channels, 1)
output: 2×32×1×1
"""

from torch import nn

example_input = "2,32,9,9"


class Gate(nn.Module):
    def __init__(self, channels, rate):
        super().__init__()
        narrow = channels // rate
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.squeeze = nn.Conv2d(channels, narrow, 1)
        self.excite = nn.Conv2d(rate, channels, 1)

    def forward(self, x):
        return self.excite(self.squeeze(self.pool(x)).relu()).sigmoid()


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.gate = Gate(32, 4)

    def forward(self, x):
        return self.gate(x)
