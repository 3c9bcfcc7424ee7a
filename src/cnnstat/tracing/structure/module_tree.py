"""Whether the modules of a model form a tree that can be walked."""

from __future__ import annotations

from typing import Any

from torch import nn

from ...errors import ModelError
from ..places import shown_path
from .modules import is_scripted


def check_tree(model: nn.Module) -> None:
    """Raise ModelError unless all modules are initialized, and none is inside itself."""
    above: dict[int, str] = {}  # the modules on the way down to the current one, with their paths
    below: set[int] = set()  # those whose inside is checked
    ahead = [("", model, False)]
    while ahead:
        path, module, is_left = ahead.pop()
        key = id(module)
        if is_left:
            del above[key]
            below.add(key)
            continue
        if key in above:
            outer = above[key] or "the model"
            name = path.rpartition(".")[2]
            raise ModelError(
                f"{outer} ({type(module).__name__}) contains itself, as {path}",
                "torch's train(), eval() and to() never end on such a model",
                hint=f"keep it in a tuple, which torch does not search: ({name},)",
            )
        if key in below:
            continue
        # a traced module keeps it in C++
        children = module._modules if is_scripted(module) else vars(module).get("_modules")
        if children is None:
            raise ModelError(
                f"{type(module).__name__} does not call super().__init__()",
                *_line_of(type(module).__init__),
            )
        above[key] = path
        ahead.append((path, module, True))
        inside = f"{path}." if path else ""
        for name, child in children.items():
            if child is not None:
                ahead.append((inside + name, child, False))


def _line_of(function: Any) -> list[str]:
    code = getattr(function, "__code__", None)
    return [f"{shown_path(code.co_filename)}:{code.co_firstlineno}"] if code else []
