"""A label is put beside the noise, and the first layer takes the noise alone.

question: https://github.com/MiaoyunZhao/GANTransferLimitedData/issues/1
set: validation
kind: name or expression
$ cnnstat shapes condition_beside_the_noise.py:Generator

accepted:
-        self.small_fc = nn.Linear(z_dim, 8 * nf * s0 * s0)
+        self.small_fc = nn.Linear(z_dim + embed_size, 8 * nf * s0 * s0)
"""
import torch
import torch.nn as nn
import torch.nn.functional as F


class Generator(nn.Module):
    def __init__(self, z_dim=100, labels=102, embed_size=32, nf=8, s0=4):
        super().__init__()
        self.s0, self.nf = s0, nf
        self.embedding = nn.Embedding(labels, embed_size)
        self.small_fc = nn.Linear(z_dim, 8 * nf * s0 * s0)
        self.up1 = nn.ConvTranspose2d(8 * nf, 4 * nf, 4, 2, 1)
        self.up2 = nn.ConvTranspose2d(4 * nf, 3, 4, 2, 1)

    def forward(self, z, y):
        batch_size = z.size(0)
        yembed = self.embedding(y)
        yembed = yembed / torch.norm(yembed, p=2, dim=1, keepdim=True)
        yz = torch.cat([z, yembed], dim=1)
        out = self.small_fc(yz)
        out = out.view(batch_size, 8 * self.nf, self.s0, self.s0)
        out = F.relu(self.up1(out))
        return torch.tanh(self.up2(out))


example_input = (torch.randn(4, 100), torch.randint(0, 102, (4,)))
