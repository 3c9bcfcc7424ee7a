"""Output shapes of ONNX Runtime's operators (domain com.microsoft), which onnx has no schemas of.

Most have the shapes of a standard operator on some of their operands, or those of an operand.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import onnx
from onnx import helper

from ...operators.shape_rules import Misfit, broadcast
from ...results import Shape

_FLOAT = onnx.TensorProto.FLOAT
_INTEGERS = frozenset({
    onnx.TensorProto.UINT8, onnx.TensorProto.INT8, onnx.TensorProto.UINT16, onnx.TensorProto.INT16,
})  # fmt: skip

Types = Sequence[Any]
"""A type proto for each output; None where it is unknown."""


@dataclass(frozen=True, slots=True)
class Standard:
    """A standard operator with the same shapes, and the places of its operands.

    It is inferred on floats, since it may not have integers. result: the elements of the output, if
    not those of the operands.
    """

    op: str
    operands: tuple[int, ...]
    result: int | None = None

    def node(self, node: onnx.NodeProto) -> onnx.NodeProto:
        places = [place for place in self.operands if place < len(node.input)]
        standard = onnx.NodeProto(op_type=self.op, name=node.name)
        standard.input.extend(node.input[place] for place in places)
        standard.output.extend(node.output[:1])
        known = onnx.defs.get_schema(self.op, 13).attributes
        standard.attribute.extend(a for a in node.attribute if a.name in known)
        return standard

    def type_of(self, operand: Any) -> Any:
        """The type of an operand, with floats in place of integers."""
        return _with_elements(operand, _FLOAT) if _elements(operand) in _INTEGERS else operand

    def result_of(self, inferred: Any, operands: Sequence[Any]) -> Any:
        """The type of the output: that which was inferred with the elements of the operands."""
        last = operands[min(1, len(operands) - 1)]
        return _with_elements(inferred, self.result or _elements(last))


def _elements(type_: Any) -> int:
    code: int = type_.tensor_type.elem_type
    return code


def _with_elements(type_: Any, code: int) -> Any:
    changed = onnx.TypeProto()
    changed.CopyFrom(type_)
    changed.tensor_type.elem_type = code
    return changed


class Unknown(Exception):
    """The shape or type of an operand is not known."""


@dataclass(frozen=True, slots=True)
class Contributed:
    """A node as the rules read it: the types and shapes of its operands, None where unknown."""

    node: onnx.NodeProto
    types: Sequence[Any]
    shapes: Sequence[Shape | None]

    def has(self, place: int) -> bool:
        return place < len(self.node.input) and bool(self.node.input[place])

    def shape(self, place: int) -> Shape:
        shape = self.shapes[place] if place < len(self.shapes) else None
        if shape is None:
            raise Unknown
        return shape

    def elements(self, place: int) -> int:
        """The code of the elements of an operand."""
        type_ = self.types[place] if place < len(self.types) else None
        if type_ is None:
            raise Unknown
        return _elements(type_)

    def typed(self, shape: Sequence[int], place: int = 0) -> Any:
        """The type with this shape and the elements of an operand."""
        return helper.make_tensor_type_proto(self.elements(place), shape)

    def attribute(self, name: str, default: Any = None) -> Any:
        found = (helper.get_attribute_value(a) for a in self.node.attribute if a.name == name)
        return next(found, default)


Rule = Callable[[Contributed], Types]


def _as_first(node: Contributed) -> Types:
    return [node.typed(node.shape(0))]


def _skip_norm(node: Contributed) -> Types:
    """The output, two statistics that are never computed, the sum."""
    x = node.typed(node.shape(0))
    return [x, None, None, x]


def _skip_group_norm(node: Contributed) -> Types:
    return [node.typed(node.shape(0))] * 2


def _embedding(node: Contributed) -> Types:
    """(ids [b,s], segments, table [words,h], …) → [b,s,h], the lengths of masks, the sum."""
    (batch, length), (_, width) = node.shape(0), node.shape(2)
    table = 2 if node.node.op_type == "EmbedLayerNormalization" else 11  # its gamma's scale
    out = node.typed((batch, length, width), table)
    lengths = helper.make_tensor_type_proto(onnx.TensorProto.INT32, (batch,))
    return [out, lengths, out]


def _packed_product(node: Contributed) -> Types:
    columns = node.attribute("N")
    if columns is None:
        raise Unknown
    return [node.typed((*node.shape(0)[:-1], columns))]


def _dequantised_product(node: Contributed) -> Types:
    return [helper.make_tensor_type_proto(_FLOAT, (*node.shape(0)[:-1], node.shape(1)[1]))]


def _quantised_gemm(node: Contributed) -> Types:
    """A float result without a scale of the output."""
    rows = node.shape(0)[1 if node.attribute("transA", 0) else 0]
    columns = node.shape(3)[0 if node.attribute("transB", 0) else 1]
    if node.has(7):
        return [node.typed((rows, columns))]
    return [helper.make_tensor_type_proto(_FLOAT, (rows, columns))]


def _fused_product(node: Contributed) -> Types:
    """Batches first or, with `transBatch`, behind the first matrix axis."""
    factors = []
    for place, side in ((0, "A"), (1, "B")):
        shape = node.shape(place)
        if len(shape) < 2:
            raise Unknown
        if node.attribute(f"transBatch{side}", 0):
            shape = (*shape[1:-1], shape[0], shape[-1])
        if node.attribute(f"trans{side}", 0):
            shape = (*shape[:-2], shape[-1], shape[-2])
        factors.append(shape)
    a, b = factors
    return [node.typed((*broadcast([a[:-2], b[:-2]]), a[-2], b[-1]))]


def _concatenated(node: Contributed) -> Types:
    """(scale, zero point, then x, scale, zero point of each operand)"""
    places = range(2, len(node.node.input), 3)
    axis, shapes = node.attribute("axis", 0), [list(node.shape(place)) for place in places]
    out = shapes[0]
    out[axis] = sum(shape[axis] for shape in shapes)
    return [node.typed(out, 2)]


def _mean(node: Contributed) -> Types:
    shape = node.shape(0)
    axes = {axis % len(shape) for axis in node.attribute("axes", range(len(shape)))}
    if node.attribute("keepdims", 1):
        return [node.typed([1 if i in axes else n for i, n in enumerate(shape)])]
    return [node.typed([n for i, n in enumerate(shape) if i not in axes])]


def _half(node: Contributed) -> Types:
    *rest, width = node.shape(0)
    return [node.typed((*rest, width // 2))]


def _swish_gate(node: Contributed) -> Types:
    return _as_first(node) if node.has(1) else _half(node)


def _distances(node: Contributed) -> Types:
    return [node.typed((node.shape(0)[0], node.shape(1)[0]))]


def _quantised(node: Contributed) -> Types:
    code = onnx.TensorProto.UINT8
    return [node.typed(node.shape(0), 2) if node.has(2) else
            helper.make_tensor_type_proto(code, node.shape(0))]  # fmt: skip


def _dequantised(node: Contributed) -> Types:
    return [node.typed(node.shape(0), 1)]


def _packed_rows(node: Contributed) -> Types:
    """Rows of a table of blocks; two 4-bit numbers are in one byte."""
    data, indices = node.shape(0), node.shape(1)
    axis = node.attribute("gather_axis", 0) % len(data)
    out = [*data[:axis], *indices, *data[axis + 1 :]]
    if node.elements(0) == onnx.TensorProto.UINT8:
        out[-1] *= 8 // node.attribute("bits", 4)
    return [node.typed(out, 2)]


def _lstm(node: Contributed) -> Types:
    """(x [t,b,i], W [directions,i,4·h], …) → y [t,directions,b,h], its last steps"""
    (steps, batch, _), (directions, *_) = node.shape(0), node.shape(1)
    hidden = node.attribute("hidden_size", 0)
    last = node.typed((directions, batch, hidden))
    return [node.typed((steps, directions, batch, hidden)), last, last]


# Attention: [b,s,h·d]; keys and values that are returned are [b,h,s,d].


def _with_projection(place_of_past: int) -> Rule:
    """Attention with its projection: (x [b,s,i], weights [i,q+k+v], …, past [2,b,h,s,d])"""

    def rule(node: Contributed) -> Types:
        (batch, length, _), (_, joined) = node.shape(0), node.shape(1)
        heads = node.attribute("num_heads", 1)
        width = (node.attribute("qkv_hidden_sizes") or [joined // 3] * 3)[2]
        past = node.shape(place_of_past)[3] if node.has(place_of_past) else 0
        shares = node.attribute("past_present_share_buffer", 0)
        of = 0 if node.node.op_type == "Attention" else 3  # the quantised one has integers as input
        present = (2, batch, heads, past if shares else past + length, width // heads)
        return [node.typed((batch, length, width), of), node.typed(present, of)]

    return rule


def _multi_head(node: Contributed) -> Types:
    """Queries [b,s,h·d] or packed [b,s,h,3,d]; keys [b,l,h·d], [b,h,l,d] or packed [b,l,h,2,d]."""
    query = node.shape(0)
    masked = node.node.op_type == "DecoderMaskedMultiHeadAttention"
    pasts = (5, 6) if masked else (6, 7)
    heads = node.attribute("num_heads", 1)
    width = query[-1] if len(query) == 5 else query[-1] // heads
    keys, value_width = query[1], width
    if len(query) == 3 and node.has(1):
        key = node.shape(1)
        keys = key[2] if len(key) == 4 else key[1]
        if node.has(2):
            value = node.shape(2)
            value_width = value[-1] if len(value) == 4 else value[-1] // heads
    past = node.shape(pasts[0])[2] if node.has(pasts[0]) else 0
    total = past if node.attribute("past_present_share_buffer", 0) else past + keys
    return [
        node.typed((query[0], query[1], heads * value_width)),
        node.typed((query[0], heads, total, width)),
        node.typed((query[0], heads, total, value_width)),
    ]


def _grouped_query(node: Contributed) -> Types:
    """Queries [b,s,h·d], or [b,s,(h + 2·kv)·d] with keys and values; pasts [b,kv,s,d]."""
    batch, length, joined = node.shape(0)
    heads, shared = node.attribute("num_heads", 1), node.attribute("kv_num_heads", 1)
    packed = not node.has(1)
    width = joined // (heads + 2 * shared if packed else heads)
    past = node.shape(3)[2] if node.has(3) else 0
    present = (batch, shared, past + length, width)
    of = 3 if node.has(3) else 0
    return [node.typed((batch, length, heads * width)), *[node.typed(present, of)] * 2]


def _join(op: str) -> Standard:
    return Standard(op, (0, 3))


_RULES: dict[str, Rule | Standard] = {
    "FusedConv": Standard("Conv", (0, 1, 2)),
    "FusedGemm": Standard("Gemm", (0, 1, 2)),
    "GemmFastGelu": Standard("MatMul", (0, 1)),
    "MatMulInteger16": Standard("MatMul", (0, 1), onnx.TensorProto.INT32),
    "QLinearAdd": _join("Add"),
    "QLinearMul": _join("Mul"),
    "QLinearWhere": Standard("Where", (0, 1, 4)),
    "QLinearAveragePool": Standard("AveragePool", (0,)),
    "QLinearGlobalAveragePool": Standard("GlobalAveragePool", (0,)),
    "ReduceSumInteger": _mean,
    "QLinearReduceMean": _mean,
    "QLinearConcat": _concatenated,
    "QGemm": _quantised_gemm,
    **dict.fromkeys(
        ("Gelu", "FastGelu", "BiasGelu", "QuickGelu", "ScaledSiLU", "BiasAdd", "BiasSoftmax",
         "BiasDropout", "QLinearSigmoid", "QLinearLeakyRelu", "QLinearSoftmax", "RotaryEmbedding",
         "GroupNorm", "ComplexMul", "ComplexMulConj", "Inverse", "MoE", "QMoE",
         "SimplifiedLayerNormalization", "Trilu"),
        _as_first,
    ),
    **dict.fromkeys(("SkipLayerNormalization", "SkipSimplifiedLayerNormalization"), _skip_norm),
    "SkipGroupNorm": _skip_group_norm,
    **dict.fromkeys(("EmbedLayerNormalization", "QEmbedLayerNormalization"), _embedding),
    **dict.fromkeys(("MatMulNBits", "MatMulBnb4"), _packed_product),
    **dict.fromkeys(("DynamicQuantizeMatMul", "MatMulIntegerToFloat"), _dequantised_product),
    **dict.fromkeys(("FusedMatMul", "TransposeMatMul", "FusedMatMulActivation"), _fused_product),
    "BiasSplitGelu": _half,
    "SwiGLU": _swish_gate,
    "CDist": _distances,
    "QuantizeLinear": _quantised,
    "DequantizeLinear": _dequantised,
    "GatherBlockQuantized": _packed_rows,
    "DynamicQuantizeLSTM": _lstm,
    "Attention": _with_projection(4),
    "QAttention": _with_projection(8),
    **dict.fromkeys(("MultiHeadAttention", "DecoderMaskedMultiHeadAttention"), _multi_head),
    "GroupQueryAttention": _grouped_query,
}  # fmt: skip

STANDARD_DOMAIN = frozenset({"SimplifiedLayerNormalization"})
"""Operators that ONNX Runtime adds to the standard domain."""


def contributed(
    node: onnx.NodeProto, types: Sequence[Any], shapes: Sequence[Shape | None]
) -> Types | Standard:
    """The types of the outputs, or a standard operator with the same ones; empty: unknown.

    types, shapes: those of the operands, None where unknown.
    """
    rule = _RULES.get(node.op_type)
    if rule is None or isinstance(rule, Standard):
        return rule or []
    try:
        return rule(Contributed(node, types, shapes))
    except (Unknown, Misfit, ValueError, IndexError, ZeroDivisionError):
        return []  # an operand that the operator does not have, in a file that nobody has run
