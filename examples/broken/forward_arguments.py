"""The model takes two inputs and is given one."""

from torch import nn

example_input = (1, 16)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.score = nn.Bilinear(16, 16, 1)

    def forward(self, question, answer):
        return self.score(question, answer)
