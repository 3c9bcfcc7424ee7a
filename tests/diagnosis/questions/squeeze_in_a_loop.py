"""squeeze() in a loop over time removes the batch of one as well.

question: https://github.com/salesforce/pytorch-qrnn/issues/11
set: validation
kind: axis
$ cnnstat shapes squeeze_in_a_loop.py:Tagger --input 12,1,24

accepted:
-            result.append(h.squeeze())
+            result.append(h.squeeze(0))
"""
import torch
from torch import nn


class ForgetMult(nn.Module):
    def forward(self, f, x):
        result = []
        previous = None
        for forgotten, new in zip(f.split(1, dim=0), (f * x).split(1, dim=0)):
            h = new if previous is None else new + (1 - forgotten) * previous
            result.append(h.squeeze())
            previous = h
        return torch.stack(result)


class Tagger(nn.Module):
    def __init__(self, inputs=24, hidden=32, tags=6):
        super().__init__()
        self.gates = nn.Linear(inputs, 3 * hidden)
        self.forget = ForgetMult()
        self.tags = nn.Linear(hidden, tags)

    def forward(self, x):
        z, f, o = self.gates(x).chunk(3, dim=2)
        c = self.forget(torch.sigmoid(f), torch.tanh(z))
        h = torch.sigmoid(o) * c
        return self.tags(h), c[-1:, :, :]
