"""The mask has a row for each token; the encoder takes the first axis for time.

set: train
kind: keyword not written
$ cnnstat shapes attention_mask_batch_first.py:Writer

accepted:
-        one = nn.TransformerEncoderLayer(dim, heads, 4 * dim)
+        one = nn.TransformerEncoderLayer(dim, heads, 4 * dim, batch_first=True)
"""
import torch
from torch import nn

example_input = torch.zeros(6, 24, dtype=torch.long)


class Writer(nn.Module):
    def __init__(self, words=300, dim=48, heads=6):
        super().__init__()
        self.words = nn.Embedding(words, dim)
        one = nn.TransformerEncoderLayer(dim, heads, 4 * dim)
        self.encoder = nn.TransformerEncoder(one, 3)
        self.head = nn.Linear(dim, words)

    def forward(self, tokens):
        length = tokens.size(1)
        mask = nn.Transformer.generate_square_subsequent_mask(length).to(tokens.device)
        return self.head(self.encoder(self.words(tokens), mask=mask))
