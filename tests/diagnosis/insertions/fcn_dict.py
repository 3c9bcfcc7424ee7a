"""A segmentation network of torchvision returns a dict.

fix: F.interpolate(y["out"], scale_factor=0.5)
output: 1×5×32×32
"""

import torch.nn.functional as F
from torch import nn
from torchvision.models.segmentation import fcn_resnet50

example_input = "1,3,64,64"


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = fcn_resnet50(weights=None, weights_backbone=None, num_classes=5)

    def forward(self, x):
        y = self.net(x)
        return F.interpolate(y, scale_factor=0.5)
