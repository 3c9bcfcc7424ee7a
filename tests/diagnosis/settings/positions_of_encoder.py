"""Positions begin behind the padding, so the table needs more rows than tokens.

question: https://github.com/huggingface/transformers/issues/8077
fix: nn.Embedding(22, 16)
output: 1×20×16
"""

import torch
from torch import nn

example_input = "1,20:int64"


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(30, 16)
        self.places = nn.Embedding(20, 16)
        self.register_buffer("ids", torch.arange(2, 66).unsqueeze(0))

    def forward(self, text):
        return self.words(text) + self.places(self.ids[:, : text.size(1)])
