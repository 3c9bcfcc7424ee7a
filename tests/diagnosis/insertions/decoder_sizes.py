"""The loss of an autoencoder, whose sides are no multiple of four.

fix: F.mse_loss(F.interpolate(y, size=x.shape[2:]), x)
output: 
"""

import torch.nn.functional as F
from torch import nn

example_input = '2,3,30,30'


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.enc = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2))
        self.dec = nn.Sequential(nn.ConvTranspose2d(4, 16, 2, stride=2), nn.ReLU(), nn.ConvTranspose2d(16, 3, 2, stride=2), nn.Sigmoid())

    def forward(self, x):
        y = self.dec(self.enc(x))
        return F.mse_loss(y, x)
