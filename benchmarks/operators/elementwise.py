"""Activations, arithmetic of single elements, reductions, transforms and losses."""

import torch
from torch import nn
from torch.nn import functional as F


class Weighted(nn.Module):
    """The base of networks without layers: with its parameter there is a backward pass."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))


class Activations(nn.Sequential):
    input, letters = "2,4,6,6", "N,4,H,W"

    def __init__(self):
        super().__init__(
            nn.ReLU(), nn.ReLU6(), nn.LeakyReLU(0.1), nn.PReLU(), nn.PReLU(4), nn.RReLU(), nn.ELU(),
            nn.CELU(), nn.SELU(), nn.GELU(), nn.GELU("tanh"), nn.SiLU(), nn.Mish(), nn.Sigmoid(),
            nn.Tanh(), nn.Hardsigmoid(), nn.Hardswish(), nn.Hardtanh(-2, 2), nn.Hardshrink(),
            nn.Softshrink(), nn.Tanhshrink(), nn.Softplus(), nn.Softsign(), nn.LogSigmoid(),
            nn.Threshold(0.1, 0.0), nn.GLU(1), nn.Softmax2d(), nn.Identity(),
        )  # fmt: skip


class InPlace(nn.Module):
    input, letters = "2,3,8,8", "N,3,H,W"

    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 6, 3, padding=1), nn.Conv2d(6, 3, 1)
        self.act = nn.LeakyReLU(0.2, inplace=True)

    def forward(self, x):
        y = self.act(self.conv1(x))
        y = self.conv2(y).add_(x)
        y = F.hardswish(y, inplace=True)
        y += 1
        return y.mul_(2).div_(3).clamp_(min=-4.0, max=4.0).sigmoid_()


class Dropouts(nn.Sequential):
    input = "2,4,6,6"

    def __init__(self):
        super().__init__(
            nn.Conv2d(4, 4, 1),
            nn.Dropout(0.3),
            nn.Dropout2d(0.2),
            nn.AlphaDropout(0.1),
            nn.FeatureAlphaDropout(0.1),
            nn.Dropout(0.5, inplace=True),
            nn.Dropout(0.0),
        )


class Unary(Weighted):
    """Functions of one number; the arguments are moved to where each is defined."""

    input = "3,10"

    def forward(self, x):
        x = x * self.weight
        u = x.sigmoid() * 0.9 + 0.05
        smooth = (
            u.exp(), u.exp2(), u.expm1(), u.log(), u.log2(), u.log10(), u.log1p(), u.sqrt(),
            u.rsqrt(), u.square(), u.reciprocal(), u.sin(), u.cos(), u.tan(), u.asin(), u.acos(),
            u.atan(), u.sinh(), u.cosh(), u.tanh(), u.erf(), u.erfc(), u.erfinv(), u.abs(), -u,
            u.pow(3), u**0.5, u.logit(), u.lgamma(), u.digamma(), 2**u, u.frac(), u.sinc(),
        )  # fmt: skip
        stepped = (u.ceil(), u.floor(), u.round(), u.trunc(), u.sign(), u.sgn(), u.nan_to_num())
        return sum(smooth) + sum(stepped)


class Binary(Weighted):
    input = ("3,1,10", "4,10")

    def forward(self, x, y):
        x = x * self.weight
        a, b = x.sigmoid() + 1, y.sigmoid() + 1
        numbers = (
            a + b, a - b, a * b, a / b, a % b, a**b, a.detach() // b.detach(), torch.fmod(a, b),
            torch.atan2(a, b), torch.hypot(a, b), torch.maximum(a, b), torch.minimum(a, b),
            torch.lerp(a, b, 0.3), torch.addcmul(a, a, b, value=2), torch.addcdiv(a, a, b),
            torch.add(a, b, alpha=3), torch.rsub(a, b), 1 - a + b, 1 / a + b,
            torch.clamp(a, b, b + 1), a.clamp(0.2, 0.8) * b, a.clamp_max(2), torch.logaddexp(a, b),
            torch.xlogy(a, b), torch.dist(a, b[:3, None]) + a * b,
        )  # fmt: skip
        answers = (a > b, a >= b, a < b, a <= b, a == b, a != b, torch.isclose(a, b))
        every = torch.logical_and(answers[0], answers[1]) | ~answers[2] & answers[3] ^ answers[4]
        return sum(numbers), every, torch.logical_xor(answers[5], answers[6]).logical_not()


class Reductions(Weighted):
    input, letters = "3,8,6", "N,8,T"

    def forward(self, x):
        x = x * self.weight
        highest, where = x.max(dim=1)
        lowest = x.min(dim=-1, keepdim=True).values + x.amin((1, 2), keepdim=True)
        one = x.sum() + x.mean() + x.prod() + x.max() + x.min() + x.nansum() + x.abs().mean()
        axis = x.sum((1, 2)) + x.mean(1).sum(-1) + x.prod(2).amax(1) + x.aminmax(dim=1).max.sum(1)
        running = x.cumsum(1) + x.cumprod(-1) + x.logcumsumexp(1) + x.flip(1).cummax(1).values
        logical = (
            x.isfinite().all(),
            x.isnan().any(),
            torch.isinf(x).any(1),
            (x > 0).count_nonzero(),
        )
        return highest + lowest[..., 0].sum() + one + axis.sum() + running.sum(1), where, logical


class Fourier(nn.Module):
    """Mixing of tokens and filters in the frequencies."""

    input = "2,16,8"

    def __init__(self):
        super().__init__()
        self.filter = nn.Parameter(torch.empty(9, 8, 2))

    def forward(self, x):
        mixed = torch.fft.fft(torch.fft.fft(x, dim=-1), dim=-2).real
        spectrum = torch.fft.rfft(x, dim=1, norm="ortho") * torch.view_as_complex(self.filter)
        back = torch.fft.irfft(spectrum, n=16, dim=1, norm="ortho")
        image = torch.fft.ifft2(torch.fft.fft2(x)).abs()
        return mixed + back + image + torch.view_as_real(spectrum).sum()


class Complex(Weighted):
    """Rotary positions by complex numbers."""

    input = "2,6,4,8"

    def forward(self, x):
        x = x * self.weight
        angles = torch.outer(
            torch.arange(6, device=x.device), torch.arange(4, device=x.device)
        ).float()
        turns = torch.polar(torch.ones_like(angles), angles)[None, :, None]
        pairs = torch.view_as_complex(x.reshape(2, 6, 4, 4, 2))
        turned = torch.view_as_real(pairs * turns).flatten(3)
        return turned + pairs.conj().real.repeat(1, 1, 1, 2) + pairs.imag.sum()


class Spectrogram(nn.Module):
    input = "2,400"

    def __init__(self):
        super().__init__()
        self.register_buffer("window", torch.hann_window(64))
        self.conv = nn.Conv1d(33, 8, 3)

    def forward(self, x):
        spectrum = torch.stft(x, 64, 32, window=self.window, return_complex=True)
        return self.conv(spectrum.abs().pow(2).clamp_min(1e-6).log())


class Losses(nn.Module):
    """A model that returns its losses."""

    input = ("4,10", "4:int64")

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(10, 6)

    def forward(self, x, wanted):
        scores = self.head(x)
        hot = F.one_hot(wanted, 6).float()
        return (
            F.cross_entropy(scores, wanted, label_smoothing=0.1)
            + F.nll_loss(scores.log_softmax(1), wanted)
            + F.mse_loss(scores, hot) + F.l1_loss(scores, hot)
            + F.smooth_l1_loss(scores, hot) + F.huber_loss(scores, hot)
            + F.binary_cross_entropy_with_logits(scores, hot)
            + F.binary_cross_entropy(scores.sigmoid(), hot)
            + F.kl_div(scores.log_softmax(1), hot, reduction="batchmean")
        )  # fmt: skip


class Maps(nn.Module):
    """The loss of a segmentation."""

    input = ("2,3,8,8", "2,8,8:int64")

    def __init__(self):
        super().__init__()
        self.head = nn.Conv2d(3, 5, 1)

    def forward(self, x, wanted):
        return F.cross_entropy(self.head(x), wanted, ignore_index=4)
