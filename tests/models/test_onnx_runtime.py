"""Operators of ONNX Runtime: shapes as it computes them, arithmetic by hand."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import cnnstat

FLOAT, UINT8, INT32 = TensorProto.FLOAT, TensorProto.UINT8, TensorProto.INT32
SCALE, ZERO = np.float32(0.1), np.uint8(3)


class Stored:
    """An operand that is in the file."""

    def __init__(self, array: Any) -> None:
        self.array = np.asarray(array)


def w(*shape: int, dtype: Any = np.float32) -> Stored:
    return Stored(np.zeros(shape, dtype))


def q(*shape: int) -> tuple[int, tuple[int, ...]]:
    return UINT8, shape


def x(*shape: int) -> tuple[int, tuple[int, ...]]:
    return FLOAT, shape


S, Z = Stored(SCALE), Stored(ZERO)
LENGTHS, TOTAL = (INT32, (2,)), (INT32, (1,))


def model(path: Path, op: str, operands: list, attributes: dict, outputs: int, domain: str) -> str:
    names, infos, stored = [], [], []
    for index, operand in enumerate(operands):
        name = "" if operand is None else f"i{index}"
        names.append(name)
        if isinstance(operand, Stored):
            stored.append(numpy_helper.from_array(operand.array, name))
        elif operand is not None:
            infos.append(helper.make_tensor_value_info(name, *operand))
    results = [f"o{index}" for index in range(outputs)]
    node = helper.make_node(op, names, results, domain=domain, **attributes)
    graph = helper.make_graph(
        [node], "net", infos,
        [helper.make_tensor_value_info(name, FLOAT, None) for name in results], stored,
    )  # fmt: skip
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    onnx.save(helper.make_model(graph, opset_imports=imports), path / "model.onnx")
    return str(path / "model.onnx")


# (operator, operands, attributes, outputs, MACs, other operations)
COUNTED = [
    # 8-bit operands, each with a scale and a zero point
    ("QLinearAdd", [q(2, 4, 5), S, Z, q(4, 1), S, Z, S, Z], {}, [(2, 4, 5)], 0, 40),
    ("QLinearMul", [q(2, 4, 5), S, Z, q(4, 1), S, Z, S, Z], {}, [(2, 4, 5)], 0, 40),
    ("QLinearSigmoid", [q(2, 4), S, Z, S, Z], {}, [(2, 4)], 0, 8),
    ("QLinearLeakyRelu", [q(2, 4), S, Z, S, Z], {}, [(2, 4)], 0, 8),
    ("QLinearSoftmax", [q(2, 4), S, Z, S, Z], {"opset": 13}, [(2, 4)], 0, 5 * 8),
    ("QLinearWhere", [(TensorProto.BOOL, (2, 4)), q(2, 4), S, Z, q(1, 4), S, Z, S, Z], {},
     [(2, 4)], 0, 8),
    ("QLinearConcat", [S, Z, q(1, 3, 4), S, Z, q(1, 5, 4), S, Z], {"axis": 1}, [(1, 8, 4)], 0, 0),
    ("QLinearAveragePool", [q(1, 3, 9, 9), S, Z, S, Z],
     {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1] * 4}, [(1, 3, 5, 5)], 0, 75 * 9),
    ("QLinearGlobalAveragePool", [q(1, 3, 9, 9), S, Z, S, Z], {}, [(1, 3, 1, 1)], 0, 3 * 81),
    ("QLinearReduceMean", [q(1, 3, 9, 9), S, Z, S, Z], {"axes": [2, 3], "keepdims": 0},
     [(1, 3)], 0, 3 * 81),
    ("QGemm", [q(5, 8), S, Z, w(3, 8, dtype=np.uint8), S, Z, w(3, dtype=np.int32), S, Z],
     {"transB": 1}, [(5, 3)], 5 * 8 * 3, 5 * 3),
    ("MatMulInteger16", [(TensorProto.INT16, (2, 3)), w(3, 4, dtype=np.int16)], {}, [(2, 4)],
     2 * 3 * 4, 0),
    # products; transBatch: the batch is the second axis from behind
    ("FusedMatMul", [x(3, 5, 8), x(3, 7, 8)], {"transB": 1}, [(3, 5, 7)], 3 * 5 * 8 * 7, 0),
    ("FusedMatMul", [x(5, 3, 8), x(3, 8, 7)], {"transBatchA": 1}, [(3, 5, 7)], 3 * 5 * 8 * 7, 0),
    ("FusedMatMul", [x(5, 3, 8), x(3, 5, 7)], {"transBatchA": 1, "transA": 1}, [(3, 8, 7)],
     3 * 8 * 5 * 7, 0),
    ("TransposeMatMul", [x(8, 5), w(8, 7)], {"transA": 1}, [(5, 7)], 5 * 8 * 7, 0),
    ("GemmFastGelu", [x(5, 8), w(8, 7), w(7)], {}, [(5, 7)], 5 * 8 * 7, 5 * 7),
    # 5 tokens, 2 of 4 experts, 8 → 16 → 8; 4-bit weights are two in a byte, 32 → 64 → 32
    ("MoE", [x(5, 8), x(5, 4), w(4, 16, 8), None, w(4, 8, 16)], {"k": 2}, [(5, 8)],
     5 * 2 * 2 * 8 * 16, 5 * 2 * 16 + 5 * 8 * 2 * 2),
    ("QMoE", [x(5, 32), x(5, 4), w(4, 64, 16, dtype=np.uint8), w(4, 64), None,
              w(4, 32, 32, dtype=np.uint8), w(4, 32)], {"k": 2, "expert_weight_bits": 4},
     [(5, 32)], 5 * 2 * 2 * 32 * 64, 5 * 2 * 64 + 5 * 32 * 2 * 2),
    ("DynamicQuantizeLSTM", [x(5, 2, 8), w(1, 8, 24, dtype=np.uint8), w(1, 6, 24, dtype=np.uint8),
                             w(1, 48)], {"hidden_size": 6}, [(5, 1, 2, 6), (1, 2, 6), (1, 2, 6)],
     5 * 2 * 24 * (8 + 6), 5 * 2 * (4 * 24 + 5 * 6)),
    # attention: 2 examples, 2 heads
    ("Attention", [x(2, 5, 8), w(8, 24), w(24), None, x(2, 2, 2, 3, 4)], {"num_heads": 2},
     [(2, 5, 8), (2, 2, 2, 8, 4)], 10 * 8 * 24 + 2 * 2 * 5 * 8 * 8, 10 * 24 + 5 * 2 * 2 * 5 * 8),
    ("Attention", [x(2, 5, 8), w(8, 28)], {"num_heads": 2, "qkv_hidden_sizes": [8, 8, 12]},
     [(2, 5, 12)], 10 * 8 * 28 + 2 * 2 * 25 * (4 + 6), 5 * 2 * 2 * 25),
    ("QAttention", [q(2, 5, 8), w(8, 24, dtype=np.uint8), w(24), S, S], {"num_heads": 2},
     [(2, 5, 8)], 10 * 8 * 24 + 2 * 2 * 25 * 8, 10 * 24 + 5 * 2 * 2 * 25),
    ("MultiHeadAttention", [x(2, 5, 8), x(2, 7, 8), x(2, 7, 12), w(28)], {"num_heads": 2},
     [(2, 5, 12), (2, 2, 7, 4), (2, 2, 7, 6)], 2 * 2 * 5 * 7 * (4 + 6),
     5 * 2 * 2 * 35 + 2 * (5 * 8 + 7 * 8 + 7 * 12)),
    ("MultiHeadAttention", [x(2, 5, 8), x(2, 2, 7, 4), x(2, 2, 7, 4)], {"num_heads": 2},
     [(2, 5, 8)], 2 * 2 * 5 * 7 * 8, 5 * 2 * 2 * 35),
    ("MultiHeadAttention", [x(2, 5, 2, 3, 4)], {"num_heads": 2}, [(2, 5, 8)],
     2 * 2 * 25 * 8, 5 * 2 * 2 * 25),
    ("MultiHeadAttention",
     [x(2, 1, 8), x(2, 1, 8), x(2, 1, 8), None, None, None, x(2, 2, 6, 4), x(2, 2, 6, 4)],
     {"num_heads": 2}, [(2, 1, 8), (2, 2, 7, 4), (2, 2, 7, 4)], 2 * 2 * 7 * 8, 5 * 2 * 2 * 7),
    ("DecoderMaskedMultiHeadAttention",
     [x(2, 1, 8), x(2, 1, 8), x(2, 1, 8), None, None, x(2, 2, 6, 4), x(2, 2, 6, 4)],
     {"num_heads": 2}, [(2, 1, 8), (2, 2, 7, 4), (2, 2, 7, 4)], 2 * 2 * 7 * 8, 5 * 2 * 2 * 7),
    # 8 heads of queries, 2 of keys and values: each query head counts
    ("GroupQueryAttention", [x(2, 3, 64), x(2, 3, 16), x(2, 3, 16), None, None, LENGTHS, TOTAL],
     {"num_heads": 8, "kv_num_heads": 2}, [(2, 3, 64), (2, 2, 3, 8), (2, 2, 3, 8)],
     2 * 8 * 9 * 16, 5 * 2 * 8 * 9),
    ("GroupQueryAttention",
     [x(2, 1, 64), x(2, 1, 16), x(2, 1, 16), x(2, 2, 6, 8), x(2, 2, 6, 8), LENGTHS, TOTAL],
     {"num_heads": 8, "kv_num_heads": 2}, [(2, 1, 64), (2, 2, 7, 8), (2, 2, 7, 8)],
     2 * 8 * 7 * 16, 5 * 2 * 8 * 7),
    ("GroupQueryAttention",  # packed, and turned: queries and keys
     [x(2, 3, 192), None, None, None, None, LENGTHS, TOTAL, w(16, 8), w(16, 8)],
     {"num_heads": 8, "kv_num_heads": 2, "do_rotary": 1},
     [(2, 3, 128), (2, 2, 3, 16), (2, 2, 3, 16)], 2 * 8 * 9 * 32,
     5 * 2 * 8 * 9 + 3 * 2 * 3 * (8 + 2) * 16),
    ("RotaryEmbedding", [x(2, 3, 16), (TensorProto.INT64, (1,)), w(8, 4), w(8, 4)], {},
     [(2, 3, 16)], 0, 3 * 96),
    # norms and embeddings
    ("SkipLayerNormalization", [x(2, 5, 8), x(2, 5, 8), w(8), w(8), w(8)], {}, [(2, 5, 8)], 0,
     7 * 80),
    ("SkipSimplifiedLayerNormalization", [x(2, 5, 8), x(2, 5, 8), w(8)], {}, [(2, 5, 8)], 0,
     6 * 80),
    ("SimplifiedLayerNormalization", [x(2, 5, 8), w(8)], {}, [(2, 5, 8)], 0, 5 * 80),
    ("EmbedLayerNormalization",
     [(INT32, (2, 5)), (INT32, (2, 5)), w(20, 8), w(6, 8), w(2, 8), w(8), w(8)], {},
     [(2, 5, 8), (2,)], 0, (2 + 5) * 80),
    ("GroupNorm", [x(1, 4, 4, 8), w(8), w(8)], {"groups": 2, "activation": 1}, [(1, 4, 4, 8)], 0,
     6 * 128),
    ("SkipGroupNorm", [x(1, 4, 4, 8), w(8), w(8), x(1, 4, 4, 8), w(8)], {"groups": 2},
     [(1, 4, 4, 8), (1, 4, 4, 8)], 0, 7 * 128),
    # elementwise
    ("BiasSoftmax", [x(2, 3, 4, 4), x(2, 1, 1, 4)], {"axis": 3}, [(2, 3, 4, 4)], 0, (1 + 5) * 96),
    ("BiasSplitGelu", [x(1, 6, 16), w(16)], {}, [(1, 6, 8)], 0, 4 * 48),
    ("BiasAdd", [x(1, 6, 16), w(16), x(1, 6, 16)], {}, [(1, 6, 16)], 0, 2 * 96),
    ("SwiGLU", [x(3, 8)], {}, [(3, 4)], 0, 2 * 12),
    ("ComplexMul", [x(3, 2), x(3, 2)], {}, [(3, 2)], 0, 3 * 6),
    ("CDist", [x(5, 8), x(6, 8)], {}, [(5, 6)], 5 * 6 * 8, 30 * 9),
    ("Inverse", [x(3, 4, 4)], {}, [(3, 4, 4)], 0, 3 * 2 * 4**3),
    ("QuantizeLinear", [x(2, 4), S, Stored(np.uint16(5))], {}, [(2, 4)], 0, 3 * 8),
    ("DequantizeLinear", [(TensorProto.UINT16, (2, 4)), S, Stored(np.uint16(5))], {}, [(2, 4)], 0,
     2 * 8),
    # two 4-bit numbers in a byte: rows of 32
    ("GatherBlockQuantized", [w(10, 16, dtype=np.uint8), (TensorProto.INT64, (1, 3)), w(10, 2)],
     {"bits": 4, "block_size": 16}, [(1, 3, 32)], 0, 2 * 96),
]  # fmt: skip


@pytest.mark.parametrize(
    ("op", "operands", "attributes", "outputs", "macs", "others"), COUNTED,
    ids=[f"{row[0]}-{index}" for index, row in enumerate(COUNTED)],
)  # fmt: skip
def test_an_operator(
    tmp_path: Path, op: str, operands: list, attributes: dict, outputs: list, macs: int, others: int
) -> None:
    domain = "" if op == "SimplifiedLayerNormalization" else "com.microsoft"
    analysis = cnnstat.analyze(model(tmp_path, op, operands, attributes, len(outputs), domain))
    assert analysis.layers[0].outputs == tuple(outputs)
    assert analysis.totals.exact, analysis.totals.uncounted
    assert (analysis.totals.macs, analysis.totals.other_ops) == (macs, others)


def test_weights_are_parameters_and_scales_are_buffers(tmp_path: Path) -> None:
    operands = [q(5, 8), S, Z, w(8, 3, dtype=np.uint8), S, Z, w(3, dtype=np.int32), S, Z]
    totals = cnnstat.analyze(model(tmp_path, "QGemm", operands, {}, 1, "com.microsoft")).totals
    assert (totals.params, totals.buffers) == (8 * 3 + 3, 6)


WRONG = [
    ("GroupQueryAttention", [x(2, 3)], {"num_heads": 8}),  # no example
    ("Attention", [x(2, 5, 8), x(8)], {"num_heads": 2}),
    ("MultiHeadAttention", [x(2, 5, 8)], {"num_heads": 0}),
    ("FusedMatMul", [x(2, 5, 8), x(3, 8, 4)], {}),
    ("QLinearConcat", [S, Z, q(2, 3)], {"axis": 5}),
    ("MatMulNBits", [x(2, 5)], {}),
    ("EmbedLayerNormalization", [(INT32, (2, 5))], {}),
    ("FusedConv", [], {}),
]


@pytest.mark.parametrize(("op", "operands", "attributes"), WRONG, ids=[row[0] for row in WRONG])
def test_operands_that_do_not_fit_are_no_fault(
    tmp_path: Path, op: str, operands: list, attributes: dict
) -> None:
    path = model(tmp_path, op, operands, attributes, 1, "com.microsoft")
    with suppress(cnnstat.CnnstatError):
        assert not cnnstat.analyze(path).totals.exact
