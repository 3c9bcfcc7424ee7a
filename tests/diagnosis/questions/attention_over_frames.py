"""Query, key and value have the batch first.

question: https://github.com/pytorch/pytorch/issues/122959
set: validation
kind: keyword not written
$ cnnstat shapes attention_over_frames.py:Videos

accepted:
-        self.attend = nn.MultiheadAttention(embed_dim=96, num_heads=4)
+        self.attend = nn.MultiheadAttention(embed_dim=96, num_heads=4, batch_first=True)
"""
from torch import nn

example_input = ((3, 1, 96), (3, 23, 96))


class Videos(nn.Module):
    def __init__(self):
        super().__init__()
        self.attend = nn.MultiheadAttention(embed_dim=96, num_heads=4)
        self.score = nn.Linear(96, 1)

    def forward(self, question, frames):
        found, _ = self.attend(question, frames, frames)
        return self.score(found.view(frames.size(0), -1))
