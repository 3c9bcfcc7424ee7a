"""Patterns of module paths, as options give them."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from torch import nn

from ..errors import UsageError


def modules_fitting(model: nn.Module, patterns: Sequence[str], option: str) -> list[str]:
    """The paths of the modules that fit one of the patterns (`features.*`), in the model's order.

    Raises:
        UsageError: a pattern fits no module.
    """
    names = [name for name, _ in model.named_modules() if name]
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            children = [name for name, _ in model.named_children()]
            raise UsageError(f"{option} {pattern!r} fits no module",
                             f"the model's are {', '.join(children)}")  # fmt: skip
    return [name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns)]
