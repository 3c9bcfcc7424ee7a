"""The network of the tutorial on images of another size.

question: https://github.com/pytorch/pytorch/issues/38469
set: test
kind: several places
$ cnnstat shapes tutorial_on_other_images.py:Net --input 6,3,21,21

accepted:
-        self.fc1 = nn.Linear(16 * 5 * 5, 120)
+        self.fc1 = nn.Linear(16 * 2 * 2, 120)
-        x = x.view(-1, 16 * 5 * 5)
+        x = x.view(-1, 16 * 2 * 2)
accepted:
$ --input 6,3,32,32
"""
import torch.nn as nn
import torch.nn.functional as F


class Net(nn.Module):
    def __init__(self):
        super(Net, self).__init__()
        self.conv1 = nn.Conv2d(3, 6, 5)
        self.pool = nn.MaxPool2d(2, 2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x):
        x = self.pool(F.relu(self.conv1(x)))
        x = self.pool(F.relu(self.conv2(x)))
        x = x.view(-1, 16 * 5 * 5)
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        return self.fc3(x)
