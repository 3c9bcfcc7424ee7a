"""No error: one module is never called, and what another makes is thrown away."""

from torch import nn

example_input = (1, 3, 32, 32)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, padding=1)
        self.gate = nn.Conv2d(16, 16, 1)
        self.norm = nn.BatchNorm2d(16)
        self.head = nn.Linear(16, 10)

    def forward(self, x):
        x = self.stem(x)
        self.gate(x).sigmoid()
        return self.head(x.mean(dim=(2, 3)))
