"""The columns of a map are the steps of a sequence.

fix: self.rnn(x.flatten(1, 2).transpose(1, 2))
output: 2×25×37
"""

from torch import nn

example_input = "2,1,32,100"


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.cnn = nn.Sequential(
            nn.Conv2d(1, 32, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(32, 64, 3, padding=1),
            nn.MaxPool2d(2),
        )
        self.rnn = nn.LSTM(64 * 8, 128, bidirectional=True, batch_first=True)
        self.fc = nn.Linear(256, 37)

    def forward(self, x):
        x = self.cnn(x)
        out, _ = self.rnn(x)
        return self.fc(out)
