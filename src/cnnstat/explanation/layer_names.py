"""The layer to explain, as a caller names it: a path, an index, or the module itself."""

from __future__ import annotations

from typing import Any

from ..errors import UsageError
from ..escaping import value_in_words


def path_of(model: Any, layer: Any) -> str:
    """The path of a layer: `explain(net, 0)` is `explain(net, "0")`.

    Raises:
        UsageError: the module is not part of the model, or nothing names a layer so.
    """
    if isinstance(layer, str):
        return layer
    if isinstance(layer, int) and not isinstance(layer, bool):
        if layer >= 0:
            return str(layer)
        try:
            return str(len(model) + layer)  # of a Sequential
        except TypeError:
            raise UsageError(f"{layer} is no layer: the model has no order of layers") from None
    if hasattr(layer, "forward") and hasattr(model, "named_modules"):
        for path, module in model.named_modules():
            if module is layer:
                return str(path)
        raise UsageError(f"this {type(layer).__name__} is no layer of {type(model).__name__}")
    raise UsageError(
        f"a layer is named by its path, not {value_in_words(layer)}",
        hint="cnnstat.explain(model, 'conv1', …)",
    )
