"""The configuration of layers of torch.nn in a recorded graph, from their weights and operators."""

from __future__ import annotations

from typing import Any

from torch import nn

from .graph import Node


def settings_of(module: nn.Module, node: Node) -> dict[str, Any]:
    """What a report shows of a layer of torch.nn and the shapes of its operators do not tell.

    `node` is one of the operators that run in the layer `module`.
    """
    own = {name: tuple(tensor.shape) for name, tensor in module.named_parameters(recurse=False)}
    own |= {name: tuple(tensor.shape) for name, tensor in module.named_buffers(recurse=False)}
    weight = own.get("weight", own.get("running_mean"))
    name = getattr(node.target, "__name__", "").partition(".")[0].removesuffix("_")
    if isinstance(module, nn.Linear) and weight:
        return {"in_features": weight[1], "out_features": weight[0]}
    if isinstance(module, nn.modules.batchnorm._NormBase) and weight:
        return {"num_features": weight[0]}
    if isinstance(module, nn.GroupNorm) and name.endswith("group_norm"):
        groups = node.args[6 if name.startswith("native") else 1]
        return {"num_groups": groups, "num_channels": weight[0]} if weight else {}
    if name in ("layer_norm", "native_layer_norm", "rms_norm", "_fused_rms_norm"):
        return {"normalized_shape": tuple(node.args[1])}
    if name == "dropout":
        return {"p": node.args[1]}
    if isinstance(module, nn.Embedding) and weight:
        return {"num_embeddings": weight[0], "embedding_dim": weight[1]}
    if isinstance(module, nn.MultiheadAttention) and "in_proj_weight" in own:
        return {"embed_dim": own["in_proj_weight"][1]}
    if isinstance(module, nn.RNNBase) and "weight_ih_l0" in own:
        return {
            "input_size": own["weight_ih_l0"][1],
            "hidden_size": own["weight_hh_l0"][1],
            "num_layers": len({n for n in own if n.startswith("weight_ih") and n[-1].isdigit()}),
            "bidirectional": "weight_ih_l0_reverse" in own,
        }
    return {}
