"""The patches of a transformer are still a map when the class token comes.

fix: [self.cls.expand(x.size(0), -1, -1), x.flatten(2).transpose(1, 2)]
output: 2×10
"""

import torch
from torch import nn

example_input = '2,3,32,32'


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.patch = nn.Conv2d(3, 48, 8, 8)
        self.cls = nn.Parameter(torch.zeros(1, 1, 48))
        self.enc = nn.TransformerEncoderLayer(48, 4, 96, batch_first=True)
        self.fc = nn.Linear(48, 10)

    def forward(self, x):
        x = self.patch(x)
        x = torch.cat([self.cls.expand(x.size(0), -1, -1), x], dim=1)
        return self.fc(self.enc(x)[:, 0])
