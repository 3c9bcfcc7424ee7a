"""A Sequential of convolutions and linear layers, without flatten.

fix: nn.Flatten(),
output: 4×10
"""

from torch import nn

example_input = "4,1,28,28"


Net = nn.Sequential(
    nn.Conv2d(1, 32, 3, padding=1),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Conv2d(32, 64, 3, padding=1),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Linear(64 * 7 * 7, 128),
    nn.ReLU(),
    nn.Linear(128, 10),
)
