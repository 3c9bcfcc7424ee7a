"""The width of an attention layer does not divide into its heads."""

from torch import nn

example_input = (1, 64, 128)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(128, num_heads=6, batch_first=True)
        self.head = nn.Linear(128, 10)

    def forward(self, x):
        x, _ = self.attention(x, x, x)
        return self.head(x.mean(dim=1))
