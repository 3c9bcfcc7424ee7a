"""The second layer gets the input of the first.

question: https://github.com/vislearn/FrEIA/issues/1
set: test
kind: name or expression
$ cnnstat shapes input_instead_of_output.py:Coupling --input 16,64

accepted:
-        out = self.fc2(x)
+        out = self.fc2(out)
"""
import torch.nn as nn
import torch.nn.functional as F


class Subnet(nn.Module):
    def __init__(self, size_in, size_out, internal=128, dropout=0.0):
        super().__init__()
        self.fc1 = nn.Linear(size_in, internal)
        self.fc2 = nn.Linear(internal, internal)
        self.fc2b = nn.Linear(internal, internal)
        self.fc3 = nn.Linear(internal, size_out)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x):
        out = F.relu(self.dropout(self.fc1(x)))
        out = self.fc2(x)
        out = F.relu(self.dropout(out))
        out = F.relu(self.fc2b(out))
        return self.fc3(out)


class Coupling(nn.Module):
    def __init__(self, channels=64):
        super().__init__()
        self.half = channels // 2
        self.scale = Subnet(self.half, channels - self.half)
        self.shift = Subnet(self.half, channels - self.half)

    def forward(self, x):
        a, b = x[:, : self.half], x[:, self.half :]
        return a, b * self.scale(a).tanh().exp() + self.shift(a)
