"""A batch norm for maps behind a linear layer.

set: train
kind: class of a layer
$ cnnstat shapes batch_norm_2d_on_vectors.py:Critic --input 4,3,32,32

accepted:
-            nn.BatchNorm2d(64),
+            nn.BatchNorm1d(64),
"""
from torch import nn


class Critic(nn.Module):
    def __init__(self):
        super().__init__()
        self.maps = nn.Sequential(
            nn.Conv2d(3, 32, 5),
            nn.BatchNorm2d(32),
            nn.MaxPool2d(4),
            nn.ReLU(),
        )
        self.decide = nn.Sequential(
            nn.Linear(32 * 7 * 7, 64),
            nn.BatchNorm2d(64),
            nn.ReLU(),
            nn.Linear(64, 2),
        )

    def forward(self, image):
        return self.decide(self.maps(image).flatten(1))
