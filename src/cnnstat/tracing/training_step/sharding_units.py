"""FSDP units: the modules whose parameters it gathers together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import nn

from ...errors import UsageError
from ..structure.modules import modules_matching

_LISTS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)


def units_of(model: nn.Module, patterns: Sequence[str]) -> tuple[str, ...]:
    """The paths of the modules that match a pattern, or of the blocks without patterns.

    Raises:
        UsageError: a pattern matches no module or one that is never called, or a parameter belongs
            to two units.
    """
    paths = _chosen(model, patterns) if patterns else tuple(_blocks(model, ""))
    _refuse_shared(model, paths)
    return paths


def refuse_batch_norm(model: nn.Module, lower: torch.dtype) -> None:
    """Raise UsageError: FSDP casts its parameters to the lower dtype, but not its statistics."""
    for path, module in model.named_modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.running_mean is not None:
            raise UsageError(
                f"{path} is a {type(module).__name__}: torch's takes no parameters in {lower} "
                f"beside statistics in {module.running_mean.dtype}",
                hint="--precision fp32 or bf16-true",
            )


def _chosen(model: nn.Module, patterns: Sequence[str]) -> tuple[str, ...]:
    chosen = modules_matching(model, patterns, "--fsdp-unit")
    for path in chosen:
        module = model.get_submodule(path)
        if isinstance(module, nn.ModuleList | nn.ModuleDict) and _has_no_forward(module):
            raise UsageError(f"{path} is a {type(module).__name__}, which is never called",
                             hint=f"--fsdp-unit '{path}.*'")  # fmt: skip
    return tuple(path for path in chosen if _has_parameters(model.get_submodule(path)))


def _has_no_forward(module: nn.Module) -> bool:
    return type(module).forward is nn.Module.forward


def _blocks(module: nn.Module, path: str) -> Iterator[str]:
    """The blocks of a network: list items that contain modules.

    If a block itself contains a list of blocks (a stage of a Swin transformer), those are units
    too, and the outer block is one for its other parameters. A list of blocks is never a unit.
    """
    listed = isinstance(module, _LISTS)
    for name, child in module.named_children():
        inside = f"{path}.{name}" if path else name
        if not _has_parameters(child) or not any(child.children()):
            continue
        if not listed or _is_list_of_blocks(child):
            yield from _blocks(child, inside)
            continue
        inner = tuple(_blocks(child, inside)) if _repeats(child) else ()
        names = [f"{inside}.{name}" for name, _ in child.named_parameters()]
        if any(not name.startswith(tuple(f"{unit}." for unit in inner)) for name in names):
            yield inside
        yield from inner


def _is_list_of_blocks(module: nn.Module) -> bool:
    return isinstance(module, _LISTS) and any(any(child.children()) for child in module.children())


def _repeats(block: nn.Module) -> bool:
    """Whether the block contains a list with two blocks of the same class.

    Nested lists do not count: in torchvision a convolution with its norm and activation is one.
    """
    for module in block.modules():
        if isinstance(module, _LISTS):
            classes = [type(child) for child in module.children()
                       if any(child.children()) and not isinstance(child, _LISTS)]  # fmt: skip
            if len(set(classes)) < len(classes):
                return True
    return False


def _has_parameters(module: nn.Module) -> bool:
    return next(module.parameters(), None) is not None


def _refuse_shared(model: nn.Module, units: Sequence[str]) -> None:
    """Raise UsageError for a parameter of two units: torch gathers it with one only."""
    first_use: dict[int, tuple[str, str]] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        unit = max((u for u in units if name.startswith(f"{u}.")), key=len, default="")
        first, other = first_use.setdefault(id(parameter), (name, unit))
        if other != unit:
            raise UsageError(
                f"{name} and {first} are one parameter: FSDP gathers it with one unit only",
                f"they lie in {other or 'the rest of the model'} and {unit or 'the rest of it'}",
                hint="choose units that leave both to the rest: --fsdp-unit PATTERN",
            )
