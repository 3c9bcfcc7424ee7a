"""The neighborhoods of attention lose the border: the padding is 0 by default.

question: https://github.com/leaderj1001/Stand-Alone-Self-Attention/issues/11
set: test
kind: number
$ cnnstat shapes window_attention_without_padding.py:Local --input 2,3,32,32

accepted:
-    def __init__(self, inputs, outputs, kernel, stride=1, padding=0, groups=1):
+    def __init__(self, inputs, outputs, kernel, stride=1, padding=1, groups=1):
accepted:
-        self.attention = AttentionConv(16, 16, kernel=3)
+        self.attention = AttentionConv(16, 16, kernel=3, padding=1)
"""
import torch
import torch.nn as nn
import torch.nn.functional as F


class AttentionConv(nn.Module):
    def __init__(self, inputs, outputs, kernel, stride=1, padding=0, groups=1):
        super().__init__()
        self.outputs = outputs
        self.kernel = kernel
        self.stride = stride
        self.padding = padding
        self.groups = groups
        self.key = nn.Conv2d(inputs, outputs, 1, bias=False)
        self.query = nn.Conv2d(inputs, outputs, 1, bias=False)
        self.value = nn.Conv2d(inputs, outputs, 1, bias=False)

    def forward(self, x):
        batch, channels, height, width = x.size()
        padded = F.pad(x, [self.padding] * 4)
        q, k, v = self.query(x), self.key(padded), self.value(padded)
        k = k.unfold(2, self.kernel, self.stride).unfold(3, self.kernel, self.stride)
        v = v.unfold(2, self.kernel, self.stride).unfold(3, self.kernel, self.stride)
        each = self.outputs // self.groups
        k = k.contiguous().view(batch, self.groups, each, height, width, -1)
        v = v.contiguous().view(batch, self.groups, each, height, width, -1)
        q = q.view(batch, self.groups, each, height, width, 1)
        out = F.softmax(q * k, dim=-1)
        out = torch.einsum("bnchwk,bnchwk -> bnchw", out, v)
        return out.reshape(batch, -1, height, width)


class Local(nn.Module):
    def __init__(self, classes=10):
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, padding=1)
        self.attention = AttentionConv(16, 16, kernel=3)
        self.head = nn.Linear(16, classes)

    def forward(self, x):
        return self.head(self.attention(self.stem(x)).mean((2, 3)))
