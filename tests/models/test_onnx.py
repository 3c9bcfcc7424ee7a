"""Models in ONNX files: figures, rows, inputs; what is not counted; what is refused."""

from __future__ import annotations

import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import cnnstat
from cnnstat.cli.main import run
from cnnstat.models.onnx import translators
from cnnstat.models.onnx.parsing import read_onnx
from cnnstat.models.onnx.translators import _TRANSLATORS
from cnnstat.operators import registry
from cnnstat.operators.costs import Cost
from cnnstat.operators.registry import cost_of, definition_of, view_of
from cnnstat.trace.records import Op, TensorSpec

FLOAT, INT = TensorProto.FLOAT, TensorProto.INT64
node = helper.make_node


def tensor(name: str, *shape: int, dtype: Any = np.float32) -> onnx.TensorProto:
    return numpy_helper.from_array(np.zeros(shape, dtype), name)


def ints(name: str, *values: int) -> onnx.TensorProto:
    return numpy_helper.from_array(np.array(values, np.int64), name)


def save(
    nodes: list[onnx.NodeProto], inputs: dict[str, Any], stored: list[onnx.TensorProto] = (),
    outputs: tuple[str, ...] = ("y",), path: str = "model.onnx", opset: int = 20,
    functions: Any = (),
) -> str:  # fmt: skip
    """Write a graph; an input is a shape, or a type and a shape."""
    infos = [
        helper.make_tensor_value_info(name, *((FLOAT, s) if isinstance(s, list) else s))
        for name, s in inputs.items()
    ]
    results = [helper.make_tensor_value_info(name, FLOAT, None) for name in outputs]
    graph = helper.make_graph(nodes, "net", infos, results, list(stored))
    domains = {n.domain for n in nodes} - {""}
    imports = [helper.make_opsetid("", opset), *(helper.make_opsetid(d, 1) for d in domains)]
    onnx.save(helper.make_model(graph, opset_imports=imports, functions=functions), path)
    return path


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


X = {"x": [1, 4, 8, 8]}
SEQUENCE = {"x": [5, 2, 8]}

COUNTED: list[tuple[str, list[onnx.NodeProto], dict, list, tuple[int, int], tuple[int, ...]]] = [
    # (name, nodes, inputs, stored, (params, MACs), output)
    ("conv", [node("Conv", ["x", "w", "b"], ["y"], pads=[1, 1, 1, 1], strides=[2, 2])], X,
     [tensor("w", 6, 4, 3, 3), tensor("b", 6)], (6*4*9 + 6, 4*4 * 6 * 4*9), (1, 6, 4, 4)),
    ("grouped", [node("Conv", ["x", "w"], ["y"], group=2)], X,
     [tensor("w", 6, 2, 3, 3)], (6*2*9, 6*6 * 6 * 2*9), (1, 6, 6, 6)),
    ("same", [node("Conv", ["x", "w"], ["y"], auto_pad="SAME_UPPER", strides=[3, 3])], X,
     [tensor("w", 6, 4, 3, 3)], (6*4*9, 3*3 * 6 * 4*9), (1, 6, 3, 3)),
    ("transposed", [node("ConvTranspose", ["x", "w"], ["y"], strides=[2, 2])], X,
     [tensor("w", 4, 3, 2, 2)], (4*3*4, 8*8 * 4 * 3*4), (1, 3, 16, 16)),
    ("quantised", [node("ConvInteger", ["x", "w"], ["y"])],
     {"x": (TensorProto.UINT8, [1, 4, 8, 8])}, [tensor("w", 6, 4, 3, 3, dtype=np.uint8)],
     (6*4*9, 6*6 * 6 * 4*9), (1, 6, 6, 6)),
    ("gemm", [node("Gemm", ["x", "w", "b"], ["y"], transB=1)], {"x": [5, 8]},
     [tensor("w", 3, 8), tensor("b", 3)], (8*3 + 3, 5 * 8 * 3), (5, 3)),
    ("matmul", [node("MatMul", ["x", "w"], ["y"])], SEQUENCE, [tensor("w", 8, 3)],
     (8*3, 5*2 * 8 * 3), (5, 2, 3)),
    ("broadcast", [node("MatMul", ["x", "k"], ["y"])], {"x": [2, 1, 5, 8], "k": [3, 8, 4]}, [],
     (0, 2*3 * 5 * 8 * 4), (2, 3, 5, 4)),
    ("einsum", [node("Einsum", ["x", "k"], ["y"], equation="b i d, b j d -> b i j")],
     {"x": [2, 5, 8], "k": [2, 7, 8]}, [], (0, 2 * 5 * 7 * 8), (2, 5, 7)),
    ("lstm", [node("LSTM", ["x", "w", "r", "b"], ["y"], hidden_size=6,
                   direction="bidirectional")], SEQUENCE,
     [tensor("w", 2, 24, 8), tensor("r", 2, 24, 6), tensor("b", 2, 48)],
     (2 * (24*8 + 24*6 + 48), 5*2 * 2 * (24*8 + 24*6)), (5, 2, 2, 6)),
    ("attention", [node("Attention", ["x", "k", "v"], ["y"])],
     {"x": [2, 4, 5, 8], "k": [2, 4, 7, 8], "v": [2, 4, 7, 6]}, [],
     (0, 2*4 * 5*7 * (8 + 6)), (2, 4, 5, 6)),
    ("dequantised", [node("DequantizeLinear", ["q", "s", "z"], ["w"], axis=0),
                     node("Conv", ["x", "w"], ["y"])], X,
     [tensor("q", 6, 4, 3, 3, dtype=np.int8), tensor("s", 6), tensor("z", 6, dtype=np.int8)],
     (6*4*9, 6*6 * 6 * 4*9), (1, 6, 6, 6)),  # scales and zero points are no parameters
    ("fused", [node("FusedConv", ["x", "w"], ["c"], domain="com.microsoft", activation="Relu"),
               node("Gelu", ["c"], ["y"], domain="com.microsoft")], X,
     [tensor("w", 6, 4, 3, 3)], (6*4*9, 6*6 * 6 * 4*9), (1, 6, 6, 6)),
    # 4-bit weights in blocks of 16, two in a byte: [N, K/16, 8]
    ("packed", [node("MatMulNBits", ["x", "w", "s"], ["y"], domain="com.microsoft", K=32, N=6,
                     bits=4, block_size=16)], {"x": [2, 5, 32]},
     [tensor("w", 6, 2, 8, dtype=np.uint8), tensor("s", 12)], (6*2*8, 2*5 * 32 * 6), (2, 5, 6)),
    ("packed with a bias", [node("MatMulNBits", ["x", "w", "s", "", "", "b"], ["y"],
                                 domain="com.microsoft", K=32, N=6, bits=4, block_size=16)],
     {"x": [5, 32]}, [tensor("w", 6, 2, 8, dtype=np.uint8), tensor("s", 12), tensor("b", 6)],
     (6*2*8 + 6, 5 * 32 * 6), (5, 6)),
    ("dynamic", [node("DynamicQuantizeMatMul", ["x", "w", "s", "z", "b"], ["y"],
                      domain="com.microsoft")], {"x": [5, 32]},
     [tensor("w", 32, 6, dtype=np.int8), tensor("s", 1), tensor("z", 1, dtype=np.int8),
      tensor("b", 6)], (32*6 + 6, 5 * 32 * 6), (5, 6)),
    ("norm", [node("BatchNormalization", ["x", "g", "b", "m", "v"], ["y"])], X,
     [tensor(n, 4) for n in "gbmv"], (8, 0), (1, 4, 8, 8)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("nodes", "inputs", "stored", "figures", "output"),
    [c[1:] for c in COUNTED], ids=[c[0] for c in COUNTED],
)  # fmt: skip
def test_parameters_macs_and_shapes(
    nodes: list, inputs: dict, stored: list, figures: tuple[int, int], output: tuple[int, ...]
) -> None:
    opset = 23 if nodes[0].op_type == "Attention" else 20
    analysis = cnnstat.analyze(save(nodes, inputs, stored, opset=opset))
    assert (analysis.totals.params, analysis.totals.macs) == figures
    assert analysis.layers[0].outputs == (output,)
    assert analysis.totals.exact
    assert sum(layer.params for layer in analysis.layers) == figures[0]


def numbers(name: str, *values: int) -> onnx.TensorProto:
    return numpy_helper.from_array(np.array(values, np.int64), name)


REARRANGED = [  # (node, what it is noted as, the arguments behind the tensor)
    (node("Squeeze", ["x", "n"], ["y"]), [0, -2], "aten.squeeze", ((0, -2),)),
    (node("Squeeze", ["x"], ["y"]), [], "aten.squeeze", ()),
    (node("Unsqueeze", ["x", "n"], ["y"]), [-1], "aten.unsqueeze", (-1,)),
    (node("Unsqueeze", ["x", "n"], ["y"]), [0, 2], "aten.view", ((1, 1, 1, 3, 1, 4),)),
    (node("Transpose", ["x"], ["y"], perm=[1, 0, 3, 2]), [], "aten.permute", ((1, 0, 3, 2),)),
    (node("Split", ["x", "n"], ["y", "z"], axis=1), [1, 2], "aten.split_with_sizes", ((1, 2), 1)),
]


@pytest.mark.parametrize(("written", "values", "name", "arguments"), REARRANGED)
def test_what_is_rearranged_has_the_arguments_of_aten(
    written: onnx.NodeProto, values: list[int], name: str, arguments: tuple
) -> None:
    stored = [numbers("n", *values)] if values else []
    trace, _ = read_onnx(
        save([written], {"x": [1, 3, 1, 4]}, stored, tuple(written.output)), (), {}
    )
    (op,) = trace.ops
    assert (op.name, op.args[1:]) == (name, arguments)
    view = view_of(op)
    assert view is not None
    assert view.shapes(lambda tensor: tensor.shape) == [out.shape for out in op.outputs]


BETWEEN = [  # (node between two convolutions, its operand, receptive field behind them)
    (node("DepthToSpace", ["a"], ["b"], blocksize=2), None, (4, 4)),  # as through PixelShuffle
    (node("DepthToSpace", ["a"], ["b"], blocksize=2, mode="CRD"), None, (4, 4)),
    (node("SpaceToDepth", ["a"], ["b"], blocksize=2), None, (8, 8)),  # 3 + 1 + (3 - 1) · 2
    (node("Tile", ["a", "n"], ["b"]), [1, 2, 1, 1], (5, 5)),
    (node("Tile", ["a", "n"], ["b"]), [1, 1, 2, 1], None),
    (node("CumSum", ["a", "n"], ["b"]), [1], (5, 5)),
    (node("CumSum", ["a", "n"], ["b"]), [2], None),
]


@pytest.mark.parametrize(("written", "values", "field"), BETWEEN)
def test_receptive_field_through_what_is_rearranged(
    written: onnx.NodeProto, values: list[int] | None, field: tuple[int, ...] | None
) -> None:
    factor = 2 if written.op_type == "DepthToSpace" else 1
    channels = {"SpaceToDepth": 16, "DepthToSpace": 1}.get(written.op_type, 4)
    channels *= 2 if values == [1, 2, 1, 1] else 1
    nodes = [node("Conv", ["x", "w"], ["a"]), written, node("Conv", ["b", "v"], ["y"])]
    stored = [tensor("w", 4, 3, 3, 3), tensor("v", 2, channels, 3, 3)]
    stored += [] if values is None else [numbers("n", *values)]
    totals = cnnstat.analyze(save(nodes, {"x": [1, 3, 18, 18]}, stored)).totals
    side = 16 * factor if written.op_type != "SpaceToDepth" else 8
    rows = 32 if values == [1, 1, 2, 1] else side
    assert totals.macs == 16 * 16 * 4 * 27 + (rows - 2) * (side - 2) * 2 * channels * 9
    assert totals.receptive_field == field


def test_operators_whose_arguments_are_read_have_a_translation_of_their_own() -> None:
    definitions = [definition_of(f"aten.{name}") for name in translators._SAME.values()]
    assert [d.name for d in definitions if d is None or d.view or d.field] == []


def spec(*shape: int) -> TensorSpec:
    return TensorSpec(0, shape, "float32", 4)


ALONE = [  # (operator, operands, attributes, output, MACs, other operations)
    ("com.microsoft.Attention", (spec(2, 5, 8), spec(8, 24), spec(24)), {"num_heads": 2},
     spec(2, 5, 8), 2*5 * 8*24 + 2*2 * 5*5 * (4 + 4), 2*5 * 24 + 5 * 2*2 * 5*5),
    ("com.microsoft.MultiHeadAttention", (spec(2, 5, 8), spec(2, 7, 8), spec(2, 7, 8)),
     {"num_heads": 2}, spec(2, 5, 8), 2*2 * 5*7 * (4 + 4), 5 * 2*2 * 5*7),
    ("com.microsoft.FusedMatMul", (spec(3, 5, 8), spec(3, 7, 8)), {"transB": 1},
     spec(3, 5, 7), 3 * 5 * 8 * 7, 0),
    ("com.microsoft.FusedGemm", (spec(8, 5), spec(8, 7), spec(7)), {"transA": 1},
     spec(5, 7), 5 * 8 * 7, 2 * 5*7),  # a bias and an activation
    ("com.microsoft.SkipLayerNormalization", (spec(2, 5, 8), spec(2, 5, 8), spec(8)), {},
     spec(2, 5, 8), 0, 6 * 2*5*8),
    ("com.microsoft.BiasGelu", (spec(2, 8), spec(8)), {}, spec(2, 8), 0, 2 * 2*8),
    ("GRU", (spec(5, 2, 8), spec(1, 18, 8), spec(1, 18, 6), spec(1, 36)), {}, spec(5, 1, 2, 6),
     5*2 * 18 * (8 + 6), 5*2 * (4 * 18 + 4 * 6)),
    ("LRN", (spec(1, 4, 8, 8),), {"size": 5}, spec(1, 4, 8, 8), 0, (5 + 5) * 4*8*8),
    ("LpPool", (spec(1, 4, 8, 8),), {"kernel_shape": (2, 3)}, spec(1, 4, 7, 6), 0,
     2 * 2*3 * 4*7*6),
    ("Einsum", (spec(3, 4), spec(4)), {"equation": "ij,j->ij"}, spec(3, 4), 0, 3*4),
    ("ScatterND", (spec(9, 4), spec(2, 1), spec(2, 4)), {}, spec(9, 4), 0, 0),
    ("ScatterND", (spec(9, 4), spec(2, 1), spec(2, 4)), {"reduction": "add"}, spec(9, 4), 0, 8),
]  # fmt: skip


@pytest.mark.parametrize(("op", "operands", "attributes", "out", "macs", "others"), ALONE)
def test_operators_that_aten_lacks(
    op: str, operands: tuple, attributes: dict, out: TensorSpec, macs: int, others: int
) -> None:
    recorded = Op(f"onnx.{op}", "default", operands, attributes, (out,), 0, 0)
    assert cost_of(recorded) == Cost(macs, others)


KNOWN = {schema.name for schema in onnx.defs.get_all_schemas() if not schema.domain}


def test_every_listed_operator_exists_in_onnx() -> None:
    listed = {n.removeprefix("onnx.") for n in registry.DEFINITIONS if n.startswith("onnx.")}
    listed = (listed - {"constant"}) | set(_TRANSLATORS)
    assert {name for name in listed if not name.startswith("com.microsoft.")} <= {
        *KNOWN, "SimplifiedLayerNormalization",  # ONNX Runtime adds it to the standard domain
    }  # fmt: skip
    translated = {
        name.removeprefix("onnx.") for name, d in registry.DEFINITIONS.items() if not d.reason_free
    } & set(_TRANSLATORS)
    assert not translated, f"rules that are never used: {translated}"


def named(op: str, inputs: list[str], outputs: list[str], name: str, **how: Any) -> onnx.NodeProto:
    return node(op, inputs, outputs, name=name, **how)


def network() -> str:
    """As torch's older exporter writes it: modules in the names of nodes, sizes computed."""
    nodes = [
        named("Conv", ["x", "stem.weight"], ["a"], "/stem/Conv", pads=[1] * 4),
        named("Relu", ["a"], ["b"], "/relu/Relu"),
        named("Conv", ["b", "body.0.weight"], ["c"], "/body/body.0/Conv", pads=[1] * 4),
        named("Add", ["c", "b"], ["d"], "/body/Add"),
        named("Relu", ["d"], ["e"], "/relu/Relu_1"),
        named("MaxPool", ["e"], ["f"], "/pool/MaxPool", kernel_shape=[2, 2], strides=[2, 2]),
        named("Shape", ["f"], ["s"], "/Shape"),
        named("Gather", ["s", "zero"], ["n"], "/Gather"),
        named("Unsqueeze", ["n", "axis"], ["m"], "/Unsqueeze"),
        named("Concat", ["m", "rest"], ["shape"], "/Concat", axis=0),
        named("Reshape", ["f", "shape"], ["g"], "/Reshape"),
        named("MatMul", ["g", "head"], ["h"], "/head/MatMul"),
        named("Add", ["h", "head.bias"], ["y"], "/head/Add"),
    ]
    stored = [
        tensor("stem.weight", 4, 3, 3, 3), tensor("body.0.weight", 4, 4, 3, 3),
        tensor("head", 64, 10), tensor("head.bias", 10),
        numpy_helper.from_array(np.array(0), "zero"), ints("axis", 0), ints("rest", -1),
    ]  # fmt: skip
    return save(nodes, {"x": ["batch", 3, 8, 8]}, stored)


def test_rows_follow_the_modules() -> None:
    analysis = cnnstat.analyze(network())  # a batch alone may stay free: it is one
    shown = [(x.path, x.call, x.depth, x.type, x.config, x.role, x.params, x.macs)
             for x in analysis.layers]  # fmt: skip
    assert shown == [
        ("", 0, 0, "net", "", "other", 0, 0),
        ("stem", 0, 1, "Conv", "3×3", "conv", 4 * 3 * 9, 64 * 4 * 3 * 9),
        ("relu", 0, 1, "Relu", "", "activation", 0, 0),
        ("body", 0, 1, "Scope", "", "other", 0, 0),
        ("body.0", 0, 2, "Conv", "3×3", "conv", 4 * 4 * 9, 64 * 4 * 4 * 9),
        ("body.add", 0, 2, "Add", "", "join", 0, 0),
        ("relu", 1, 1, "Relu", "", "activation", 0, 0),
        ("pool", 0, 1, "MaxPool", "2×2/2", "pool", 0, 0),
        ("reshape", 0, 1, "Reshape", "", "shape", 0, 0),
        ("head", 0, 1, "MatMul", "64→10", "linear", 64 * 10 + 10, 64 * 10),
    ]
    assert analysis.inputs[0].shape == (1, 3, 8, 8)
    assert analysis.totals.receptive_field == (6, 6)  # 3, 3 + 2, and the pool's 1 more
    assert analysis.totals.depth == 3
    assert (analysis.model.class_name, analysis.lane) == ("net", "onnx")
    # stem, relu, conv, sum and relu of 4·8·8 floats, pool of 4·4·4, product and bias of 10
    assert analysis.totals.activation_bytes == 4 * (5 * 256 + 64 + 10)
    # the sum needs the first relu, the second convolution and itself, beside the input
    weights = 4 * (4 * 3 * 9 + 4 * 4 * 9 + 650)
    assert analysis.totals.peak_bytes == weights + 4 * (3 * 64 + 3 * 256)


def test_free_sizes_are_taken_from_the_input() -> None:
    analysis = cnnstat.analyze(network(), (5, 3, 8, 8))
    assert analysis.layers[0].outputs == ((5, 10),)
    assert analysis.totals.macs == 5 * cnnstat.analyze("model.onnx").totals.macs


def test_classes_from_the_newer_exporter() -> None:
    layer = node("Conv", ["x", "features.0.weight"], ["c"], name="node_conv2d")
    norm = node("Add", ["c", "c"], ["y"], name="node_add")
    for made, paths, classes in (
        (layer, ["", "features", "features.1", "conv2d"],
         ["a.Net", "torch.nn.modules.container.Sequential",
          "torch.nn.modules.batchnorm.BatchNorm2d", "aten.conv2d.default"]),
        (norm, ["", "add"], ["a.Net", "aten.add.Tensor"]),
    ):  # fmt: skip
        for key, value in (("name_scopes", paths), ("class_hierarchy", classes)):
            made.metadata_props.add(key=f"pkg.torch.onnx.{key}", value=repr(value))
    analysis = cnnstat.analyze(save([layer, norm], X, [tensor("features.0.weight", 6, 4, 3, 3)]))
    # the norm was folded into the convolution, which its weight names
    assert [(x.path, x.type, x.role) for x in analysis.layers[1:]] == [
        ("features", "Sequential", "other"), ("features.0", "Conv", "conv"), ("add", "Add", "join"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "paths", ["['', 1, 2]", "['', 'a', 1.5, 'b']", "7", "{'a': 1}", "[" * 10_000, "a-b", "-'a'"]
)
def test_metadata_that_is_no_list_of_names(paths: str) -> None:
    layer = node("Conv", ["x", "w"], ["y"], name="block/conv")
    for key, value in (("name_scopes", paths), ("class_hierarchy", repr(["a.Net", "b", "c"]))):
        layer.metadata_props.add(key=f"pkg.torch.onnx.{key}", value=value)
    analysis = cnnstat.analyze(save([layer], X, [tensor("w", 6, 4, 3, 3)]))
    assert [row.path for row in analysis.layers] == ["", "block"]


WINDOWS: list[tuple[str, dict[str, Any], str]] = [
    # (operator, attributes, the size of its output along both axes, of 8×8)
    ("MaxPool", {"kernel_shape": [3, 3], "strides": [2, 2]}, "⌊(8 + 2 · 0 − 3) / 2⌋ + 1"),
    ("MaxPool", {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1},
     "⌈(8 + 2 · 0 − 3) / 2⌉ + 1"),
    ("AveragePool", {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1},
     "⌈(8 + 2 · 0 − 3) / 2⌉ + 1"),
    ("MaxPool", {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [0, 0, 1, 1]},
     "⌊(8 + 0 + 1 − 3) / 2⌋ + 1"),
    ("AveragePool", {"kernel_shape": [2, 2], "auto_pad": "SAME_UPPER"},
     "⌊(8 + 0 + 1 − 2) / 1⌋ + 1"),
    ("AveragePool", {"kernel_shape": [2, 2], "auto_pad": "SAME_LOWER"},
     "⌊(8 + 1 + 0 − 2) / 1⌋ + 1"),
    ("AveragePool", {"kernel_shape": [3, 3], "dilations": [2, 2]},
     "⌊(8 + 2 · 0 − 2 · (3 − 1) − 1) / 1⌋ + 1"),
    ("Conv", {"strides": [2, 2], "pads": [0, 0, 1, 1]}, "⌊(8 + 0 + 1 − 3) / 2⌋ + 1"),
    ("Conv", {"strides": [2, 2], "auto_pad": "SAME_UPPER"}, "⌊(8 + 0 + 1 − 3) / 2⌋ + 1"),
    ("ConvTranspose", {"strides": [2, 2], "pads": [0, 0, 1, 1]}, "(8 − 1) · 2 + 3 + 0 − (0 + 1)"),
]  # fmt: skip


@pytest.mark.parametrize(("op", "attributes", "formula"), WINDOWS)
def test_windows_round_and_pad_as_the_file_says(op, attributes, formula) -> None:
    weights = [] if "Pool" in op else [tensor("w", 4, 4, 3, 3)]
    inputs = ["x"] if "Pool" in op else ["x", "w"]
    path = save([named(op, inputs, ["y"], f"/a/{op}", **attributes)], X, weights)
    explained = cnnstat.explain(path, "a")
    (size,) = (step for step in explained.steps if step.name == "height, width")
    assert size.numbers == formula


def test_shared_weights_count_once() -> None:
    nodes = [
        named("Conv", ["x", "w"], ["a"], "/a/Conv", pads=[1] * 4),
        node("Identity", ["w"], ["w2"]),  # how torch's exporter writes a tensor stored once
        named("Conv", ["a", "w2"], ["y"], "/b/Conv", pads=[1] * 4),
    ]
    analysis = cnnstat.analyze(save(nodes, X, [tensor("w", 4, 4, 3, 3)]))
    assert analysis.totals.params == 4 * 4 * 9
    assert [(x.path, x.params, x.shared_with) for x in analysis.layers[1:]] == [
        ("a", 144, None), ("b", 0, "a"),
    ]  # fmt: skip


def test_unknown_operators_are_named_and_nothing_behind_them_is_guessed() -> None:
    nodes = [
        node("Conv", ["x", "w"], ["c"]),
        node("TopK", ["c", "k"], ["best", "where"]),
        node("Foo", ["best"], ["f"], domain="my"),
        node("Relu", ["f"], ["g"]),
        node("Transpose", ["g"], ["y"]),
    ]
    analysis = cnnstat.analyze(save(nodes, X, [tensor("w", 6, 4, 3, 3), ints("k", 3)]))
    assert not analysis.totals.exact
    assert analysis.totals.uncounted == {
        "onnx.TopK": 1, "onnx.my.Foo of unknown size": 1, "onnx.Relu of unknown size": 1,
    }  # fmt: skip
    assert analysis.totals.macs == 6 * 6 * 6 * 4 * 9
    assert [x.outputs for x in analysis.layers[1:]] == [
        ((1, 6, 6, 6),), ((1, 6, 6, 3),), (), (), (),
    ]  # fmt: skip


def test_branches_loops_and_functions() -> None:
    def branch(name: str, op: str) -> onnx.GraphProto:
        out = helper.make_tensor_value_info(name, FLOAT, None)
        return helper.make_graph([node(op, ["x"], [name])], name, [], [out])

    choice = node("If", ["flag"], ["y"], then_branch=branch("t", "Sigmoid"),
                  else_branch=branch("e", "Softmax"))  # fmt: skip
    flag = numpy_helper.from_array(np.array(True), "flag")
    known = cnnstat.analyze(save([choice], X, [flag]))
    assert [x.type for x in known.layers[1:]] == ["Sigmoid"]  # the one that is taken
    asked = cnnstat.analyze(save([choice], {**X, "flag": (TensorProto.BOOL, [])}))
    assert not asked.totals.uncounted
    assert asked.totals.other_ops == 5 * 256  # a softmax; the sigmoid has 256
    body = helper.make_function("own", "Twice", ["a", "k"], ["b"],
                                [node("Conv", ["a", "k"], ["m"], pads=[1] * 4),
                                 node("Conv", ["m", "k"], ["b"], pads=[1] * 4)],
                                [helper.make_opsetid("", 20)])  # fmt: skip
    call = node("Twice", ["x", "w"], ["y"], domain="own")
    inlined = cnnstat.analyze(save([call], X, [tensor("w", 4, 4, 3, 3)], functions=[body]))
    assert (inlined.totals.params, inlined.totals.macs) == (144, 2 * 64 * 4 * 4 * 9)


def test_weights_beside_the_file_are_not_read() -> None:
    """Nor made: 2^40 floats in a file that is not there."""
    weight = TensorProto(name="w", dims=[2**20, 2**20], data_type=FLOAT)
    weight.data_location = TensorProto.EXTERNAL
    weight.external_data.add(key="location", value="weights.bin")
    analysis = cnnstat.analyze(
        save([node("MatMul", ["x", "w"], ["y"])], {"x": [3, 2**20]}, [weight])
    )
    assert analysis.totals.params == 2**40
    assert analysis.totals.macs == 3 * 2**40


def test_compare_has_no_variants_of_it() -> None:
    ours, theirs = cnnstat.compare(network(), "model.onnx").classifiers
    assert ours == theirs
    assert ours is not None
    assert (ours.params, ours.head, ours.growth) == (650, None, ())
    assert "no model to trace" in str(ours.reason)


def test_several_inputs_are_named(capsys) -> None:
    nodes = [node("Add", ["a", "b"], ["y"])]
    save(nodes, {"a": ["n", "t"], "b": ["n", "t"]})
    assert run(["shapes", "model.onnx"]) == 2
    assert "--input a=1,128" in capsys.readouterr().err
    assert run(["shapes", "model.onnx", "--input", "a=2,5"]) == 0  # b has the same sizes
    assert capsys.readouterr().out.startswith("model.onnx on a=2×5, b=2×5\n")
    assert run(["shapes", "model.onnx", "--input", "2,5", "--input", "2,6"]) == 1
    assert "t would be 5 and 6" in capsys.readouterr().err


def bad_channels() -> None:
    save([named("Conv", ["x", "w"], ["y"], "/stem/Conv")], X, [tensor("w", 6, 3, 3, 3)])


def bad_product() -> None:
    save([named("MatMul", ["x", "w"], ["y"], "/head/MatMul")], X, [tensor("w", 9, 3)])


def dangling() -> None:
    save([named("Relu", ["q"], ["y"], "/relu/Relu")], X)


def free() -> None:
    save([node("Relu", ["x"], ["y"])], {"x": ["batch", 3, "height", 32]})


def cut() -> None:
    content = Path(network()).read_bytes()
    Path("model.onnx").write_bytes(content[: len(content) // 2])


def malformed() -> None:
    save([node("Constant", [], ["y"])], X)


def function(name: str, *calls: str) -> onnx.FunctionProto:
    """A function whose body calls others one after another; without any, a Relu."""
    steps = calls or ("Relu",)
    names = ["a", *(f"m{i}" for i in range(len(steps) - 1)), "b"]
    body = [
        node(step, [names[i]], [names[i + 1]], domain="local" if calls else "")
        for i, step in enumerate(steps)
    ]
    imports = [helper.make_opsetid("", 20), helper.make_opsetid("local", 1)]
    return helper.make_function("local", name, ["a"], ["b"], body, imports)


def doubling() -> None:
    functions = [function("F0"), *(function(f"F{i}", *[f"F{i - 1}"] * 2) for i in range(1, 60))]
    save([node("F59", ["x"], ["y"], domain="local")], X, functions=functions)


def circular() -> None:
    functions = [function("F", "G"), function("G", "F")]
    save([node("F", ["x"], ["y"], domain="local")], X, functions=functions)


def unknown_type() -> None:
    path = save([node("Relu", ["x"], ["y"])], X)
    model = onnx.load(path)
    model.graph.input[0].type.tensor_type.elem_type = 99
    Path(path).write_bytes(model.SerializeToString())


def negative() -> None:
    stored = TensorProto(name="w", data_type=FLOAT, dims=[-6, 4, 3, 3])
    save([node("Conv", ["x", "w"], ["y"])], X, [stored])


REFUSED = [  # (what is in the file, options, status, what is said)
    (bad_channels, "", 1, ["/stem/Conv (Conv)", "takes 3 channels, the input has 4"]),
    (bad_product, "", 1, ["shapes don't fit at /head/MatMul (MatMul)", "1×4×8×8, 9×3"]),
    (dangling, "", 1, ["is damaged", "/relu/Relu reads 'q', which nothing makes"]),
    (free, "", 2, ["the sizes 'batch' and 'height' of x are free", "--input 1,3,224,32"]),
    (free, "--input 1,4,8,32", 1, ["dimension 2 is fixed at 3", "not 4"]),
    (free, "--input 1,3,8", 1, ["has 3 dimensions", "takes batch×3×height×32 as x"]),
    (free, "--input y=1,3,8,32", 2, ["has no input 'y'", "it takes x"]),
    (free, "--input 1,3,8,32:int64", 1, ["the input x is float32, not int64"]),
    (free, "--input 1,3,8,32 --mode train", 2, ["in eval mode"]),
    (free, "--arg a=1", 2, ["is a model already"]),
    (cut, "", 1, ["no ONNX model, or it is cut short"]),
    (malformed, "", 1, ["is no valid ONNX model"]),
    (
        lambda: save([node("Relu", ["x"] * 9, ["y"])], X),
        "",
        1,
        ["is no valid ONNX model", "at Relu", "input size 9"],
    ),
    (
        lambda: save([node("MaxPool", ["x"], ["y"])], X),
        "",
        1,
        ["is no valid ONNX model", "'kernel_shape' is missing"],
    ),
    (lambda: save([node("Relu", ["x"], ["y"], alpha=1.0)], X), "", 1, ["attribute: alpha"]),
    (
        lambda: save([node("Transpose", ["x"], ["y"], perm=[1])], X),
        "",
        1,
        ["is no valid ONNX model", "at Transpose: perm is [1], the input has 4 dimensions"],
    ),
    # at these, onnx's shape inference would end the process
    (
        lambda: save(
            [node("LayerNormalization", ["x", "w"], ["y"], axis=2**31)], X, [tensor("w", 8)]
        ),
        "",
        1,
        ["is no valid ONNX model", "the axis 2147483648"],
    ),
    (
        lambda: save([node("GatherND", ["x", "i"], ["y"], batch_dims=-7)], X, [ints("i", 0)]),
        "",
        1,
        ["batch_dims is -7"],
    ),
    (
        lambda: save([node("Split", ["x"], ["y", "z"], num_outputs=10**9)], X),
        "",
        1,
        ["num_outputs is 1000000000, and there are 2"],
    ),
    (lambda: save([node("Einsum", ["x"], ["y"], equation='"')], X), "", 1, ["is no equation"]),
    (doubling, "", 1, ["functions that expand to 5.76e+17 nodes", "at most 200000"]),
    (circular, "", 1, ["is damaged", "calls itself"]),
    (unknown_type, "", 1, ["the input x has the unknown data type 99"]),
    (negative, "", 1, ["the tensor 'w' has the shape -6×4×3×3"]),
    (lambda: Path("model.onnx").write_bytes(b""), "", 1, ["holds no graph"]),
    (lambda: Path("model.onnx").write_bytes(bytes(range(256))), "", 1, ["no ONNX model"]),
    (lambda: Path("model.onnx").mkdir(), "", 2, ["is a directory"]),
    (lambda: None, "", 2, ["there is no file model.onnx"]),
    (
        lambda: Path("model.onnx").symlink_to("model.onnx"),
        "",
        2,
        ["leads to no file: symbolic links"],
    ),
]


@pytest.mark.parametrize(("make", "options", "status", "says"), REFUSED)
def test_refusals(capsys, make: Any, options: str, status: int, says: list[str]) -> None:
    make()
    assert run(["shapes", "model.onnx", *options.split()]) == status
    printed = capsys.readouterr()
    assert printed.out == ""
    for text in ["error: ", *says]:
        assert text in printed.err
    assert "fault of cnnstat" not in printed.err


def test_models_without_feature_maps_are_compared(capsys) -> None:
    save([node("Relu", ["x"], ["y"])], {"x": [1, 2]})
    assert run(["compare", "model.onnx", "model.onnx"]) == 0
    assert "By spatial resolution" in capsys.readouterr().out


def test_what_a_dead_node_costs_is_counted() -> None:
    save([node("Add", ["x", "x"], ["dead"]), node("Relu", ["x"], ["y"])], X)
    totals = cnnstat.analyze("model.onnx").totals
    assert totals.other_ops == 2 * 4 * 8 * 8


def test_many_layers_without_names_are_numbered() -> None:
    names = ["x", *(f"v{i}" for i in range(2999)), "y"]
    save([node("Relu", [a], [b]) for a, b in pairwise(names)], {"x": [1, 2]})
    rows = cnnstat.analyze("model.onnx").layers
    assert [row.path for row in rows[1:3]] == ["relu", "relu_1"]
    assert rows[-1].path == "relu_2999"


@pytest.mark.parametrize(
    "bomb",
    [
        node("MaxPool", ["c"], ["k"], kernel_shape=[9**6] * 2, pads=[9**5] * 4, strides=[9**6] * 2),
        node("HannWindow", ["n"], ["k"]), node("Expand", ["c", "n"], ["k"]),
        node("Range", ["z", "n", "one"], ["k"]), node("Tile", ["one", "n"], ["k"]),
    ],
)  # fmt: skip
def test_constants_are_not_expanded(bomb: onnx.NodeProto) -> None:
    stored = [tensor("c", 1, 1, 2, 2), ints("n", 10**12), ints("z", 0), ints("one", 1)]
    save([bomb, node("Relu", ["x"], ["y"])], X, stored)
    assert cnnstat.analyze("model.onnx").totals.macs == 0


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    network()
    monkeypatch.setitem(sys.modules, "onnx", None)  # as if it were not installed
    assert run(["shapes", "model.onnx"]) == 1
    assert "pip install 'cnnstat[onnx]'" in capsys.readouterr().err


SHIPPED = Path(onnx.__file__).parent / "backend" / "test" / "data"
PUBLISHED = [  # (file of the onnx package, parameters, MACs) as torchvision publishes them
    ("resnet50", 25_557_032, 4_089_184_256),
    ("vgg19", 143_667_240, 19_632_062_464),
    ("squeezenet", 1_235_496, 349_151_936),
]


@pytest.mark.parametrize(("name", "params", "macs"), PUBLISHED)
def test_published_figures(name: str, params: int, macs: int) -> None:
    totals = cnnstat.analyze(str(SHIPPED / "light" / f"light_{name}.onnx")).totals
    assert (totals.params, totals.macs, totals.exact) == (params, macs, True)


CONVERTED = sorted(p.parent for p in SHIPPED.glob("pytorch-*/*/model.onnx"))


def test_shapes_of_the_models_that_onnx_ships() -> None:
    """Each with the output that its makers recorded."""
    assert len(CONVERTED) > 90
    for folder in CONVERTED:
        recorded = TensorProto()
        recorded.ParseFromString((folder / "test_data_set_0" / "output_0.pb").read_bytes())
        trace, _ = read_onnx(str(folder / "model.onnx"), (), {})
        assert trace.calls[0].outputs[0].shape == tuple(recorded.dims), folder.name
        assert all(cost_of(op) is not None for op in trace.ops), folder.name


def graph(name: str, nodes: list[onnx.NodeProto], inputs: dict[str, Any], outputs: dict[str, Any],
          stored: Any = ()) -> onnx.GraphProto:  # fmt: skip
    """The body of a loop or a branch; types as `save` has them."""

    def infos(of: dict[str, Any]) -> list[onnx.ValueInfoProto]:
        return [helper.make_tensor_value_info(n, *((FLOAT, s) if isinstance(s, list) else s))
                for n, s in of.items()]  # fmt: skip

    return helper.make_graph(nodes, name, infos(inputs), infos(outputs), list(stored))


SCALAR, FLAG = (INT, []), (TensorProto.BOOL, [])
ROWS, COLUMNS = 2, 8
PRODUCT = ROWS * COLUMNS * COLUMNS
MATRIX = {"x": [ROWS, COLUMNS]}


def products(count: int, first: str, last: str) -> list[onnx.NodeProto]:
    """`count` products with the weight w."""
    names = [first, *(f"{last}{n}" for n in range(count - 1)), last]
    return [node("MatMul", [a, "w"], [b]) for a, b in pairwise(names)]


@pytest.mark.parametrize(("then", "other", "bound"), [(3, 1, "at most"), (1, 2, "at most"),
                                                      (2, 2, "exact")])  # fmt: skip
def test_the_branch_of_an_if_that_costs_most_is_counted(then: int, other: int, bound: str) -> None:
    first = graph("then", products(then, "x", "t"), {}, {"t": [ROWS, COLUMNS]})
    second = graph("else", products(other, "x", "e"), {}, {"e": [ROWS, COLUMNS]})
    choice = node("If", ["flag"], ["y"], name="/choice", then_branch=first, else_branch=second)
    stored = [tensor("w", COLUMNS, COLUMNS)]
    found = cnnstat.analyze(save([choice], {**MATRIX, "flag": FLAG}, stored))
    totals = found.totals
    assert totals.macs == max(then, other) * PRODUCT
    assert totals.params == COLUMNS * COLUMNS
    assert (totals.exact, totals.uncounted) == (bound == "exact", {})
    [branches] = totals.branches
    assert branches.other_macs == (min(then, other) * PRODUCT,)
    assert branches.bound == bound
    shown = {row.path: (row.total.macs, row.counted) for row in found.layers}
    assert shown["choice"] == (totals.macs, True)
    assert shown["choice.then_branch"] == (then * PRODUCT, then >= other)
    assert shown["choice.else_branch"] == (other * PRODUCT, other > then)


def loop(*, most: bool, condition: str) -> onnx.NodeProto:
    """A loop over a product; it goes on while `condition`. Its results are the last and all."""
    ways = {
        "always": [node("Identity", ["going"], ["go"])],
        "counted": [node("Add", ["n", "one"], ["next"]), node("Less", ["next", "limit"], ["go"])],
        "by value": [node("ReduceSum", ["h"], ["s"], keepdims=0),
                     node("Greater", ["s", "small"], ["go"])],
    }  # fmt: skip
    nodes = [*products(1, "h", "out"), *ways[condition]]
    body = graph("body", nodes, {"n": SCALAR, "going": FLAG, "h": [ROWS, COLUMNS]},
                 {"go": FLAG, "out": [ROWS, COLUMNS]})  # fmt: skip
    body.output.append(helper.make_tensor_value_info("out", FLOAT, [ROWS, COLUMNS]))
    return node("Loop", ["most" if most else "", "", "x"], ["y", "all"], body=body)


NUMBERS = [
    numpy_helper.from_array(np.array(3, np.int64), "most"),
    numpy_helper.from_array(np.array(1, np.int64), "one"),
    numpy_helper.from_array(np.array(5, np.int64), "limit"),
    numpy_helper.from_array(np.array(0.5, np.float32), "small"),
]


@pytest.mark.parametrize(
    ("most", "condition", "iterations", "bound"),
    [
        (True, "always", 3, "exact"),
        (True, "by value", 3, "at most"),
        (False, "counted", 5, "exact"),
        (True, "counted", 3, "exact"),
        (False, "by value", 1, "at least"),
        (False, "always", 1000, "at least"),
    ],
)
def test_the_iterations_of_a_loop(most: bool, condition: str, iterations: int, bound: str) -> None:
    stored = [tensor("w", COLUMNS, COLUMNS), *NUMBERS]
    again = loop(most=most, condition=condition)
    found = cnnstat.analyze(save([again], MATRIX, stored, outputs=("y", "all")))
    assert found.totals.macs == iterations * PRODUCT
    assert found.totals.exact == (bound == "exact")
    assert [(x.count, x.bound) for x in found.totals.loops] == [(iterations, bound)]
    assert found.layers[0].outputs == ((ROWS, COLUMNS), (iterations, ROWS, COLUMNS))
    assert not found.totals.uncounted


def test_a_scan_runs_once_for_each_element() -> None:
    added = [node("Add", ["t", "e"], ["next"]), node("Identity", ["next"], ["out"])]
    inputs, outputs = {"h": [COLUMNS], "e": [COLUMNS]}, {"next": [COLUMNS], "out": [COLUMNS]}
    step = graph("step", [*products(1, "h", "t"), *added], inputs, outputs)
    each = node("Scan", ["start", "x"], ["last", "y"], body=step, num_scan_inputs=1)
    stored = [tensor("w", COLUMNS, COLUMNS), tensor("start", COLUMNS)]
    found = cnnstat.analyze(save([each], {"x": [7, COLUMNS]}, stored))
    assert found.totals.macs == 7 * COLUMNS * COLUMNS
    assert found.totals.exact
    assert found.layers[0].outputs == ((7, COLUMNS),)


def test_an_if_inside_a_loop() -> None:
    first = graph("then", products(2, "h", "t"), {}, {"t": [ROWS, COLUMNS]})
    second = graph("else", [node("Identity", ["h"], ["e"])], {}, {"e": [ROWS, COLUMNS]})
    choice = node("If", ["flag"], ["out"], then_branch=first, else_branch=second)
    body = graph("body", [choice, node("Identity", ["going"], ["go"])],
                 {"n": SCALAR, "going": FLAG, "h": [ROWS, COLUMNS]},
                 {"go": FLAG, "out": [ROWS, COLUMNS]})  # fmt: skip
    again = node("Loop", ["most", "", "x"], ["y"], body=body)
    stored = [tensor("w", COLUMNS, COLUMNS), *NUMBERS]
    found = cnnstat.analyze(save([again], {**MATRIX, "flag": FLAG}, stored))
    assert found.totals.macs == 3 * 2 * PRODUCT
    assert [x.bound for x in found.totals.branches] == ["at most"] * 3


def test_a_name_of_many_parts_is_no_path_of_modules() -> None:
    save([node("Relu", ["x"], ["y"], name="/".join("m" for _ in range(20_000)))], X)
    analysis = cnnstat.analyze("model.onnx")
    assert 2 < len(analysis.layers) < 300


def test_a_chain_of_constants_is_followed_in_linear_time() -> None:
    """Each node adds a stored tensor to a constant, and each constant is added to the data."""
    count, last = 600, "x"
    nodes, stored = [], [tensor("c0", 1, 8)]
    for i in range(1, count):
        stored.append(tensor(f"w{i}", 1, 8))
        nodes.append(node("Add", [f"c{i - 1}", f"w{i}"], [f"c{i}"]))
        nodes.append(node("Add", [last, f"c{i}"], [f"y{i}"]))
        last = f"y{i}"
    save(nodes, X, stored, outputs=(last,))
    trace, _ = read_onnx("model.onnx", (), {})
    operands = [len(op.args) for op in trace.ops]
    assert sum(operands) < 260 * len(operands)  # not n for the n-th
    totals = cnnstat.analyze("model.onnx").totals
    assert totals.params == count * 8
    assert totals.other_ops == (count - 1) * 4 * 8 * 8
