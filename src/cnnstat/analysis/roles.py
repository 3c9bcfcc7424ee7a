"""The role of a call in the network.

It is derived from the nearest base class in torch.nn for modules, from the operator's name for
functions. If these are unknown, the ops that ran decide, so a user-defined layer has a role too.
"""

from __future__ import annotations

from ..operators.convolution import CONVOLUTIONS
from ..operators.registry import cost_of
from ..trace.records import Call, Op
from .results import Role

LAYOUT = frozenset({
    "permute", "transpose", "contiguous", "t", "T", "mT", "H", "mH", "movedim", "swapaxes",
    "swapdims", "moveaxis", "to", "type", "type_as", "float", "half", "double", "detach", "clone",
    "expand", "expand_as", "unsqueeze", "squeeze", "getitem", "setitem", "select", "narrow",
    "real", "imag", "cpu", "cuda", "copy_", "slice", "to_copy", "lift_fresh_copy", "alias",
    # ONNX names
    "Transpose", "Squeeze", "Unsqueeze", "Identity", "Cast", "CastLike", "Expand", "Slice",
})  # fmt: skip
"""Functions that only change the layout of data."""

HIDDEN = LAYOUT | {
    "record_function_enter", "record_function_enter_new", "record_function_exit",
    "assert_async", "functional_assert_async", "assert_scalar", "assert_tensor_metadata",
}  # fmt: skip
"""Functions whose rows are hidden by default; besides the layout, marks and checks."""

_MODULES: dict[Role, str] = {
    "conv": "Conv1d Conv2d Conv3d ConvTranspose1d ConvTranspose2d ConvTranspose3d LazyConv1d "
    "LazyConv2d LazyConv3d LazyConvTranspose1d LazyConvTranspose2d LazyConvTranspose3d",
    "linear": "Linear LazyLinear Bilinear NonDynamicallyQuantizableLinear",
    "attention": "MultiheadAttention",
    "recurrent": "RNN LSTM GRU RNNBase RNNCell LSTMCell GRUCell",
    "embedding": "Embedding EmbeddingBag",
    "norm": "BatchNorm1d BatchNorm2d BatchNorm3d LazyBatchNorm1d LazyBatchNorm2d LazyBatchNorm3d "
    "SyncBatchNorm InstanceNorm1d InstanceNorm2d InstanceNorm3d LayerNorm GroupNorm RMSNorm "
    "LocalResponseNorm CrossMapLRN2d",
    "activation": "ReLU ReLU6 LeakyReLU PReLU RReLU ELU CELU SELU GELU SiLU Mish Hardtanh "
    "Hardswish Hardsigmoid Sigmoid Tanh Softplus Softshrink Softsign Hardshrink Tanhshrink "
    "LogSigmoid Threshold GLU Softmax Softmax2d LogSoftmax Softmin",
    "pool": "MaxPool1d MaxPool2d MaxPool3d AvgPool1d AvgPool2d AvgPool3d LPPool1d LPPool2d "
    "AdaptiveAvgPool1d AdaptiveAvgPool2d AdaptiveAvgPool3d AdaptiveMaxPool1d AdaptiveMaxPool2d "
    "AdaptiveMaxPool3d FractionalMaxPool2d FractionalMaxPool3d MaxUnpool1d MaxUnpool2d",
    "shape": "Flatten Unflatten PixelShuffle PixelUnshuffle ChannelShuffle ZeroPad2d "
    "ConstantPad2d ReflectionPad2d ReplicationPad2d Fold Unfold",
    "dropout": "Dropout Dropout1d Dropout2d Dropout3d AlphaDropout FeatureAlphaDropout",
}
_FUNCTIONS: dict[Role, str] = {
    "conv": "conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d conv_tbc",
    "linear": "linear bilinear addmm addbmm baddbmm addmv mv dot inner outer",
    "attention": "scaled_dot_product_attention multi_head_attention_forward",
    "recurrent": "lstm gru rnn_tanh rnn_relu",
    "embedding": "embedding embedding_bag",
    "norm": "batch_norm layer_norm group_norm instance_norm rms_norm local_response_norm normalize",
    "activation": "relu relu6 leaky_relu prelu rrelu elu celu selu gelu silu mish hardtanh "
    "hardswish hardsigmoid sigmoid tanh softplus softshrink softsign hardshrink logsigmoid "
    "threshold glu softmax log_softmax clamp",
    "pool": "max_pool1d max_pool2d max_pool3d avg_pool1d avg_pool2d avg_pool3d "
    "adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d adaptive_max_pool1d "
    "adaptive_max_pool2d adaptive_max_pool3d max_pool2d_with_indices lp_pool2d",
    "join": "cat concat concatenate stack hstack vstack dstack Concat",
    "shape": "view reshape flatten unflatten ravel view_as reshape_as pixel_shuffle "
    "pixel_unshuffle channel_shuffle pad chunk split tensor_split unbind repeat roll flip fold "
    "unfold Reshape Flatten Split Pad Tile DepthToSpace SpaceToDepth " + " ".join(sorted(LAYOUT)),
    "dropout": "dropout dropout1d dropout2d dropout3d alpha_dropout feature_dropout",
}
_BY_MODULE = {name: role for role, names in _MODULES.items() for name in names.split()}
_BY_FUNCTION = {name: role for role, names in _FUNCTIONS.items() for name in names.split()}
_ARITHMETIC = frozenset({"add", "sub", "mul", "div", "truediv", "maximum", "minimum", "lerp",
                         "Add", "Sub", "Mul", "Div", "Max", "Min", "Sum", "Mean"})  # fmt: skip
_SPATIAL_MEANS = frozenset({"mean", "amax", "max", "ReduceMean", "ReduceMax"})


def role_of_module(base: str) -> Role | None:
    return _BY_MODULE.get(base)


def role_of(call: Call, ops: list[Op]) -> Role:
    """The role of `call`; `ops` are the operators that ran in it outside of its children."""
    if call.module is not None:
        known = _BY_MODULE.get(call.module.base)
    elif call.type in _ARITHMETIC:
        known = "join" if len(call.inputs) > 1 else "other"
    elif call.type in _SPATIAL_MEANS and call.inputs and len(call.inputs[0].shape) > 3:
        known = "pool"
    else:
        known = _BY_FUNCTION.get(call.type)
    return known or _role_of_products(ops)


def _role_of_products(ops: list[Op]) -> Role:
    """Products with a parameter are linear, those of two activations attention."""
    for op in ops:
        cost = cost_of(op)
        if cost is not None and cost.macs:
            if op.name in CONVOLUTIONS:
                return "conv"
            return "linear" if any(t.parameter for t in op.inputs) else "attention"
    return "other"
