"""Image tokens attend to text, whose features are fewer.

question: https://github.com/pytorch/pytorch/issues/120793
set: validation
kind: keyword not written
$ cnnstat shapes context_of_another_width.py:Cross

accepted:
-        self.attend = nn.MultiheadAttention(64, 4, batch_first=True)
+        self.attend = nn.MultiheadAttention(64, 4, batch_first=True, kdim=40, vdim=40)
"""
from torch import nn

example_input = ((2, 16, 64), (2, 7, 40))


class Cross(nn.Module):
    def __init__(self):
        super().__init__()
        self.attend = nn.MultiheadAttention(64, 4, batch_first=True)
        self.out = nn.Linear(64, 64)

    def forward(self, image, text):
        found, _ = self.attend(image, text, text)
        return self.out(image + found)
