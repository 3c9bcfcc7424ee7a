"""Every module of `torch.nn` and every function of `torch.nn.functional` is counted.

Each runs here once with arguments that suit it. A new release of torch may have more of them: the
test of completeness then fails and names what to add, a row of the table or the reason for none.
"""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import cnnstat
from tests.networks import Function


def x(*shape):
    """Numbers in [0, 1), so that logarithms and probabilities are defined."""
    generator = torch.Generator().manual_seed(0)
    return torch.rand(shape, generator=generator)


def signs(*shape):
    return torch.where(x(*shape) < 0.5, -1.0, 1.0)


def classes(*shape, of=5):
    return (x(*shape) * of).long()


def unpooled(dims):
    """The maxima and their indices, as `MaxPool` returns them."""
    pool = getattr(nn, f"MaxPool{dims}d")(2, return_indices=True)
    return pool(x(2, 3, *[8] * dims))


MAP1, MAP2, MAP3 = x(2, 4, 8), x(2, 4, 8, 8), x(2, 4, 6, 6, 6)
MAPS = {1: MAP1, 2: MAP2, 3: MAP3}
ROWS = x(2, 5)
BOXES = x(3, 4)


def per_dims(pattern, *args, dims=(1, 2, 3), **kwargs):
    """`Conv{}d` → rows for Conv1d, Conv2d and Conv3d."""
    return {
        pattern.format(d): (lambda d=d: getattr(nn, pattern.format(d))(*args, **kwargs), MAPS[d])
        for d in dims
    }


def alike(names, *inputs, **kwargs):
    """Modules without required arguments, on the same inputs."""
    return {
        name: (lambda name=name: getattr(nn, name)(**kwargs), *inputs) for name in names.split()
    }


# name: (how to build it, its inputs)
MODULES = {
    **per_dims("Conv{}d", 4, 6, 3),
    **per_dims("ConvTranspose{}d", 4, 6, 3),
    **per_dims("LazyConv{}d", 6, 3),
    **per_dims("LazyConvTranspose{}d", 6, 3),
    **per_dims("BatchNorm{}d", 4),
    **per_dims("LazyBatchNorm{}d"),
    **per_dims("InstanceNorm{}d", 4, affine=True),
    **per_dims("LazyInstanceNorm{}d", affine=True),
    **per_dims("MaxPool{}d", 2),
    **per_dims("AvgPool{}d", 2),
    **per_dims("LPPool{}d", 2, 2),
    **per_dims("AdaptiveAvgPool{}d", 2),
    **per_dims("AdaptiveMaxPool{}d", 2),
    **per_dims("FractionalMaxPool{}d", 2, output_size=3, dims=(2, 3)),
    **per_dims("ConstantPad{}d", 1, 0.5),
    **per_dims("ZeroPad{}d", 1),
    **per_dims("CircularPad{}d", 1),
    **per_dims("ReflectionPad{}d", 1),
    **per_dims("ReplicationPad{}d", 1),
    **per_dims("Dropout{}d"),
    **{f"MaxUnpool{d}d": (lambda d=d: getattr(nn, f"MaxUnpool{d}d")(2), *unpooled(d))
       for d in (1, 2, 3)},
    **alike("CELU ELU GELU Hardshrink Hardsigmoid Hardswish Hardtanh LeakyReLU LogSigmoid Mish "
            "PReLU RReLU ReLU ReLU6 SELU SiLU Sigmoid Softplus Softshrink Softsign Tanh "
            "Tanhshrink Identity Dropout AlphaDropout FeatureAlphaDropout GLU Flatten "
            "Softmax2d", MAP2),
    **alike("Softmax Softmin LogSoftmax", ROWS, dim=1),
    "Threshold": (lambda: nn.Threshold(0.5, 0.0), ROWS),
    "Linear": (lambda: nn.Linear(5, 3), ROWS),
    "LazyLinear": (lambda: nn.LazyLinear(3), ROWS),
    "Bilinear": (lambda: nn.Bilinear(5, 4, 3), ROWS, x(2, 4)),
    "Embedding": (lambda: nn.Embedding(5, 3), classes(2, 7)),
    "EmbeddingBag": (lambda: nn.EmbeddingBag(5, 3), classes(2, 7)),
    "LayerNorm": (lambda: nn.LayerNorm(8), MAP2),
    "RMSNorm": (lambda: nn.RMSNorm(8), MAP2),
    "GroupNorm": (lambda: nn.GroupNorm(2, 4), MAP2),
    "SyncBatchNorm": (lambda: nn.SyncBatchNorm(4).eval(), MAP2),
    "LocalResponseNorm": (lambda: nn.LocalResponseNorm(3), MAP2),
    "CrossMapLRN2d": (lambda: nn.CrossMapLRN2d(3), MAP2),
    "PixelShuffle": (lambda: nn.PixelShuffle(2), MAP2),
    "PixelUnshuffle": (lambda: nn.PixelUnshuffle(2), MAP2),
    "ChannelShuffle": (lambda: nn.ChannelShuffle(2), MAP2),
    "Upsample": (lambda: nn.Upsample(scale_factor=2, mode="bilinear"), MAP2),
    "UpsamplingBilinear2d": (lambda: nn.UpsamplingBilinear2d(scale_factor=2), MAP2),
    "UpsamplingNearest2d": (lambda: nn.UpsamplingNearest2d(scale_factor=2), MAP2),
    "Unfold": (lambda: nn.Unfold(3), MAP2),
    "Fold": (lambda: nn.Fold((8, 8), 3), x(2, 36, 36)),
    "Unflatten": (lambda: nn.Unflatten(1, (2, 2)), MAP2),
    # recurrent: [steps, batch, features]
    "RNN": (lambda: nn.RNN(4, 6), x(7, 2, 4)),
    "LSTM": (lambda: nn.LSTM(4, 6), x(7, 2, 4)),
    "GRU": (lambda: nn.GRU(4, 6), x(7, 2, 4)),
    "RNNCell": (lambda: nn.RNNCell(5, 6), ROWS),
    "LSTMCell": (lambda: nn.LSTMCell(5, 6), ROWS),
    "GRUCell": (lambda: nn.GRUCell(5, 6), ROWS),
    # attention: [length, batch, features]
    "MultiheadAttention": (lambda: nn.MultiheadAttention(8, 2), *[x(5, 2, 8)] * 3),
    "Transformer": (lambda: nn.Transformer(8, 2, 1, 1, 16), x(5, 2, 8), x(3, 2, 8)),
    "TransformerEncoder": (
        lambda: nn.TransformerEncoder(
            nn.TransformerEncoderLayer(8, 2, 16), 1, enable_nested_tensor=False
        ),
        x(5, 2, 8),
    ),
    "TransformerEncoderLayer": (lambda: nn.TransformerEncoderLayer(8, 2, 16), x(5, 2, 8)),
    "TransformerDecoder": (
        lambda: nn.TransformerDecoder(nn.TransformerDecoderLayer(8, 2, 16), 1),
        x(5, 2, 8), x(3, 2, 8),
    ),
    "TransformerDecoderLayer": (
        lambda: nn.TransformerDecoderLayer(8, 2, 16), x(5, 2, 8), x(3, 2, 8)
    ),
    # distances and losses
    **alike("CosineSimilarity PairwiseDistance L1Loss MSELoss SmoothL1Loss HuberLoss KLDivLoss "
            "BCELoss BCEWithLogitsLoss PoissonNLLLoss MultiLabelSoftMarginLoss", ROWS, x(2, 5)),
    **alike("SoftMarginLoss HingeEmbeddingLoss", ROWS, signs(2, 5)),
    **alike("CrossEntropyLoss NLLLoss MultiMarginLoss", ROWS, classes(2)),
    "NLLLoss2d": (nn.NLLLoss2d, MAP2, classes(2, 8, 8, of=4)),
    "MultiLabelMarginLoss": (nn.MultiLabelMarginLoss, ROWS, classes(2, 5)),
    "GaussianNLLLoss": (nn.GaussianNLLLoss, ROWS, x(2, 5), x(2, 5)),
    "MarginRankingLoss": (nn.MarginRankingLoss, x(2), x(2), signs(2)),
    "CosineEmbeddingLoss": (nn.CosineEmbeddingLoss, ROWS, x(2, 5), signs(2)),
    **alike("TripletMarginLoss TripletMarginWithDistanceLoss", ROWS, x(2, 5), x(2, 5)),
    "CTCLoss": (
        nn.CTCLoss, x(9, 2, 5).log_softmax(2), classes(2, 3) + 1,
        torch.tensor([9, 9]), torch.tensor([3, 3]),
    ),
    "AdaptiveLogSoftmaxWithLoss": (
        lambda: nn.AdaptiveLogSoftmaxWithLoss(5, 20, [5, 10]), ROWS, classes(2, of=20)
    ),
    "LinearCrossEntropyLoss": (lambda: nn.LinearCrossEntropyLoss(5, 7), ROWS, classes(2)),
    # containers
    "Sequential": (lambda: nn.Sequential(nn.Linear(5, 3)), ROWS),
    "DataParallel": (lambda: nn.DataParallel(nn.Linear(5, 3)), ROWS),
}  # fmt: skip

NOT_RUN = {
    "Module": "a base class", "Container": "a base class", "RNNCellBase": "a base class",
    "RNNBase": "has no forward", "ModuleList": "has no forward", "ModuleDict": "has no forward",
    "ParameterList": "has no forward", "ParameterDict": "has no forward",
}  # fmt: skip


def rows(names, *inputs, **arguments):
    """Functions of one shape of arguments: name → how to call it, and its tensors."""
    return {
        name: (lambda *tensors, name=name: getattr(F, name)(*tensors, **arguments), *inputs)
        for name in names.split()
    }


def dims(pattern, *arguments, of=(1, 2, 3), **named):
    """`conv{}d` → rows for conv1d, conv2d and conv3d, on maps of that many dimensions."""
    return {
        pattern.format(d): (
            lambda x, *tensors, d=d: getattr(F, pattern.format(d))(
                x, *tensors, *arguments, **named
            ),
            MAPS[d],
        )
        for d in of
    }


# name: (how to call it, its tensors)
FUNCTIONS = {
    **{f"conv{d}d": (getattr(F, f"conv{d}d"), MAPS[d], x(6, 4, *[3] * d)) for d in (1, 2, 3)},
    **{f"conv_transpose{d}d": (getattr(F, f"conv_transpose{d}d"), MAPS[d], x(4, 6, *[3] * d))
       for d in (1, 2, 3)},
    "conv_tbc": (F.conv_tbc, x(7, 2, 4), x(3, 4, 6), x(6)),
    **dims("avg_pool{}d", 2),
    **dims("lp_pool{}d", 2, 2),
    **dims("max_pool{}d", 2),
    **dims("max_pool{}d_with_indices", 2),
    **dims("adaptive_avg_pool{}d", 2),
    **dims("adaptive_max_pool{}d", 2),
    **dims("adaptive_max_pool{}d_with_indices", 2),
    **dims("fractional_max_pool{}d", 2, 3, of=(2, 3)),
    **dims("fractional_max_pool{}d_with_indices", 2, 3, of=(2, 3)),
    **dims("dropout{}d"),
    **{f"max_unpool{d}d": (lambda x, i, d=d: getattr(F, f"max_unpool{d}d")(x, i, 2), *unpooled(d))
       for d in (1, 2, 3)},
    **rows("celu elu gelu hardshrink hardsigmoid hardswish hardtanh leaky_relu logsigmoid mish "
           "relu relu6 rrelu selu sigmoid silu softplus softshrink softsign tanh tanhshrink glu "
           "alpha_dropout dropout feature_alpha_dropout normalize instance_norm", MAP2),
    **{name: (lambda x, name=name: getattr(F, name)(x.clone()), ROWS)
       for name in ["celu_", "elu_", "hardtanh_", "leaky_relu_", "relu_", "rrelu_", "selu_"]},
    "threshold": (lambda x: F.threshold(x, 0.5, 0.0), ROWS),
    "threshold_": (lambda x: F.threshold_(x.clone(), 0.5, 0.0), ROWS),
    "prelu": (F.prelu, MAP2, x(4)),
    **rows("softmax softmin log_softmax gumbel_softmax", ROWS, dim=1),
    "linear": (F.linear, ROWS, x(3, 5), x(3)),
    "bilinear": (F.bilinear, ROWS, x(2, 4), x(3, 5, 4), x(3)),
    "embedding": (F.embedding, classes(2, 7), x(5, 3)),
    "embedding_bag": (F.embedding_bag, classes(2, 7), x(5, 3)),
    "one_hot": (lambda c: F.one_hot(c, 5), classes(2, 7)),
    "grouped_mm": (
        lambda a, b: F.grouped_mm(a.bfloat16(), b.bfloat16()), x(3, 16, 8), x(3, 8, 16)
    ),
    "batch_norm": (F.batch_norm, MAP2, x(4), x(4)),
    "group_norm": (lambda x: F.group_norm(x, 2), MAP2),
    "layer_norm": (lambda x: F.layer_norm(x, (8,)), MAP2),
    "rms_norm": (lambda x: F.rms_norm(x, (8,)), MAP2),
    "local_response_norm": (lambda x: F.local_response_norm(x, 3), MAP2),
    "scaled_dot_product_attention": (F.scaled_dot_product_attention, *[x(2, 2, 5, 8)] * 3),
    "multi_head_attention_forward": (
        lambda q, w, b, v, c: F.multi_head_attention_forward(
            q, q, q, 8, 2, w, b, None, None, False, 0.0, v, c
        ),
        x(5, 2, 8), x(24, 8), x(24), x(8, 8), x(8),
    ),
    "affine_grid": (lambda t: F.affine_grid(t, (2, 3, 8, 8)), x(2, 2, 3)),
    "grid_sample": (F.grid_sample, MAP2, x(2, 5, 6, 2)),
    "interpolate": (lambda x: F.interpolate(x, scale_factor=2, mode="bicubic"), MAP2),
    **rows("upsample upsample_bilinear upsample_nearest", MAP2, scale_factor=2),
    "pad": (lambda x: F.pad(x, (1, 1)), MAP2),
    "fold": (lambda x: F.fold(x, (8, 8), 3), x(2, 36, 36)),
    "unfold": (lambda x: F.unfold(x, 3), MAP2),
    "pixel_shuffle": (lambda x: F.pixel_shuffle(x, 2), MAP2),
    "pixel_unshuffle": (lambda x: F.pixel_unshuffle(x, 2), MAP2),
    "channel_shuffle": (lambda x: F.channel_shuffle(x, 2), MAP2),
    "native_channel_shuffle": (lambda x: F.native_channel_shuffle(x, 2), MAP2),
    "pdist": (F.pdist, ROWS),
    **rows("cosine_similarity pairwise_distance l1_loss mse_loss smooth_l1_loss huber_loss "
           "kl_div binary_cross_entropy binary_cross_entropy_with_logits poisson_nll_loss "
           "multilabel_soft_margin_loss", ROWS, x(2, 5)),
    **rows("soft_margin_loss hinge_embedding_loss", ROWS, signs(2, 5)),
    **rows("cross_entropy nll_loss multi_margin_loss", ROWS, classes(2)),
    "multilabel_margin_loss": (F.multilabel_margin_loss, ROWS, classes(2, 5)),
    "gaussian_nll_loss": (F.gaussian_nll_loss, ROWS, x(2, 5), x(2, 5)),
    "margin_ranking_loss": (F.margin_ranking_loss, x(2), x(2), signs(2)),
    "cosine_embedding_loss": (F.cosine_embedding_loss, ROWS, x(2, 5), signs(2)),
    **rows("triplet_margin_loss triplet_margin_with_distance_loss", ROWS, x(2, 5), x(2, 5)),
    "ctc_loss": (F.ctc_loss, *MODULES["CTCLoss"][1:]),
    "linear_cross_entropy": (lambda *t: F.linear_cross_entropy(*t), ROWS, x(7, 5), classes(2)),
    "scaled_mm": (
        lambda a, b, one: F.scaled_mm(
            a.to(torch.float8_e4m3fn), b.to(torch.float8_e4m3fn).t(),
            one, F.ScalingType.TensorWise, one, F.ScalingType.TensorWise,
        ),
        x(16, 32), x(48, 32), torch.ones(()),
    ),
}  # fmt: skip

# functions of the namespace that are no operators, or run on some GPUs only
OTHER_NAMES = {
    "Optional": "a type", "assert_int_or_pair": "a check", "boolean_dispatch": "a decorator",
    "handle_torch_function": "part of the protocol of subclasses",
    "has_torch_function": "part of the protocol of subclasses",
    "has_torch_function_unary": "part of the protocol of subclasses",
    "has_torch_function_variadic": "part of the protocol of subclasses",
    "scaled_grouped_mm": "has neither a CPU nor a meta kernel",
}  # fmt: skip

# The rest run without data.
NEED_VALUES = {"CTCLoss", "ctc_loss", "AdaptiveLogSoftmaxWithLoss"}
# The rows of each cluster are those whose targets are in it.
DEPEND_ON_VALUES = {"AdaptiveLogSoftmaxWithLoss"}


def names_in(namespace, include):
    return {
        name
        for name, value in vars(namespace).items()
        if not name.startswith("_") and include(value)
    }


def test_every_module_has_a_row():
    names = names_in(nn, lambda v: isinstance(v, type) and issubclass(v, nn.Module))
    missing = names - {*MODULES, *NOT_RUN}
    assert not missing, f"new in torch {torch.__version__}: add rows to MODULES for {missing}"


def test_every_function_has_a_row():
    names = names_in(F, lambda v: callable(v) and not isinstance(v, type))
    missing = names - {*FUNCTIONS, *OTHER_NAMES}
    assert not missing, f"new in torch {torch.__version__}: add rows to FUNCTIONS for {missing}"


def shapes_in(value):
    if isinstance(value, torch.Tensor):
        return [tuple(value.shape)]
    return [s for item in value for s in shapes_in(item)] if isinstance(value, tuple) else []


def check(name, model, inputs):
    """Every operator is counted; shapes and parameters are those of a real run."""
    model = model.eval()
    analysis = cnnstat.analyze(model, *inputs)
    assert analysis.totals.uncounted == {}
    assert analysis.totals.exact or name in DEPEND_ON_VALUES
    assert analysis.lane == ("cpu" if name in NEED_VALUES else "meta")
    with torch.no_grad():
        outputs = model(*inputs)
    assert list(analysis.layers[0].outputs) == shapes_in(outputs)
    assert analysis.totals.params == sum(p.numel() for p in model.parameters())


@pytest.mark.filterwarnings("ignore")  # deprecated ones are called too
@pytest.mark.parametrize("name", MODULES)
def test_module(name):
    if not hasattr(nn, name):
        pytest.skip(f"torch {torch.__version__} has none")
    build, *inputs = MODULES[name]
    torch.manual_seed(0)
    check(name, build(), inputs)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", FUNCTIONS)
def test_function(name):
    if not hasattr(F, name):
        pytest.skip(f"torch {torch.__version__} has none")
    call, *tensors = FUNCTIONS[name]
    check(name, Function(call), tensors)
