"""The layers of a model without building it, for completion.

Those of a built-in network are shipped, those of a saved analysis are in it, those of a Python file
are the attributes that a class sets, as far as its text shows them. Those of other models are known
once `cnnstat shapes` has shown them. Nothing here imports torch.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from .name_cache import remember_layers, remembered_layers
from .shipped_names import shipped_layers
from .source_scan import classes_in, tree_of

_DEEPEST = 6  # levels of classes inside classes


def layers_of(spec: str) -> list[str]:
    """The paths of the layers of a model; empty where they are unknown."""
    layers = shipped_layers(spec)
    if layers:
        return list(layers)
    if spec.endswith(".json"):
        return _of_saved(Path(spec))
    file, _, name = spec.rpartition(":")
    remembered = remembered_layers(spec)
    tree = tree_of(Path(file)) if file.endswith(".py") else None
    if tree is None or remembered:
        return remembered
    classes = {node.name: node for node in classes_in(tree)}
    return list(dict.fromkeys(_layers(name, classes, _DEEPEST)))


def cache_layers(spec: str, paths: Iterable[str]) -> None:
    """Remember the layers of a model for completion, unless they are known without it."""
    if not shipped_layers(spec) and not spec.endswith((".json", ".py")):
        remember_layers(spec, dict.fromkeys(path for path in paths if path))


def _of_saved(file: Path) -> list[str]:
    try:
        rows = json.loads(file.read_bytes())["layers"]
        return [row["path"] for row in rows]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return []


def _layers(name: str, classes: dict[str, ast.ClassDef], levels: int) -> Iterator[str]:
    """The layers that a class of the file sets as `self.name = Class(...)`."""
    if name not in classes or not levels:
        return
    for node in ast.walk(classes[name]):
        if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Call):
            continue
        for target in node.targets:
            of_self = isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name)
            if of_self and target.value.id == "self":  # type: ignore[attr-defined]
                path = target.attr  # type: ignore[attr-defined]
                yield path
                yield from (f"{path}.{x}" for x in _inside(node.value, classes, levels - 1))


def _inside(call: ast.Call, classes: dict[str, ast.ClassDef], levels: int) -> Iterator[str]:
    """The layers in `Block(...)`, or those written in `nn.Sequential(...)`."""
    function = call.func
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    if name != "Sequential":
        yield from _layers(name, classes, levels)
        return
    for number, part in enumerate(call.args):
        if isinstance(part, ast.Starred) or not isinstance(part, ast.Call):
            return
        yield str(number)
        yield from (f"{number}.{x}" for x in _inside(part, classes, levels))
