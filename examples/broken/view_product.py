"""The sizes of a view do not multiply to what there is."""

from torch import nn

example_input = (1, 1, 28, 28)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 20, 5)
        self.pool = nn.MaxPool2d(2)
        self.fc = nn.Linear(20 * 12 * 12, 10)

    def forward(self, x):
        x = self.pool(self.conv(x)).relu()
        return self.fc(x.view(-1, 20 * 13 * 13))
