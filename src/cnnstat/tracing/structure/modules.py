"""The modules of a model and their tensors: names, records, and patterns of paths.

One walk finds them all. PyTorch's own iterators give the same, but are generators within
generators: for a deep model they take half as long as the run.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from ...errors import UsageError
from ...trace.records import Module
from .containers import PLAIN, map_inputs, tensors_among


def paths_of(model: nn.Module) -> list[tuple[str, nn.Module]]:
    """Each module under each of its names, as `named_modules(remove_duplicate=False)` has them."""
    found = []
    ahead = [("", model)]
    while ahead:
        path, module = ahead.pop()
        found.append((path, module))
        inside = f"{path}." if path else ""
        for name, child in reversed(module._modules.items()):
            if child is not None:
                ahead.append((inside + name, child))
    return found


def modules_of(model: nn.Module) -> list[nn.Module]:
    """Each module once, parents first.

    Not by `Module.modules`: an attribute of the model named `modules` or `children` would hide it.
    """
    found: dict[int, nn.Module] = {}
    ahead = [model]
    while ahead:
        module = ahead.pop()
        if id(module) not in found:
            found[id(module)] = module
            ahead += [child for child in reversed(module._modules.values()) if child is not None]
    return list(found.values())


def set_training(model: nn.Module, training: bool) -> None:
    """Set the mode of every module, as `Module.train` does; classes may override that."""
    ahead, done = [model], set()
    while ahead:
        module = ahead.pop()
        if id(module) in done:
            continue
        done.add(id(module))
        if type(module).train is not nn.Module.train:
            type(module).train(module, training)  # sets the mode of its children
            continue
        module.training = training
        ahead += [child for child in reversed(module._modules.values()) if child is not None]


def modules_by_id(model: nn.Module) -> dict[int, Module]:
    """The modules by identity."""
    names: dict[int, list[str]] = {}
    modules = {}
    for path, module in paths_of(model):
        names.setdefault(id(module), []).append(path)
        modules[id(module)] = module
    return {key: describe_module(module, *names[key]) for key, module in modules.items()}


def is_scripted(module: nn.Module) -> bool:
    return isinstance(module, torch.jit.ScriptModule)


def class_name(module: Any) -> str:
    """The class of a module, of a scripted one the class that it was made from."""
    return str(module.original_name) if is_scripted(module) else type(module).__name__


def _describe_scripted(module: Any, path: str, *aliases: str) -> Module:
    """A module of TorchScript by the class that it was made from; a traced one has no settings."""
    name = str(module.original_name)
    layer = getattr(nn, name, None)
    settings = {
        name: getattr(module, name)
        for name in getattr(layer, "__constants__", ())
        if hasattr(module, name) and _is_setting(getattr(module, name))
    }
    return Module(path, name, "Module" if layer is None else name, settings, layer is not None,
                  aliases)  # fmt: skip


def describe_module(module: nn.Module, path: str, *aliases: str) -> Module:
    if is_scripted(module):
        return _describe_scripted(module, path, *aliases)
    cls = type(module)
    base = next((c for c in cls.__mro__ if _is_layer(c)), nn.Module)
    settings = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in vars(module).items()
        if name != "training" and not name.startswith("_") and _is_setting(value)
    }
    is_quantised = cls.__module__.startswith(_QUANTISED)  # both have a class Linear
    name = str(module._get_name()) if is_quantised else cls.__name__  # type: ignore[no-untyped-call]  # torch declares no types
    return Module(path, name, base.__name__, settings, cls is base, aliases)


_QUANTISED = "torch.ao.nn."


def _is_layer(cls: type) -> bool:
    """Whether it is a layer of torch.nn, or the quantised form of one, of the same name."""
    module = cls.__module__
    return module.startswith("torch.nn.") or (
        module.startswith(_QUANTISED) and hasattr(nn, cls.__name__)
    )


def _is_setting(value: Any) -> bool:
    if type(value) in PLAIN:
        return True
    if isinstance(value, (tuple, list)):
        return len(value) <= 8 and all(isinstance(item, (int, float, str)) for item in value)
    return isinstance(value, (int, float, str))


def is_library(module: nn.Module) -> bool:
    """Whether the module is a layer of torch.nn, not a container or user code."""
    cls = type(module)
    if is_scripted(module):
        return True
    is_layer = cls.__module__.startswith(("torch.nn.", _QUANTISED))
    return is_layer and not cls.__name__.startswith("Transformer")


def named_tensors(model: nn.Module) -> Iterator[tuple[str, Tensor, bool]]:
    """Name, tensor and whether it is a buffer: parameters, then buffers, under each name."""
    paths = paths_of(model)
    for path, module in paths:
        inside = f"{path}." if path else ""
        for name, parameter in module._parameters.items():
            if parameter is not None:
                yield inside + name, parameter, False
    for path, module in paths:
        inside = f"{path}." if path else ""
        for name, buffer in module._buffers.items():
            if buffer is not None:
                yield inside + name, buffer, True


def parameters_of(model: nn.Module) -> list[Tensor]:
    """Each parameter once, as `Module.parameters` has them."""
    return list({id(t): t for _, t, is_buffer in named_tensors(model) if not is_buffer}.values())


def has_lazy_tensors(model: nn.Module) -> bool:
    return any(is_lazy(tensor) for _, tensor, _ in named_tensors(model))


def move_to(model: nn.Module, device: torch.device) -> None:
    """Move a model to a device in place, with the tensors that are plain attributes of modules.

    `Module.to` leaves these where they are: a copy of a model may have them on another device.
    """

    def moved(tensor: Any) -> Tensor:
        there: Tensor = tensor.detach().to(device)
        return there.requires_grad_(tensor.requires_grad)

    model.to(device)
    for module in modules_of(model):
        for name, value in vars(module).items():
            if not name.startswith("_") and isinstance(value, Tensor | list | tuple | dict):
                tensors = tensors_among(value)
                if any(tensor.device.type != device.type for tensor in tensors):
                    vars(module)[name] = map_inputs(value, moved)


def modules_matching(model: nn.Module, patterns: Sequence[str], option: str) -> list[str]:
    """The paths of the modules that match a pattern (`features.*`), in the model's order.

    Raises:
        UsageError: a pattern matches no module.
    """
    names = list({id(module): path for path, module in reversed(paths_of(model)) if path}.values())
    names.reverse()
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            children = list(model._modules)
            raise UsageError(f"{option} {pattern!r} fits no module",
                             f"the model's are {', '.join(children)}")  # fmt: skip
    return [name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns)]
