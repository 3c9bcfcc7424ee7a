"""The causal mask has the size of the batch, not of the sequence.

question: https://github.com/pytorch/pytorch/issues/115472
set: test
kind: axis
$ cnnstat shapes causal_mask_by_the_batch.py:Series --input 64,52,20

accepted:
-        mask = nn.Transformer.generate_square_subsequent_mask(x.shape[0])
+        mask = nn.Transformer.generate_square_subsequent_mask(x.shape[1])
"""
from torch import nn


class Series(nn.Module):
    def __init__(self, features=20, hidden=16):
        super().__init__()
        self.embed = nn.Linear(features, hidden * 2)
        self.transformer = nn.Transformer(hidden * 2, 4, 1, 1, 64, batch_first=True)
        self.head = nn.Linear(hidden * 2, 1)

    def forward(self, x):
        x = self.embed(x)
        mask = nn.Transformer.generate_square_subsequent_mask(x.shape[0])
        x = self.transformer(x, x, src_mask=mask, tgt_mask=mask)
        return self.head(x)
