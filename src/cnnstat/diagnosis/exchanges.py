"""A layer exchanged in a live model, as the line of Python that does it."""

from __future__ import annotations

from typing import Any

from torch import nn

from .changes import Change
from .subjects import Subject, constructor_arguments, constructor_parameters


def exchange_wording(change: Change, subject: Subject) -> tuple[str, str, None]:
    """(`net.fc1 = nn.Linear(512, 120)`, `nn.Linear(800, 120)`, no place in a source)."""
    (path, name), value = next(iter(change.settings.items()))
    module = subject.loaded.builders.without_data().get_submodule(path)
    arguments = constructor_arguments(module)
    target = "net" + "".join(
        f"[{part}]" if part.isdigit() else f".{part}" for part in path.split(".") if part
    )
    new = _constructor(module, {**arguments, name: value})
    return f"{target} = {new}", _constructor(module, arguments), None


def _constructor(module: nn.Module, arguments: dict[str, Any]) -> str:
    """The call that makes such a layer: what has no default in order, the rest if it differs."""
    texts = []
    for name, parameter in constructor_parameters(type(module)).items():
        if name not in arguments:
            continue
        value = _short(arguments[name])
        if parameter.default is parameter.empty:
            texts.append(repr(value))
        elif value != parameter.default and not (
            # of a pool, whose stride is its kernel where none is given
            name == "stride"
            and parameter.default is None
            and value == _short(arguments.get("kernel_size"))
        ):
            texts.append(f"{name}={value!r}")
    return f"nn.{type(module).__name__}({', '.join(texts)})"


def _short(value: Any) -> Any:
    """3 for (3, 3)."""
    same = isinstance(value, tuple) and len(value) > 1 and len(set(value)) == 1
    return value[0] if same else value
