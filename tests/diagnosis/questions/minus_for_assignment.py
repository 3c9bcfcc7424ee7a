"""A minus is written where the result should be assigned.

question: https://blog.gitcode.com/e5c4ae63e30a9c32bc6f8b929671be78.html
set: validation
kind: name or expression
$ cnnstat shapes minus_for_assignment.py:Fashion --input 8,1,28,28

accepted:
-        x - self.classifier(x)
+        x = self.classifier(x)
"""
from torch import nn


class Fashion(nn.Module):
    def __init__(self, colors=1, hidden=16, classes=10):
        super().__init__()
        self.block_1 = nn.Sequential(
            nn.Conv2d(colors, hidden, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(hidden, hidden, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
        )
        self.block_2 = nn.Sequential(
            nn.Conv2d(hidden, hidden, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
        )
        self.classifier = nn.Sequential(nn.Flatten(), nn.Linear(hidden * 7 * 7, classes))

    def forward(self, x):
        x = self.block_1(x)
        x = self.block_2(x)
        x - self.classifier(x)
        return x
