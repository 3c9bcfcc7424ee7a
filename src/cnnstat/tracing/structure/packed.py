"""Packed weights: those of quantised layers, which are no parameters but objects of torch's C++.

`quantize_dynamic` and `convert` replace the weights of a layer by such an object, in the layout of
the backend. Their numbers count as parameters, in the bytes of their own dtype.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import _disable_current_modes

from .modules import paths_of


def packed_tensors(value: Any) -> dict[str, Tensor]:
    """The tensors inside an object of packed weights, by their names; empty for anything else.

    Unpacking them is no operator of the model, and is not recorded.
    """
    if not isinstance(value, torch.ScriptObject):
        return {}
    with _disable_current_modes(), torch._C.DisableTorchFunction():
        return {name: tensor for name, tensor in _unpacked(value) if isinstance(tensor, Tensor)}


def _unpacked(packed: Any) -> Iterator[tuple[str, Any]]:
    if packed._has_method("unpack"):
        tensors = packed.unpack()
        tensors = tensors if isinstance(tensors, tuple | list) else (tensors,)
        yield from zip(("weight", "bias"), tensors, strict=False)
    elif packed._type().name().endswith("CellParamsBase"):  # of a recurrent layer
        # (kind, biases, scales, zero points, packed matrices), which have the biases once more
        kind, biases, _scales, _zeros, matrices = packed.__getstate__()[0]
        for name, matrix in zip(("weight_ih", "weight_hh"), matrices, strict=False):
            weight = matrix.unpack()[0]
            yield name, weight.half() if kind.endswith("fp16") else weight
        yield from zip(("bias_ih", "bias_hh"), biases, strict=False)


def packed_weights(model: nn.Module) -> Iterator[tuple[str, str, Tensor]]:
    """The name of each packed tensor, the layer that it belongs to, and the tensor."""
    known = set()
    for path, module in paths_of(model):
        for attribute, value in vars(module).items():
            if isinstance(value, torch.ScriptObject) and id(value) not in known:
                known.add(id(value))
                prefix = f"{path}.{attribute}" if path else attribute
                for name, tensor in packed_tensors(value).items():
                    yield f"{prefix}.{name}", _layer_of(path), _as_stored(module, name, tensor)


def _as_stored(module: nn.Module, name: str, tensor: Tensor) -> Tensor:
    """A float16 weight of a linear layer, which torch unpacks as float32."""
    is_half = name == "weight" and getattr(module, "dtype", None) is torch.float16
    return tensor.half() if is_half else tensor


def _layer_of(path: str) -> str:
    """The layer around a module that only keeps weights, whose name starts with `_`."""
    parts = path.split(".")
    inside = next((i for i, part in enumerate(parts) if part.startswith("_")), len(parts))
    return ".".join(parts[:inside])
