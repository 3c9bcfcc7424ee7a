"""Convolutions became three-dimensional, the norms did not.

question: https://github.com/adambielski/pytorch-gconv-experiments/issues/1
fix: nn.BatchNorm3d(8)
and: nn.BatchNorm3d(16)
output: 1×5
"""

from torch import nn

example_input = "1,1,8,16,16"


class Net(nn.Module):
    def __init__(self, classes=5):
        super().__init__()
        self.conv1 = nn.Conv3d(1, 8, 3, padding=1)
        self.bn1 = nn.BatchNorm2d(8)
        self.conv2 = nn.Conv3d(8, 16, 3, padding=1)
        self.bn2 = nn.BatchNorm2d(16)
        self.fc = nn.Linear(16, classes)

    def forward(self, x):
        x = self.bn1(self.conv1(x)).relu()
        x = self.bn2(self.conv2(x)).relu()
        return self.fc(x.mean(dim=(2, 3, 4)))
