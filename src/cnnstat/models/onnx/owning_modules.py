"""The modules that an ONNX node belongs to, by path and class, if the file contains them.

torch's current exporter writes paths and classes into the metadata of nodes. Its older one and
other tools write paths into the names of nodes: /layer1/layer1.0/conv1/Conv, model/conv1/Conv2D.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ...trace.records import Module, TensorSpec
from .inference import Resolved

_SCOPES, _CLASSES = "pkg.torch.onnx.name_scopes", "pkg.torch.onnx.class_hierarchy"
UNKNOWN = "Scope"  # the type of a module of unknown class
_DEEPEST = 200  # modules inside one another; what a name has beyond is no path of modules


@dataclass(frozen=True, slots=True)
class Scope:
    path: str
    type: str


@dataclass(frozen=True, slots=True)
class Place:
    """The modules around a node, outermost first, and the name of the node in the innermost one."""

    scopes: tuple[Scope, ...]
    label: str


def place_of(node: Resolved) -> Place:
    """The modules of a node from its metadata, else from its name."""
    op = node.type
    outer = tuple(Scope(path, type_name) for path, type_name in node.within)
    scopes = _from_metadata(node)
    if scopes is not None:
        return Place((*outer, *scopes), op.lower())
    *around, label = [part for part in node.name.split("/", _DEEPEST) if part] or [""]
    path, before, found = "", "", []
    for part in around:
        # a child of a Sequential repeats the name of its parent: block/block.0
        inside = before and part.startswith(f"{before}.")
        path = (path[: -len(before)] if inside else f"{path}." if path else "") + part
        found.append(Scope(path, UNKNOWN))
        before = part
    is_plain = not label or re.fullmatch(rf"(node_)?{op}(_\d+)?", label, re.IGNORECASE)
    return Place((*outer, *found), op.lower() if is_plain else label)


def _from_metadata(node: Resolved) -> tuple[Scope, ...] | None:
    paths, classes = (_names(node.metadata.get(key, "")) for key in (_SCOPES, _CLASSES))
    if paths is None or classes is None:
        return None
    # The first is the model, the last the operator.
    pairs = zip(paths[1:-1][:_DEEPEST], classes[1:-1], strict=False)
    return tuple(Scope(path, type_name) for path, type_name in pairs)


def _names(text: str) -> list[str] | None:
    """A list of strings as Python writes it; None for any other text."""
    try:
        names = ast.literal_eval(text)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None
    is_names = isinstance(names, list) and all(isinstance(name, str) for name in names)
    return names if is_names else None


_CONTAINERS = ("Sequential", "ModuleList", "ModuleDict")
_PRODUCTS = ("Conv", "ConvTranspose", "ConvInteger", "QLinearConv", "Gemm", "MatMul",
            "MatMulInteger", "QLinearMatMul", "com.microsoft.FusedConv", "LSTM", "GRU",
            "RNN")  # fmt: skip


def is_one_layer(scope: Scope, nodes: Sequence[Resolved]) -> bool:
    """Whether the nodes of a module are one row: a layer of torch.nn, a single node, or a product
    and its bias."""
    if len(nodes) == 1 or _is_library(scope):
        return True
    first, *rest = nodes
    biased = [node.op for node in rest] == ["Add"] and any(v and v.constant for v in rest[0].inputs)
    return first.op in _PRODUCTS and biased


def layer_of(scope: Scope, nodes: Sequence[Resolved]) -> Module:
    """The module that runs `nodes` in `scope`."""
    main = next((node for node in nodes if node.op in _PRODUCTS), nodes[0])
    shown, path = scope.type.rpartition(".")[2], scope.path
    module = module_of(path, main)
    if main.op in _PRODUCTS and "Norm" in shown:
        # a batch norm folded into the convolution before it: only the norm's name is left
        shown, path = main.type, _path_of_weight(main) or path
    elif scope.type == UNKNOWN:
        shown = main.type
    elif _is_library(scope) and (module is None or module.base != shown):
        module = Module(path, shown, shown, {})
    base, settings = (module.base, module.settings) if module else ("Module", {})
    return Module(path, shown, base, settings)


def _is_library(scope: Scope) -> bool:
    place, _, name = scope.type.rpartition(".")
    return place.startswith("torch.nn.") and name not in _CONTAINERS


def _path_of_weight(node: Resolved) -> str | None:
    """The path of the module whose weight the node uses, from the weight's name."""
    weight = node.inputs[1] if len(node.inputs) > 1 else None
    name = weight.sources[0] if weight is not None and weight.sources else ""
    return name.removesuffix(".weight") if name.endswith(".weight") else None


_BASES = {
    **dict.fromkeys(("Conv", "ConvInteger", "QLinearConv", "com.microsoft.FusedConv"), "Conv{}d"),
    "ConvTranspose": "ConvTranspose{}d", "Gemm": "Linear", "MatMul": "Linear",
    "MatMulInteger": "Linear", "QLinearMatMul": "Linear", "com.microsoft.FusedMatMul": "Linear",
    "com.microsoft.FusedGemm": "Linear", "com.microsoft.MatMulNBits": "Linear",
    "com.microsoft.MatMulBnb4": "Linear", "com.microsoft.DynamicQuantizeMatMul": "Linear",
    "com.microsoft.MatMulIntegerToFloat": "Linear", "BatchNormalization": "BatchNorm{}d",
    "InstanceNormalization": "InstanceNorm{}d", "LayerNormalization": "LayerNorm",
    "RMSNormalization": "RMSNorm", "GroupNormalization": "GroupNorm", "LRN": "LocalResponseNorm",
    "com.microsoft.SkipLayerNormalization": "LayerNorm", "MaxPool": "MaxPool{}d",
    "AveragePool": "AvgPool{}d", "GlobalAveragePool": "AdaptiveAvgPool{}d",
    "GlobalMaxPool": "AdaptiveMaxPool{}d", "LpPool": "LPPool{}d", "Relu": "ReLU",
    "LeakyRelu": "LeakyReLU", "PRelu": "PReLU", "Elu": "ELU", "Selu": "SELU", "Celu": "CELU",
    "Gelu": "GELU", "Sigmoid": "Sigmoid", "HardSigmoid": "Hardsigmoid", "HardSwish": "Hardswish",
    "Tanh": "Tanh", "Softplus": "Softplus", "Softsign": "Softsign", "Mish": "Mish",
    "Softmax": "Softmax", "LogSoftmax": "LogSoftmax", "ThresholdedRelu": "Threshold",
    "Swish": "SiLU", "Clip": "Hardtanh", "LSTM": "LSTM", "GRU": "GRU", "RNN": "RNN",
    "Dropout": "Dropout", "Attention": "MultiheadAttention",
    "com.microsoft.Attention": "MultiheadAttention",
    "com.microsoft.MultiHeadAttention": "MultiheadAttention", "com.microsoft.Gelu": "GELU",
    "com.microsoft.BiasGelu": "GELU", "com.microsoft.FastGelu": "GELU",
    "com.microsoft.QuickGelu": "GELU",
    **dict.fromkeys(("com.microsoft.QAttention", "com.microsoft.GroupQueryAttention",
                     "com.microsoft.DecoderMaskedMultiHeadAttention"), "MultiheadAttention"),
    **dict.fromkeys(("com.microsoft.SkipSimplifiedLayerNormalization",
                     "SimplifiedLayerNormalization"), "RMSNorm"),
    **dict.fromkeys(("com.microsoft.GroupNorm", "com.microsoft.SkipGroupNorm"), "GroupNorm"),
    "com.microsoft.QLinearAveragePool": "AvgPool{}d",
    "com.microsoft.QLinearGlobalAveragePool": "AdaptiveAvgPool{}d",
    "com.microsoft.QLinearSigmoid": "Sigmoid", "com.microsoft.QLinearLeakyRelu": "LeakyReLU",
    "com.microsoft.QLinearSoftmax": "Softmax", "com.microsoft.QGemm": "Linear",
    "com.microsoft.TransposeMatMul": "Linear", "com.microsoft.FusedMatMulActivation": "Linear",
    "com.microsoft.MatMulInteger16": "Linear", "com.microsoft.GemmFastGelu": "Linear",
}  # fmt: skip
"""The equivalent class of torch.nn, which decides role and configuration."""


def module_of(path: str, node: Resolved) -> Module | None:
    """The layer of torch.nn that a node is by itself, or None."""
    base = _BASES.get(node.op, "")
    operand = node.inputs[1] if len(node.inputs) > 1 else None
    if base == "Linear" and (operand is None or not operand.constant):
        base = ""  # a product of two activations
    elif node.op == "Gather" and node.inputs[0] is not None and node.inputs[0].constant:
        base = "Embedding"
    if not base:
        return None
    tensors = [value.tensor if value else None for value in node.inputs]
    dims = max(1, len(tensors[0].shape) - 2) if tensors and tensors[0] else 2
    return Module(path, node.type, base.format(dims), _settings(base, node, tensors))


def _settings(base: str, node: Resolved, tensors: list[TensorSpec | None]) -> dict[str, Any]:
    x, weight = (*tensors, None, None)[:2]
    if x is None:
        return {}
    if base.startswith(("BatchNorm", "InstanceNorm")):
        return {"num_features": x.shape[1]} if len(x.shape) > 1 else {}
    if base in ("LayerNorm", "RMSNorm"):
        return {"normalized_shape": x.shape[node.attributes.get("axis", -1) :]}
    if base == "GroupNorm":
        groups = node.attributes.get("num_groups")
        return {"num_groups": groups, "num_channels": x.shape[1]}
    if base == "LocalResponseNorm":
        return {"size": node.attributes.get("size")}
    if base == "Embedding" and len(x.shape) == 2:
        return {"num_embeddings": x.shape[0], "embedding_dim": x.shape[1]}
    if base in ("LSTM", "GRU", "RNN") and weight is not None:
        return {
            "input_size": weight.shape[2],
            "hidden_size": node.attributes.get("hidden_size"),
            "bidirectional": weight.shape[0] == 2,
        }
    if base == "MultiheadAttention":
        heads = node.attributes.get("num_heads", node.attributes.get("q_num_heads"))
        return {"embed_dim": x.shape[-1], "num_heads": heads}
    return {}
