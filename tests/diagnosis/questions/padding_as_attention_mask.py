"""The mask of the padding is passed as the mask of attention.

question: https://openillumi.com/en/en-pytorch-transformer-attention-mask-fix
set: validation
kind: keyword not written
$ cnnstat shapes padding_as_attention_mask.py:TextGenerator

accepted:
-        output = self.decoder(output, embedded, tgt_mask=attention_mask)
+        output = self.decoder(output, embedded, tgt_key_padding_mask=~attention_mask)
"""
import math

import torch
import torch.nn as nn


class TextGenerator(nn.Module):
    def __init__(self, vocabulary=5000, width=128, heads=4, layers=2, longest=64):
        super().__init__()
        self.scale = math.sqrt(width)
        self.embedding = nn.Embedding(vocabulary, width)
        self.position = nn.Parameter(torch.zeros(1, longest, width))
        layer = nn.TransformerDecoderLayer(width, heads, 4 * width, batch_first=True)
        self.decoder = nn.TransformerDecoder(layer, layers)
        self.head = nn.Linear(width, vocabulary)

    def forward(self, input_ids, attention_mask):
        embedded = self.embedding(input_ids) * self.scale
        output = embedded + self.position[:, : input_ids.size(1)]
        output = self.decoder(output, embedded, tgt_mask=attention_mask)
        return self.head(output)


example_input = (torch.randint(1, 5000, (4, 64)), torch.ones(4, 64).bool())
