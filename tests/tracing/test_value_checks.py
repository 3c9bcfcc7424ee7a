"""Values that torch reads to check operands: they need no lane with data."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import distributions, nn

import cnnstat
from tests.networks import Function

X = torch.rand(3, 5, generator=torch.Generator().manual_seed(0))
SIGNAL = torch.zeros(2, 512)


class Masked(nn.Module):
    """An encoder whose causal mask is made in forward: torch compares it with its own."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.TransformerEncoder(
            nn.TransformerEncoderLayer(8, 2, 16), 1, enable_nested_tensor=False
        )

    def forward(self, x):
        mask = nn.Transformer.generate_square_subsequent_mask(len(x), device=x.device)
        return self.encoder(x, mask=mask)


def inverse_transform(x):
    window = torch.hann_window(64, device=x.device)
    spectrum = torch.stft(x, 64, 16, window=window, return_complex=True)
    return torch.istft(spectrum, 64, 16, window=window)


def weighted_covariance(x):
    columns = x.shape[1]
    return torch.cov(
        x, fweights=torch.ones(columns, dtype=torch.int64, device=x.device),
        aweights=torch.ones(columns, device=x.device),
    )  # fmt: skip


def divergence(x):
    unit = distributions.Normal(torch.zeros_like(x), torch.ones_like(x))
    return distributions.kl_divergence(distributions.Normal(x, x.exp()), unit)


CHECKS = {
    "covariance": (Function(torch.cov), [X]),
    "weighted covariance": (Function(weighted_covariance), [X]),
    "correlation": (Function(torch.corrcoef), [X]),
    "inverse STFT": (Function(inverse_transform), [SIGNAL]),
    "variances": (Function(F.gaussian_nll_loss), [X, X.clone(), X.clone()]),
    "causal mask": (Masked(), [torch.zeros(4, 2, 8)]),
    "normal": (Function(lambda x: distributions.Normal(x, x.exp()).rsample()), [X]),
    "uniform": (Function(lambda x: distributions.Uniform(x, x + 1).rsample()), [X]),
    "geometric": (Function(lambda x: distributions.Geometric(x).sample()), [X]),
    "continuous": (Function(lambda x: distributions.ContinuousBernoulli(x).rsample()), [X]),
    "sample": (
        Function(lambda x: distributions.Beta(x.exp(), x.exp()).log_prob(x)), [X.clamp(0.1)]
    ),
    "covariance matrix": (
        Function(lambda x: distributions.MultivariateNormal(
            x, torch.eye(5, device=x.device)).rsample()), [X],
    ),
    "divergence": (Function(divergence), [X]),
}  # fmt: skip
FUSED = {"causal mask"}  # on the CPU its softmax is part of one operator


@pytest.mark.parametrize("name", CHECKS)
def test_a_check_of_torch_needs_no_data(name):
    model, tensors = CHECKS[name]
    without = cnnstat.analyze(model, *tensors)
    assert without.lane == "meta"
    real = cnnstat.analyze(model, *tensors, lane="cpu")
    assert without.totals.macs == real.totals.macs
    assert name in FUSED or without.totals.other_ops == real.totals.other_ops
    assert [layer.outputs for layer in without.layers[:1]] == [real.layers[0].outputs]


def test_a_cumulative_average_needs_no_data():
    norm = nn.BatchNorm2d(4, momentum=None)
    analysis = cnnstat.analyze(norm, (2, 4, 8, 8), mode="train")
    assert (analysis.lane, analysis.totals.other_ops) == ("meta", 5 * 2 * 4 * 64 + 1)  # its counter
    assert norm.num_batches_tracked == 0  # the model's is as before


READS = {
    "equal": lambda x: x + 1 if torch.equal(x, x) else x,
    "close": lambda x: x + 1 if torch.allclose(x, x) else x,
    "item": lambda x: x + (torch.cov(x).sum() > 0).item(),
    "in a function called cov": lambda x: (lambda cov: cov(x))(lambda y: y if y.sum() > 0 else -y),
}


@pytest.mark.parametrize("name", READS)
def test_a_value_that_the_model_reads_is_not_made_up(name):
    assert cnnstat.analyze(Function(READS[name]), X).lane == "cpu"


def test_a_training_step_through_the_inverse_stft():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv1d(1, 1, 3, padding=1)

        def forward(self, x):
            return inverse_transform(self.conv(x[:, None])[:, 0])

    assert cnnstat.memory(Net(), (2, 1024)).peak_bytes > 0
