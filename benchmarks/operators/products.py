"""Products of matrices, linear layers and attention."""

import torch
from torch import nn
from torch.nn import functional as F


class Weighted(nn.Module):
    """The base of networks without layers: with its parameter there is a backward pass."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))


class Linear(nn.Sequential):
    input, letters = "4,10,16", "N,T,16"

    def __init__(self):
        super().__init__(
            nn.Linear(16, 32),
            nn.GELU(),
            nn.Linear(32, 16, bias=False),
            nn.Unflatten(-1, (4, 4)),
            nn.Linear(4, 2),
        )


class Unbatched(nn.Sequential):
    input = "16"

    def __init__(self):
        super().__init__(nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 1, bias=False))


class Bilinear(nn.Module):
    input = ("4,8", "4,6")

    def __init__(self):
        super().__init__()
        self.bilinear = nn.Bilinear(8, 6, 5)

    def forward(self, x, y):
        return self.bilinear(x, y)


class Products(nn.Module):
    """Every product that a tensor has, each with sizes of its own."""

    input = ("3,4,5", "3,5,6")

    def __init__(self):
        super().__init__()
        self.bias = nn.Parameter(torch.empty(6))
        self.weight = nn.Parameter(torch.empty(6, 7))
        self.vector = nn.Parameter(torch.empty(7))

    def forward(self, x, y):
        z = torch.bmm(x, y)
        z = torch.baddbmm(self.bias, x, y, beta=0.5) + z
        z = torch.matmul(z, self.weight)
        flat = torch.addmm(self.vector, z.flatten(0, 1), self.weight.t() @ self.weight)
        row = torch.mv(flat, self.vector)
        summed = torch.addbmm(self.weight.new_zeros(4, 6), x, y)
        outer = torch.outer(row, self.vector) + torch.addr(flat, row, self.vector)
        scores = torch.addmv(row, flat, self.vector) + (flat @ self.weight.t()).sum(1)
        return outer * torch.dot(self.vector, self.vector), summed, torch.kron(scores, row)


class Broadcast(Weighted):
    input = ("2,1,4,8", "3,8,5")

    def forward(self, x, y):
        x = x * self.weight
        return x @ y, y.transpose(1, 2) @ x[0, 0].t(), x @ y[0, :, 0]


class Einsum(nn.Module):
    input = ("2,3,4,8", "2,3,5,8")

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(3, 8, 8))

    def forward(self, x, y):
        x = torch.einsum("bhtd,hde->bhte", x, self.weight)
        scores = torch.einsum("bhqd,bhkd->bhqk", x, y).softmax(-1)
        mixed = torch.einsum("bhqk,bhkd->bqhd", scores, y)
        return torch.einsum("bqhd->bqd", mixed), torch.tensordot(x, y, dims=([0, 1, 3], [0, 1, 3]))


class Distances(Weighted):
    input = ("2,30,8", "2,40,8")

    def forward(self, x, y):
        x = x * self.weight
        return torch.cdist(x, y), F.cosine_similarity(x[:, :30], y[:, :30], dim=-1)


class Heads(nn.Module):
    """Multi-head attention: to itself, to another sequence, masked, and with its weights."""

    input = ("2,10,16", "2,7,16")

    def __init__(self):
        super().__init__()
        self.itself = nn.MultiheadAttention(16, 4, batch_first=True)
        self.cross = nn.MultiheadAttention(16, 2, batch_first=True, bias=False)
        self.norm = nn.LayerNorm(16)

    def forward(self, x, y):
        mask = nn.Transformer.generate_square_subsequent_mask(10, device=x.device)
        x = self.norm(x + self.itself(x, x, x, attn_mask=mask, need_weights=False)[0])
        return self.cross(x, y, y)


class OtherWidths(nn.Module):
    """Keys and values of other widths than the queries, sequence first."""

    input = ("10,2,16", "7,2,12", "7,2,20")

    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(16, 4, kdim=12, vdim=20, add_bias_kv=True)

    def forward(self, queries, keys, values):
        return self.attention(queries, keys, values)


class Scaled(Weighted):
    """scaled_dot_product_attention: plain, causal, masked, with grouped queries."""

    input = ("2,4,10,8", "2,4,10,8", "2,4,10,6")
    letters = ("N,4,T,8", "N,4,T,8", "N,4,T,6")

    def forward(self, q, k, v):
        q = q * self.weight
        plain = F.scaled_dot_product_attention(q, k, v)
        causal = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        bias = (q @ k.transpose(-2, -1)).sigmoid()
        masked = F.scaled_dot_product_attention(q, k, v, attn_mask=bias)
        grouped = F.scaled_dot_product_attention(q, k[:, :2], v[:, :2], enable_gqa=True)
        return plain + causal + masked + grouped


class Block(nn.Module):
    """Attention written out, as in a vision transformer."""

    input, letters = "2,16,24", "N,T,24"

    def __init__(self):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(24), nn.LayerNorm(24)
        self.qkv, self.out = nn.Linear(24, 72), nn.Linear(24, 24)
        self.mlp = nn.Sequential(nn.Linear(24, 48), nn.GELU(), nn.Dropout(0.1), nn.Linear(48, 24))

    def forward(self, x):
        n, t, c = x.shape
        q, k, v = self.qkv(self.norm1(x)).view(n, t, 3, 4, c // 4).permute(2, 0, 3, 1, 4)
        scores = (q @ k.transpose(-2, -1) * (c // 4) ** -0.5).softmax(-1)
        x = x + self.out((scores @ v).transpose(1, 2).reshape(n, t, c))
        return x + self.mlp(self.norm2(x))


class Encoder(nn.Sequential):
    input, letters = "2,12,16", "N,T,16"

    def __init__(self):
        layer = nn.TransformerEncoderLayer(16, 4, 32, batch_first=True, activation="gelu")
        super().__init__(nn.TransformerEncoder(layer, 2), nn.Linear(16, 5))


class Transformer(nn.Module):
    input = ("2,9,16", "2,6,16")

    def __init__(self):
        super().__init__()
        self.transformer = nn.Transformer(16, 4, 1, 1, 32, batch_first=True, norm_first=True)

    def forward(self, source, target):
        return self.transformer(source, target)
