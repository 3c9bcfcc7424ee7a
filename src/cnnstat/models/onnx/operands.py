"""The use of each operand of ONNX operators: weight, buffer, setting or data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from ...trace.records import TensorSpec

Use = Literal["weight", "buffer", "setting", "data"]


def use_of(op: str, index: int) -> Use:
    """How an operator uses an operand: as "weight", "buffer", "setting" or plain "data"."""
    if index in _WEIGHTS.get(op, ()):
        return "weight"
    if index in _BUFFERS.get(op, ()):
        return "buffer"
    return "setting" if index in _SETTINGS.get(op, ()) else "data"


_FIRST, _REST, _ALL = (0,), tuple(range(1, 9)), tuple(range(9))
_WEIGHTS: dict[str, tuple[int, ...]] = {
    **dict.fromkeys(("Conv", "ConvTranspose", "ConvInteger", "DeformConv", "PRelu"), (1, 2)),
    **dict.fromkeys(("Gemm", "MatMul", "MatMulInteger", "Einsum"), (0, 1, 2)),
    **dict.fromkeys(("BatchNormalization", "LayerNormalization", "GroupNormalization",
                     "InstanceNormalization", "RMSNormalization"), (1, 2)),
    **dict.fromkeys(("LSTM", "GRU", "RNN"), (1, 2, 3, 7)),
    "Gather": _FIRST, "DequantizeLinear": _FIRST, "QLinearConv": (3, 8), "QLinearMatMul": (0, 3),
    "com.microsoft.FusedConv": (1, 2), "com.microsoft.FusedGemm": (0, 1, 2),
    "com.microsoft.FusedMatMul": (0, 1), "com.microsoft.Attention": (1, 2),
    "com.microsoft.SkipLayerNormalization": (2, 3, 4), "com.microsoft.BiasGelu": (1,),
    "com.microsoft.FastGelu": (1,), "com.microsoft.MatMulNBits": (1, 5),
    "com.microsoft.MatMulBnb4": (1,), "com.microsoft.DynamicQuantizeMatMul": (1, 4),
    "com.microsoft.MatMulIntegerToFloat": (1, 6),
    "com.microsoft.SkipSimplifiedLayerNormalization": (2, 3), "SimplifiedLayerNormalization": (1,),
    "com.microsoft.QAttention": (1, 2), "com.microsoft.MultiHeadAttention": (3,),
    "com.microsoft.EmbedLayerNormalization": (2, 3, 4, 5, 6),
    "com.microsoft.QEmbedLayerNormalization": (2, 3, 4, 5, 6), "com.microsoft.QGemm": (3, 6),
    "com.microsoft.GemmFastGelu": (1, 2), "com.microsoft.TransposeMatMul": (0, 1),
    "com.microsoft.FusedMatMulActivation": (0, 1), "com.microsoft.MatMulInteger16": (1,),
    "com.microsoft.GroupNorm": (1, 2), "com.microsoft.SkipGroupNorm": (1, 2, 4),
    "com.microsoft.BiasSplitGelu": (1,), "com.microsoft.BiasAdd": (1,),
    "com.microsoft.MoE": tuple(range(2, 8)), "com.microsoft.QMoE": (2, 4, 5, 7, 8, 10),
    "com.microsoft.GatherBlockQuantized": (0,), "com.microsoft.DynamicQuantizeLSTM": (1, 2, 3, 7),
    "com.microsoft.DequantizeLinear": (0,),
}  # fmt: skip
_BUFFERS: dict[str, tuple[int, ...]] = {
    "BatchNormalization": (3, 4), "DequantizeLinear": _REST, "QuantizeLinear": _REST,
    "QLinearConv": (1, 2, 4, 5, 6, 7), "QLinearMatMul": (1, 2, 4, 5, 6, 7),
    "MatMulInteger": (2, 3), "ConvInteger": (2, 3), "Where": _FIRST, "Attention": (3,),
    "com.microsoft.QAttention": (3, 4, 6, 7), "com.microsoft.QGemm": (1, 2, 4, 5, 7, 8),
    "com.microsoft.QEmbedLayerNormalization": tuple(range(8, 18)),
    "com.microsoft.DequantizeLinear": _REST, "com.microsoft.QuantizeLinear": _REST,
    **{f"com.microsoft.QLinear{op}": (1, 2, 4, 5, 6, 7) for op in ("Add", "Mul")},
    **{f"com.microsoft.QLinear{op}": (1, 2, 3, 4) for op in
       ("Sigmoid", "LeakyRelu", "Softmax", "AveragePool", "GlobalAveragePool", "ReduceMean")},
    "com.microsoft.QMoE": (3, 6, 9, *range(11, 21)), "com.microsoft.GatherBlockQuantized": (2, 3),
    "com.microsoft.DynamicQuantizeLSTM": (8, 9, 10, 11),
    "com.microsoft.GroupQueryAttention": (7, 8),
    "com.microsoft.RotaryEmbedding": (2, 3),
    "com.microsoft.MatMulNBits": (2, 3, 4), "com.microsoft.MatMulBnb4": (2,),
    "com.microsoft.DynamicQuantizeMatMul": (2, 3),
    "com.microsoft.MatMulIntegerToFloat": (2, 3, 4, 5),
    "LSTM": (4, 5, 6), "GRU": (4, 5), "RNN": (4, 5),
}  # fmt: skip
_SETTINGS: dict[str, tuple[int, ...]] = {
    **dict.fromkeys(("Reshape", "Slice", "Pad", "Expand", "Tile", "Resize", "Upsample", "Unsqueeze",
                     "Squeeze", "Split", "Clip", "TopK", "CumSum", "CumProd", "Dropout", "Trilu",
                     "Pow", "OneHot", "ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin",
                     "ReduceProd", "ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp",
                     "ReduceSumSquare", "NonMaxSuppression", "Compress", "ScatterND",
                     "ScatterElements", "Scatter"), _REST),
    **dict.fromkeys(("ConstantOfShape", "Range", "Equal", "Greater", "GreaterOrEqual", "Less",
                     "LessOrEqual"), _ALL),
}  # fmt: skip


@dataclass
class Uses:
    """The uses of stored tensors, which decide whether they are parameters or buffers.

    `computed` are those computed from sizes alone, such as masks.
    """

    computed: set[str] = field(default_factory=set)
    _by_tensor: dict[str, set[Use]] = field(default_factory=dict)

    def note(self, stored: str, use: Use) -> None:
        self._by_tensor.setdefault(stored, set()).add(use)

    def kind(self, name: str, tensor: TensorSpec) -> Literal["parameter", "buffer"] | None:
        """Whether a stored tensor is a parameter, a buffer or neither.

        A weight is a parameter, and so is a float tensor of several elements combined with data in
        other operators. Statistics, scales, indices and masks are buffers.
        """
        uses, several = self._by_tensor.get(name, {"data"}), tensor.numel > 1
        if "weight" in uses and tensor.dtype not in ("int64", "bool", "string"):
            return "parameter"
        if "data" in uses and several and "float" in tensor.dtype and name not in self.computed:
            return "parameter"
        return "buffer" if "buffer" in uses or ("data" in uses and several) else None
