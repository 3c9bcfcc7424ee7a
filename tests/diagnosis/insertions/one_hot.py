"""one_hot returns integers.

fix: self.fc(x.float())
output: 4×6×8
"""

import torch.nn.functional as F
from torch import nn

example_input = "4,6:int64"


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(20, 8)

    def forward(self, ids):
        x = F.one_hot(ids, 20)
        return self.fc(x)
