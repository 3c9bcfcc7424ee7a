"""Operators that join, cut, index and reorder tensors."""

import torch
from torch import nn
from torch.nn import functional as F


class Weighted(nn.Module):
    """The base of networks without layers: with its parameter there is a backward pass."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))


class Joined(nn.Module):
    input, letters = "2,8,12,12", "N,8,H,W"

    def __init__(self):
        super().__init__()
        self.left, self.right = nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(8, 8, 1)
        self.last = nn.Conv2d(24, 4, 1)

    def forward(self, x):
        a, b = self.left(x), self.right(x)
        joined = torch.cat([a, b, x], dim=1)
        mean = torch.stack([a, b, x]).mean(0) + torch.stack((a, b), dim=-1).amax(-1)
        return self.last(joined), torch.hstack([mean, a]), torch.vstack([a, b])


class Cut(nn.Module):
    input, letters = "2,12,10,10", "N,12,H,W"

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, x):
        a, b, c, d = x.chunk(4, dim=1)
        e, f = torch.split(x, [4, 8], dim=1)
        g, *_ = x.split(5, dim=1)
        h = x.unbind(1)[0]
        pieces = torch.tensor_split(x, 5, dim=1)
        return self.conv(a) + b * c - d, e.sum(1) + f.mean(1), g, h, pieces[0] * 2


class Sliced(nn.Module):
    input, letters = "2,8,16,16", "N,8,H,W"

    def __init__(self):
        super().__init__()
        self.reduce = nn.Conv2d(32, 8, 1)

    def forward(self, x):
        corners = [x[:, :, i::2, j::2] for i in (0, 1) for j in (0, 1)]
        x = self.reduce(torch.cat(corners, 1))
        x = x[:, 2:-2, None, ..., :-1].squeeze(2)
        return x[0], x.select(1, 1), x.narrow(2, 1, 3), x[:, -1, 3], x[..., ::3]


class Indexed(nn.Module):
    """Indices are tensors: gather, scatter, index, take."""

    input = ("4,10,6", "4,3:int64")

    def __init__(self):
        super().__init__()
        self.register_buffer("order", torch.arange(9, -1, -1))
        self.table = nn.Parameter(torch.empty(20, 6))

    def forward(self, x, picked):
        reordered = x[:, self.order] + torch.index_select(x, 1, self.order)
        wide = picked.unsqueeze(-1).expand(-1, -1, 6)
        rows = torch.gather(x, 1, wide) + self.table[picked]
        filled = torch.zeros_like(x).scatter(1, wide, rows).scatter_add(1, wide, rows)
        added = filled.index_add(1, self.order, x)
        return reordered + added, torch.take(x, picked), torch.take_along_dim(x, wide, 1)


class Written(nn.Module):
    """Parts of a tensor are written in place, or into a copy."""

    input = "3,8,8"

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)

    def forward(self, x):
        y = self.conv(x)
        y = y.clone()
        y[:, 0] = 0
        y[:2, 1:3] += 1
        y[..., -1].mul_(2)
        y = torch.select_scatter(y, x[0], 0, 1)
        y = torch.slice_scatter(y, x[:, 2:4], 1, 2, 4, 1) if y.shape[0] == 3 else y
        return y.index_put((torch.tensor([0, 1], device=y.device),), x[:2])


class Reordered(nn.Module):
    input, letters = "2,6,4,8", "N,6,H,W"

    def __init__(self):
        super().__init__()
        self.mix = nn.Linear(6, 6)

    def forward(self, x):
        y = self.mix(x.permute(0, 2, 3, 1))
        y = y.movedim(-1, 1).swapaxes(2, 3).transpose(-1, -2).contiguous()
        flat = y.flatten(1).view(y.shape[0], -1, 6).reshape(-1, 6)
        return flat.t(), y.unflatten(1, (2, 3)), y.unsqueeze(0).squeeze(), torch.ravel(y)


class Repeated(Weighted):
    input = "2,1,6"

    def forward(self, x):
        x = x * self.weight
        wide = x.expand(2, 5, 6) + x.expand(-1, 5, -1)
        tiled = x.repeat(1, 5, 2) * torch.tile(x, (1, 5, 2))
        slow = torch.repeat_interleave(x, 3, dim=2)
        a, b = torch.meshgrid(x[0, 0], x[1, 0], indexing="ij")
        return wide, tiled, slow, a * b, torch.broadcast_to(x, (4, 2, 3, 6)).contiguous()


class Diagonals(Weighted):
    input = "5,5"

    def forward(self, x):
        x = x * self.weight
        x = x.tril() + x.triu(1) + torch.eye(5, device=x.device)
        rows, columns = torch.tril_indices(5, 5, device=x.device)
        return x.diagonal() + torch.diag(x), torch.block_diag(x, x), x[rows, columns], x.trace()


class Chosen(Weighted):
    """Masks and orders."""

    input = ("4,20", "4,20:bool")

    def forward(self, x, mask):
        x = x * self.weight
        y = torch.where(mask, x, torch.zeros_like(x)).masked_fill(~mask, -1.0)
        best, places = y.topk(5, dim=1)
        ordered, order = y.sort(dim=1, descending=True)
        middle = y.median(dim=1).values + y.kthvalue(3, dim=1).values + y.nanmedian(1).values
        middle = middle + y.mode(dim=1).values + torch.isin(y, best).sum(1)
        kinds = torch.bucketize(y, torch.linspace(0, 1, 5, device=y.device))
        found = torch.searchsorted(ordered, best)
        return (
            best.sum() + middle,
            places + found,
            order,
            y.argsort(),
            kinds,
            y.argmax(1) + y.argmin(1),
        )


class Made(Weighted):
    """Tensors are created in forward: constants, ranges, random numbers, copies."""

    input = "3,8"

    def forward(self, x):
        x = x * self.weight
        steps = torch.arange(8, device=x.device, dtype=x.dtype) / torch.full(
            (8,), 3.0, device=x.device
        )
        noise = torch.randn_like(x) + torch.rand(3, 8, device=x.device) + x.new_ones(3, 8)
        kept = torch.bernoulli(torch.full_like(x, 0.5)) * torch.empty_like(x).uniform_()
        hot = F.one_hot(torch.randint(0, 8, (3,), device=x.device), 8).to(x.dtype)
        angles = torch.linspace(0, 1, 8, device=x.device).cos()
        return (
            x * steps
            + noise
            + kept
            + hot
            + angles
            + x.new_zeros(8)
            + torch.zeros(1, device=x.device)
        )


class Cast(Weighted):
    input = "2,6"

    def forward(self, x):
        x = x * self.weight
        half = x.half().float() + x.to(torch.bfloat16).to(x.dtype) + x.double().to(x)
        return half * x.gt(0).long() + x.detach().clone() + x.bool().type_as(x)


class Interpolated(nn.Module):
    """Relative positions, as window attention looks them up."""

    input = "2,4,16,16"

    def __init__(self):
        super().__init__()
        self.table = nn.Parameter(torch.empty(49, 4))
        side = torch.stack(torch.meshgrid(torch.arange(4), torch.arange(4), indexing="ij"))
        apart = (side.flatten(1)[:, :, None] - side.flatten(1)[:, None]).permute(1, 2, 0) + 3
        self.register_buffer("index", apart[..., 0] * 7 + apart[..., 1])

    def forward(self, x):
        bias = self.table[self.index.view(-1)].view(16, 16, -1).permute(2, 0, 1)
        return (x + bias.unsqueeze(0)).softmax(-1)
