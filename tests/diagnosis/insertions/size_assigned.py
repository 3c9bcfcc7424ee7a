"""A size is assigned to a layer that was created with another one and without a bias.

fix: self.encoder[0] = nn.Conv2d(1, 8, 3, padding='same', bias=False)
output: 2×8×16×16
"""

from torch import nn

example_input = "2,1,16,16"


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Conv2d(3, 8, 3, padding="same", bias=False), nn.ReLU())
        self.encoder[0].in_channels = 1

    def forward(self, x):
        return self.encoder(x)
