"""A residual block in a file with tabs.

fix: F.relu(y + self.shortcut(x))
and: self.shortcut = nn.Conv2d(a, b, 1, 2)
output: 2×8×8×8
"""

import torch.nn.functional as F
from torch import nn

example_input = '2,3,16,16'


class Net(nn.Module):
	def __init__(self, a=3, b=8):
		super().__init__()
		self.c1 = nn.Conv2d(a, b, 3, stride=2, padding=1)
		self.c2 = nn.Conv2d(b, b, 3, padding=1)

	def forward(self, x):
		y = self.c2(F.relu(self.c1(x)))
		return F.relu(y + x)
