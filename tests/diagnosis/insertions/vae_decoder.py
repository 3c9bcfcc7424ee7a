"""The vector of a decoder is a map for its convolutions.

fix: nn.Unflatten(1, (32, 7, 7)),
output: 4×1×28×28
"""

from torch import nn

example_input = "4,1,28,28"


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.enc = nn.Sequential(nn.Flatten(), nn.Linear(784, 32))
        self.dec = nn.Sequential(
            nn.Linear(32, 32 * 7 * 7),
            nn.ReLU(),
            nn.ConvTranspose2d(32, 16, 4, 2, 1),
            nn.ReLU(),
            nn.ConvTranspose2d(16, 1, 4, 2, 1),
        )

    def forward(self, x):
        return self.dec(self.enc(x))
