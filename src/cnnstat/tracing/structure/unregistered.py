"""Layers and parameters in Python containers, which `nn.Module` does not see."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from torch import nn
from torch.nn.parameter import is_lazy

from .modules import is_scripted, modules_of, parameters_of, paths_of

_CONTAINERS = (list, tuple, set, frozenset, dict)
_DEEPEST = 4  # containers in containers


@dataclass(frozen=True, slots=True)
class ModuleContainer:
    """An attribute with modules or parameters that are no part of the model.

    `owner` is the path of the module whose attribute it is, `container` its class, `types` the
    classes of what is inside, with their numbers. `is_trainable`: a parameter requires a gradient.
    """

    owner: str
    attribute: str
    container: str
    types: tuple[tuple[str, int], ...]
    params: int
    is_trainable: bool
    modules: tuple[nn.Module, ...]

    @property
    def described(self) -> str:
        """`10 MixerBlock`."""
        return " and ".join(f"{count} {name}" for name, count in self.types)


def module_lists(model: nn.Module) -> Iterator[ModuleContainer]:
    """The containers of modules or parameters that `model` does not register."""
    registered = {id(module) for module in modules_of(model)}
    registered |= {id(parameter) for parameter in parameters_of(model)}
    searched: set[int] = set()
    for path, module in paths_of(model):
        if id(module) in searched or is_scripted(module):
            continue
        searched.add(id(module))
        for name, value in vars(module).items():
            if not isinstance(value, _CONTAINERS):
                continue
            found = [x for x in _inside(value, _DEEPEST) if id(x) not in registered]
            params = {id(p): p for x in found for p in _parameters(x) if id(p) not in registered}
            total = sum(p.numel() for p in params.values() if not is_lazy(p))
            if params:
                types = Counter(type(x).__name__ for x in found if _parameters(x))
                yield ModuleContainer(
                    path, name, type(value).__name__, tuple(types.items()), total,
                    any(parameter.requires_grad for parameter in params.values()),
                    tuple(x for x in found if isinstance(x, nn.Module)),
                )  # fmt: skip


def _inside(value: Any, depth: int) -> Iterator[Any]:
    """The modules and parameters inside nested containers, each once."""
    known: set[int] = set()
    ahead = [(value, depth)]
    while ahead:
        item, left = ahead.pop()
        if isinstance(item, nn.Module | nn.Parameter):
            if id(item) not in known:
                known.add(id(item))
                yield item
        elif left and isinstance(item, _CONTAINERS):
            inner = item.values() if isinstance(item, dict) else item
            ahead += [(x, left - 1) for x in inner]


def _parameters(item: Any) -> list[Any]:
    return [item] if isinstance(item, nn.Parameter) else parameters_of(item)
