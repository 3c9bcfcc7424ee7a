"""An embedding puts the features last, a convolution takes them second.

question: https://github.com/FernandoLpz/Text-Classification-CNN-PyTorch/issues/3
set: validation
kind: axis
$ cnnstat shapes words_as_channels.py:Topics

accepted:
-        x = self.conv(x).relu()
+        x = self.conv(x.permute(0, 2, 1)).relu()
"""
import torch
from torch import nn

example_input = torch.zeros(4, 35, dtype=torch.long)


class Topics(nn.Module):
    def __init__(self, words=300, dim=64, topics=5):
        super().__init__()
        self.embed = nn.Embedding(words, dim)
        self.conv = nn.Conv1d(dim, 48, kernel_size=3)
        self.pool = nn.AdaptiveMaxPool1d(1)
        self.last = nn.Linear(48, topics)

    def forward(self, tokens):
        x = self.embed(tokens)
        x = self.conv(x).relu()
        return self.last(self.pool(x).flatten(1))
