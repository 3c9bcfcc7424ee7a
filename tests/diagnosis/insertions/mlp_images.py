"""A perceptron gets images.

fix: self.layers(x.flatten(1))
output: 8×10
"""

from torch import nn

example_input = "8,1,28,28"


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(784, 256),
            nn.ReLU(),
            nn.Linear(256, 10),
        )

    def forward(self, x):
        return self.layers(x)
