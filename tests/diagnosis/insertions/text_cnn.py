"""An embedded text has no axis of channels.

fix: conv(x.unsqueeze(1))
output: 4×2
"""

import torch
import torch.nn.functional as F
from torch import nn

example_input = "4,20:int64"


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(1000, 50)
        self.convs = nn.ModuleList([nn.Conv2d(1, 16, (k, 50)) for k in (3, 4, 5)])
        self.fc = nn.Linear(48, 2)

    def forward(self, x):
        x = self.emb(x)
        x = [F.relu(conv(x)).squeeze(3) for conv in self.convs]
        x = [F.max_pool1d(i, i.size(2)).squeeze(2) for i in x]
        return self.fc(torch.cat(x, 1))
