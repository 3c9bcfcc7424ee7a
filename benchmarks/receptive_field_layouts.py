"""Small networks that move positions, for `receptive_field.py`: a name, a network, an input."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

IMAGE = (1, 1, 48, 48)
LARGE = (1, 1, 96, 96)
attention = F.scaled_dot_product_attention


class Net(nn.Module):
    """A forward function, and the modules that it calls."""

    def __init__(self, function: Callable[[Any, Tensor], Tensor], **modules: nn.Module) -> None:
        super().__init__()
        self.function = function
        for name, module in modules.items():
            self.add_module(name, module)

    def forward(self, x: Tensor) -> Tensor:
        return self.function(self, x)


def conv(c_in: int, c_out: int, kernel: int, stride: int = 1, **options: Any) -> nn.Conv2d:
    """With padding that keeps the size at a stride of 1."""
    return nn.Conv2d(c_in, c_out, kernel, stride, padding=kernel // 2, **options)


def after(function: Callable[[Tensor], Tensor], channels: int = 4) -> Net:
    """A 3×3 convolution, then the function."""
    return Net(lambda net, x: function(net.conv(x)), conv=conv(1, channels, 3))


def between(function: Callable[[Tensor], Tensor], channels: int, seen: int, kernel: int = 3) -> Net:
    """A 3×3 convolution, the function, and another convolution of `seen` channels."""
    first, last = conv(1, channels, 3), conv(seen, 2, kernel)
    return Net(lambda net, x: net.last(function(net.first(x))), first=first, last=last)


def _space_to_depth(x: Tensor) -> Tensor:
    n, c, h, w = x.shape
    parts = x.view(n, c, h // 2, 2, w // 2, 2).permute(0, 1, 3, 5, 2, 4)
    return parts.reshape(n, 4 * c, h // 2, w // 2)


def _focus(x: Tensor) -> Tensor:
    parts = [x[..., ::2, ::2], x[..., 1::2, ::2], x[..., ::2, 1::2], x[..., 1::2, 1::2]]
    return torch.cat(parts, 1)


def _shifted_parts(x: Tensor) -> Tensor:
    out = torch.zeros_like(x)
    out[:, :2, 1:] = x[:, :2, :-1]
    out[:, 2:4, :-1] = x[:, 2:4, 1:]
    out[:, 4:] = x[:, 4:]
    return out


def _attend(x: Tensor) -> Tensor:
    tokens = x.flatten(2).transpose(1, 2)
    return attention(tokens, tokens, tokens)


def _rows_attend(x: Tensor) -> Tensor:
    n, c, h, w = x.shape
    rows = x.permute(0, 2, 3, 1).reshape(n * h, w, c)
    return attention(rows, rows, rows).view(n, h, w, c).permute(0, 3, 1, 2)


def _gated_by_softmax(x: Tensor) -> Tensor:
    return x * x.mean(1).flatten(1).softmax(-1).view(x.shape[0], 1, *x.shape[2:])


def _class_token(net: Any, x: Tensor) -> Tensor:
    tokens = net.conv(x).flatten(2).transpose(1, 2)
    tokens = torch.cat([net.token.weight[None], tokens], 1)
    return attention(tokens, tokens, tokens)


def _windows(net: Any, x: Tensor) -> Tensor:
    """Swin: attention in windows of 4×4 tokens, then in shifted ones."""
    x = net.patches(x).permute(0, 2, 3, 1)
    n, h, w, c = x.shape
    for shift in (0, 2)[: net.blocks]:
        y = x.roll((-shift, -shift), (1, 2)) if shift else x
        y = y.view(n, h // 4, 4, w // 4, 4, c).permute(0, 1, 3, 2, 4, 5).reshape(-1, 16, c)
        q, k, v = net.qkv(y).chunk(3, -1)
        y = (q @ k.transpose(-2, -1)).softmax(-1) @ v
        y = y.view(n, h // 4, w // 4, 4, 4, c).permute(0, 1, 3, 2, 4, 5).reshape(n, h, w, c)
        x = x + (y.roll((shift, shift), (1, 2)) if shift else y)
    return x.permute(0, 3, 1, 2)


def windows(blocks: int) -> Net:
    net = Net(_windows, patches=nn.Conv2d(1, 8, 4, stride=4), qkv=nn.Linear(8, 24))
    net.blocks = blocks  # type: ignore[assignment]  # a plain attribute
    return net


def _merged_patches(net: Any, x: Tensor) -> Tensor:
    y = net.conv(x).permute(0, 2, 3, 1)
    parts = [y[:, ::2, ::2], y[:, 1::2, ::2], y[:, ::2, 1::2], y[:, 1::2, 1::2]]
    return net.linear(torch.cat(parts, -1))


def _skip(resize: Callable[[Any, Tensor], Tensor]) -> Callable[[Any, Tensor], Tensor]:
    def forward(net: Any, x: Tensor) -> Tensor:
        x = net.first(x)
        return net.last(torch.cat([x, resize(net, net.down(x))], 1))

    return forward


def u_net(resize: Callable[[Any, Tensor], Tensor], stride: int = 2, kernel: int = 3) -> Net:
    up = nn.ConvTranspose2d(4, 4, stride, stride)
    return Net(_skip(resize), first=conv(1, 2, kernel), down=conv(2, 4, 3, stride), up=up,
               last=conv(6, 2, 3))  # fmt: skip


def _pyramid(net: Any, x: Tensor) -> Tensor:
    pools = [F.adaptive_avg_pool2d(x, n) for n in (1, 2, 3)]
    return torch.cat([x, *(F.interpolate(y, x.shape[2:], mode="bilinear") for y in pools)], 1)


def _turned(x: Tensor) -> Tensor:
    return x.transpose(1, 2)


def _resized(**options: Any) -> Callable[[Tensor], Tensor]:
    return lambda x: F.interpolate(x, **options)


LAYOUTS: dict[str, tuple[nn.Module, tuple[int, ...]]] = {
    # the channels last
    "image, channels last": (
        Net(lambda net, x: net.b(net.a(x.permute(0, 3, 1, 2))),
            a=conv(3, 4, 3), b=conv(4, 4, 3, 2)),
        (1, 48, 40, 3),
    ),
    "rows × features": (
        Net(lambda net, x: net.conv(_turned(x)), conv=nn.Conv1d(6, 4, 5)), (1, 64, 6)
    ),
    "rows × features, there and back": (
        Net(lambda net, x: net.b(_turned(net.norm(_turned(net.a(_turned(x)))))),
            a=nn.Conv1d(6, 4, 5), norm=nn.LayerNorm(4), b=nn.Conv1d(4, 4, 3, dilation=2)),
        (1, 64, 6),
    ),
    "no batch": (nn.Conv2d(3, 2, 3), (3, 48, 48)),
    # from space to channels and back
    "PixelShuffle": (after(nn.PixelShuffle(2)), IMAGE),
    "PixelShuffle, convolution": (between(nn.PixelShuffle(2), 8, 2), IMAGE),
    "PixelShuffle by 3, 5×5": (between(nn.PixelShuffle(3), 9, 1, 5), IMAGE),
    "PixelUnshuffle, convolution": (between(nn.PixelUnshuffle(2), 1, 4), IMAGE),
    "space to depth by view": (between(_space_to_depth, 1, 4), IMAGE),
    "space to depth by slices": (between(_focus, 1, 4), IMAGE),
    "patches by view": (
        Net(lambda net, x: net.linear(x.view(1, 1, 12, 4, 12, 4).permute(0, 2, 4, 1, 3, 5)
                                      .reshape(1, 144, 16)), linear=nn.Linear(16, 8)), IMAGE,
    ),
    "unfold": (
        Net(lambda net, x: net.linear(_turned(F.unfold(net.conv(x), 4, stride=4))),
            conv=conv(1, 2, 3), linear=nn.Linear(32, 8)), IMAGE,
    ),
    "unfold, overlapping": (
        Net(lambda net, x: net.linear(_turned(F.unfold(x, 5, stride=2, padding=2))),
            linear=nn.Linear(25, 8)), IMAGE,
    ),
    "Tensor.unfold": (
        Net(lambda net, x: net.linear(x.unfold(2, 6, 3).unfold(3, 6, 3).flatten(4)),
            linear=nn.Linear(36, 4)), IMAGE,
    ),
    "fold(unfold)": (
        after(lambda x: F.fold(F.unfold(x, 2, stride=2), (48, 48), 2, stride=2)), IMAGE
    ),
    "merged patches": (
        Net(_merged_patches, conv=nn.Conv2d(1, 4, 4, 4), linear=nn.Linear(16, 8)), LARGE
    ),
    # positions elsewhere
    "roll": (after(lambda x: x + x.roll((3, 3), (2, 3))), IMAGE),
    "flip, convolution": (between(lambda x: x.flip(2, 3), 2, 2), IMAGE),
    "flip and back": (
        Net(lambda net, x: net.a(x) + net.b(x.flip(3)).flip(3), a=conv(1, 2, 3), b=conv(1, 2, 5)),
        IMAGE,
    ),
    "shifted parts": (between(_shifted_parts, 6, 6, 1), IMAGE),
    "every third and every second": (between(lambda x: x[:, :, 1::3, ::2], 2, 2), IMAGE),
    "crop": (after(lambda x: x[:, :, 8:-8, 8:-8]), IMAGE),
    "second half": (after(lambda x: x.split(24, 2)[1]), IMAGE),
    "last row": (after(lambda x: x[:, :, -1]), IMAGE),
    "convolution in blocks": (
        Net(lambda net, x: net.conv(x.view(1, 1, 4, 12, 4, 12).permute(0, 2, 4, 1, 3, 5)
                                    .reshape(16, 1, 12, 12)), conv=conv(1, 2, 3)), IMAGE,
    ),
    "circular padding": (
        nn.Sequential(conv(1, 4, 3, padding_mode="circular"),
                      conv(4, 4, 3, padding_mode="circular")), IMAGE,
    ),
    # all positions, or some
    "softmax over positions": (after(_gated_by_softmax), IMAGE),
    "squeeze and excitation": (after(lambda x: x * x.mean((2, 3), keepdim=True).sigmoid()), IMAGE),
    "gate of each row": (after(lambda x: x * x.mean(3, keepdim=True).sigmoid()), IMAGE),
    "mean of columns": (after(lambda x: x.mean(2)), IMAGE),
    "mean of a corner": (after(lambda x: x[:, :, :12, :12].mean((2, 3))), IMAGE),
    "uneven adaptive pool": (after(nn.AdaptiveAvgPool2d(7)), IMAGE),
    "pyramid of pools": (Net(_pyramid), IMAGE),
    "instance norm": (after(nn.InstanceNorm2d(4)), IMAGE),
    "channel attention and spatial attention": (
        between(lambda x: torch.cat([x.amax(1, True), x.mean(1, True)], 1), 4, 2, 7), IMAGE
    ),
    "Fourier transform": (after(lambda x: torch.fft.irfft2(torch.fft.rfft2(x))), IMAGE),
    "attention": (
        Net(lambda net, x: _attend(net.conv(x)), conv=nn.Conv2d(1, 4, 8, 8)), IMAGE
    ),
    "attention, class token": (
        Net(_class_token, conv=nn.Conv2d(1, 4, 8, 8), token=nn.Linear(4, 1)), IMAGE
    ),
    "attention along rows": (after(_rows_attend), IMAGE),
    "attention in windows": (windows(1), LARGE),
    "attention in shifted windows": (windows(2), LARGE),
    "attention in windows, convolution": (
        Net(lambda net, x: net.conv(net.windows(x)), windows=windows(1), conv=conv(8, 2, 3)), LARGE
    ),
    "attention in shifted windows, convolution": (
        Net(lambda net, x: net.conv(net.windows(x)), windows=windows(2), conv=conv(8, 2, 3)), LARGE
    ),
    "linear layer over tokens": (
        Net(lambda net, x: net.linear(net.conv(x).flatten(2)), conv=nn.Conv2d(1, 4, 8, 8),
            linear=nn.Linear(36, 36)), IMAGE,
    ),
    "1×1 as a product": (
        Net(lambda net, x: (net.linear.weight @ net.conv(x).flatten(2)).view(1, 5, 48, 48),
            conv=conv(1, 4, 3), linear=nn.Linear(4, 5)), IMAGE,
    ),
    "1×1 as einsum": (
        Net(lambda net, x: torch.einsum("nchw,oc->nohw", net.conv(x), net.linear.weight),
            conv=conv(1, 4, 3), linear=nn.Linear(4, 5)), IMAGE,
    ),
    # other scales
    "bilinear, twice as large": (
        between(_resized(scale_factor=2, mode="bilinear"), 2, 2), IMAGE
    ),
    "bilinear, corners aligned": (
        between(_resized(size=(96, 96), mode="bilinear", align_corners=True), 2, 2), IMAGE
    ),
    "bilinear, half as large": (between(_resized(scale_factor=0.5, mode="bilinear"), 2, 2), IMAGE),
    "nearest, 4 times, 5×5": (between(_resized(scale_factor=4), 2, 2, 5), IMAGE),
    "nearest, a third": (between(_resized(size=(16, 16)), 2, 2), IMAGE),
    "repeat_interleave": (
        between(lambda x: x.repeat_interleave(2, 2).repeat_interleave(2, 3), 2, 2), IMAGE
    ),
    "transposed 4/2, two 3×3": (
        nn.Sequential(nn.ConvTranspose2d(1, 2, 4, 2, 1), conv(2, 2, 3), conv(2, 2, 3)), IMAGE
    ),
    **{
        f"transposed {k}/{s}{name}": (nn.Sequential(
            conv(1, 3, 3), nn.ConvTranspose2d(3, 2, k, s, padding=1), *(build() for build in behind)
        ), IMAGE)
        for k, s in ((2, 3), (3, 2), (5, 2), (4, 3), (7, 3))
        for name, behind in {
            "": (), ", 3×3": (lambda: conv(2, 2, 3),), ", 3×3/2": (lambda: conv(2, 2, 3, 2),),
            f", {k}/{s}, 3×3": (
                lambda k=k, s=s: nn.ConvTranspose2d(2, 2, k, s, padding=1), lambda: conv(2, 2, 3),
            ),
        }.items()
    },
    # both directions summed: a position sees what any of its features sees
    "bidirectional LSTM of rows": (
        Net(
            lambda net, x: sum(net.rnn(net.conv(x.mT).mT)[0].chunk(2, -1)),
            conv=nn.Conv1d(3, 4, 3, padding=1),
            rnn=nn.LSTM(4, 4, batch_first=True, bidirectional=True),
        ),
        (1, 30, 3),
    ),
    "U-Net, transposed": (u_net(lambda net, x: net.up(x)), IMAGE),
    "U-Net, nearest": (u_net(lambda net, x: F.interpolate(x, scale_factor=4), 4, 5), IMAGE),
    "U-Net, bilinear": (
        u_net(lambda net, x: F.interpolate(x, scale_factor=2, mode="bilinear")), IMAGE
    ),
    # not followed: said so
    "cumsum": (after(lambda x: x.cumsum(2)), IMAGE),
    "antialiased": (after(_resized(scale_factor=0.5, mode="bilinear", antialias=True)), IMAGE),
    "max unpooling": (
        Net(lambda net, x: F.max_unpool2d(*F.max_pool2d(x, 2, return_indices=True), 2)), IMAGE
    ),
}  # fmt: skip
