"""Five halvings leave nothing of 28 pixels.

question: https://github.com/pytorch/examples/issues/263
set: validation
kind: window
$ cnnstat shapes window_of_a_bigger_image.py:Vgg --input 2,1,28,28

accepted:
$ --input 2,1,32,32
"""
from torch import nn


def stage(given, made):
    return [nn.Conv2d(given, made, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2, 2)]


class Vgg(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(*stage(1, 16), *stage(16, 32), *stage(32, 64),
                                      *stage(64, 64), *stage(64, 64))
        self.last = nn.Linear(64, 10)

    def forward(self, x):
        return self.last(self.features(x).flatten(1))
