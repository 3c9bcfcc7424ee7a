"""A table of positions for images of 224 pixels.

question: https://github.com/jeonsworld/ViT-pytorch/issues/3
fix: def __init__(self, image_size=32, patch=8, dim=32, classes=10):
output: 2×10
"""

import torch
from torch import nn

example_input = "2,3,32,32"


class Net(nn.Module):
    def __init__(self, image_size=224, patch=8, dim=32, classes=10):
        super().__init__()
        side = image_size // patch
        self.patches = nn.Conv2d(3, dim, kernel_size=patch, stride=patch)
        self.token = nn.Parameter(torch.zeros(1, 1, dim))
        self.position_embeddings = nn.Parameter(torch.zeros(1, side * side + 1, dim))
        self.head = nn.Linear(dim, classes)

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(-1, -2)
        x = torch.cat((self.token.expand(x.shape[0], -1, -1), x), dim=1)
        return self.head((x + self.position_embeddings)[:, 0])
