"""A number of steps is divided with /, and a view takes it.

question: https://github.com/laiguokun/LSTNet/pull/9
set: test
kind: error of Python
$ cnnstat shapes skipped_steps_are_a_float.py:Forecast --input 4,150,8

accepted:
-        self.pt = (window - kernel + 1) / skip
+        self.pt = (window - kernel + 1) // skip
accepted:
-        self.pt = (window - kernel + 1) / skip
+        self.pt = int((window - kernel + 1) / skip)
"""
import torch
import torch.nn as nn
import torch.nn.functional as F


class Forecast(nn.Module):
    def __init__(self, window=150, variables=8, kernel=7, skip=24, channels=32, units=5):
        super().__init__()
        self.skip = skip
        self.channels = channels
        self.pt = (window - kernel + 1) / skip
        self.conv = nn.Conv2d(1, channels, (kernel, variables))
        self.gru = nn.GRU(channels, channels)
        self.skipped = nn.GRU(channels, units)
        self.units = units
        self.out = nn.Linear(channels + skip * units, variables)

    def forward(self, x):
        batch = x.size(0)
        c = F.relu(self.conv(x.unsqueeze(1))).squeeze(3)
        _, r = self.gru(c.permute(2, 0, 1))
        s = c[:, :, -self.pt * self.skip:].contiguous()
        s = s.view(batch, self.channels, self.pt, self.skip)
        s = s.permute(2, 0, 3, 1).reshape(self.pt, batch * self.skip, self.channels)
        _, s = self.skipped(s)
        s = s.view(batch, self.skip * self.units)
        return self.out(torch.cat([r.squeeze(0), s], dim=1))
