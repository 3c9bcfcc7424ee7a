"""The sides of the map are missing in the size of the linear layer.

question: https://github.com/mrdbourke/pytorch-deep-learning/issues/763
fix: nn.Linear(in_features=hidden_units * 7 * 7, out_features=output_shape)
output: 1×10
"""

from torch import nn

example_input = "1,1,28,28"


class Net(nn.Module):
    def __init__(self, hidden_units=12, output_shape=10):
        super().__init__()
        self.block = nn.Sequential(
            nn.Conv2d(1, hidden_units, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(hidden_units, hidden_units, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
        )
        self.classifier = nn.Sequential(
            nn.Flatten(),
            nn.Linear(in_features=hidden_units, out_features=output_shape),
        )

    def forward(self, x):
        return self.classifier(self.block(x))
