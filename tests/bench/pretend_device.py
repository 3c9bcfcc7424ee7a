"""Trains on data on a device named `pretend`, and prints the losses as JSON, by kind of data.

Tensors on it are computed on the CPU, and as those on a GPU they cannot be mixed with those of the
CPU. A process that knows the device is another one to torch, so this is a program of its own.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import backend_registration
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.data import DataLoader, TensorDataset

import cnnstat

NAME = "pretend"
_AMONG_DEVICES = {"aten::copy_", "aten::_to_copy"}


class PretendTensor(Tensor):
    """A tensor on the device `pretend`; `inside` has its values."""

    inside: Tensor

    @staticmethod
    def __new__(cls, inside: Tensor) -> PretendTensor:
        made = Tensor._make_wrapper_subclass(
            cls, inside.shape, strides=inside.stride(), dtype=inside.dtype, device=f"{NAME}:0"
        )
        made.inside = inside
        return made

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _computed(func, args, kwargs or {})


def _computed(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    name, kwargs = func._schema.name, dict(kwargs)
    tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
    there = [tensor for tensor in tensors if isinstance(tensor, PretendTensor)]
    others = [t for t in tensors if not isinstance(t, PretendTensor) and t.ndim]
    if there and others and name not in _AMONG_DEVICES:
        raise RuntimeError("Expected all tensors to be on the same device, but found two")
    device = kwargs.get("device")
    stays = device is None or torch.device(device).type == NAME
    if device is not None:
        kwargs["device"] = "cpu"
    if there and kwargs.get("pin_memory"):
        raise RuntimeError("cannot pin tensors that are not on the CPU")
    plain = tree_map(_inside, (args, kwargs))
    result = func(*plain[0], **plain[1])
    if name.endswith("_"):
        return args[0]
    return tree_map(_placed, result) if stays else result


def _inside(value: Any) -> Any:
    return value.inside if isinstance(value, PretendTensor) else value


def _placed(value: Any) -> Any:
    return PretendTensor(value) if isinstance(value, Tensor) else value


def there(tensor: Tensor) -> Tensor:
    return PretendTensor(tensor.detach().clone())


def collate_there(examples: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    inputs, targets = zip(*examples, strict=True)
    return there(torch.stack(inputs)), there(torch.stack(targets))


def losses(data: Any) -> list[float]:
    torch.manual_seed(0)
    result = cnnstat.measure(nn.Linear(3, 2), data=data, epochs=1, lr=0.1, device="cpu")
    return [epoch.train_loss for epoch in result.runs[0].epochs]


def main() -> None:
    backend_registration._setup_privateuseone_for_python_backend(NAME)
    x = torch.randn(60, 3, generator=torch.Generator().manual_seed(0))
    y = (x.sum(1) > 0).long()
    here, elsewhere = TensorDataset(x, y), TensorDataset(there(x), there(y))
    data = {
        "examples": [here, elsewhere, (there(x), there(y)), (there(x), y)],
        "batches": [
            DataLoader(here, 20), DataLoader(elsewhere, 20),
            DataLoader(here, 20, collate_fn=collate_there),
        ],
    }  # fmt: skip
    found: dict[str, Any] = {kind: [*map(losses, sources)] for kind, sources in data.items()}
    try:
        cnnstat.measure(nn.Linear(3, 2), data=elsewhere, epochs=1, workers=2, device="cpu")
    except cnnstat.UsageError as error:
        found["error"] = str(error)
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()
