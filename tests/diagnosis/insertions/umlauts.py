"""Names that are not ASCII.

fix: self.größe(F.relu(self.schicht(eingäbe)).flatten(1))
output: 2×4
"""

import torch.nn.functional as F
from torch import nn

example_input = '2,3,16,16'


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.schicht = nn.Conv2d(3, 8, 3)
        self.größe = nn.Linear(8 * 14 * 14, 4)

    def forward(self, eingäbe):
        return self.größe(F.relu(self.schicht(eingäbe)))
