"""One batch norm of maps behind a linear layer, others behind convolutions.

question: https://github.com/vgsatorras/few-shot-gnn/issues/2
fix: nn.BatchNorm1d(emb_size)
output: 2×48
"""

from torch import nn

example_input = "2,1,28,28"


class Net(nn.Module):
    def __init__(self, emb_size=48):
        super().__init__()
        self.conv = nn.Conv2d(1, 16, 3, padding=1)
        self.bn = nn.BatchNorm2d(16)
        self.pool = nn.MaxPool2d(4)
        self.fc = nn.Linear(16 * 7 * 7, emb_size)
        self.bn_fc = nn.BatchNorm2d(emb_size)

    def forward(self, x):
        x = self.pool(self.bn(self.conv(x)).relu())
        return self.bn_fc(self.fc(x.flatten(1)))
