"""An embedding takes indices.

fix: --input 4,10:int64
output: 4×2
"""

from torch import nn

example_input = "4,10"


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(50, 16)
        self.fc = nn.Linear(16, 2)

    def forward(self, x):
        return self.fc(self.emb(x).mean(1))
