"""The state is always sent to the first GPU.

set: train
kind: error of Python
$ cnnstat shapes state_on_cuda.py:Steps --input 3,7,5

accepted:
-        h = torch.zeros(1, x.size(0), 12).cuda()
-        c = torch.zeros(1, x.size(0), 12).cuda()
+        h = torch.zeros(1, x.size(0), 12, device=x.device)
+        c = torch.zeros(1, x.size(0), 12, device=x.device)
"""
import torch
from torch import nn


class Steps(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(5, 12, batch_first=True)
        self.head = nn.Linear(12, 2)

    def forward(self, x):
        h = torch.zeros(1, x.size(0), 12).cuda()
        c = torch.zeros(1, x.size(0), 12).cuda()
        states, _ = self.lstm(x, (h, c))
        return self.head(states[:, -1])
