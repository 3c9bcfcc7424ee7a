"""The inputs of a model: their shape from its first layer, their batch size, their description."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor, nn

from ..analysis.results import Input
from ..errors import UsageError
from ..inputs import InputSpec
from ..tracing.containers import map_inputs
from .loaded import Loaded


@dataclass(frozen=True, slots=True)
class Implied:
    """The shape of an input, inferred from the first layer.

    `certain` is true for a linear layer, which accepts no other size.
    """

    shape: tuple[int, ...]
    certain: bool


def implied_input(model: nn.Module) -> Implied:
    """Infer an input from the first linear or convolutional layer; an image if there is neither."""
    for module in model.modules():
        if isinstance(module, nn.Linear):
            return Implied((1, module.in_features), certain=True)
        if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d):
            sides = (224 for _ in module.kernel_size)
            return Implied((1, module.in_channels, *sides), certain=False)
    return Implied((1, 3, 224, 224), certain=False)


def batch_of(loaded: Loaded) -> int | None:
    """The batch size: the first dimension of the first input; None for a list or a scalar."""
    for value in (*loaded.inputs, *loaded.named_inputs.values()):
        is_tensor = isinstance(value, InputSpec | Tensor)
        return int(value.shape[0]) if is_tensor and value.shape else None
    return None


def with_batch(loaded: Loaded, batch_size: int) -> Loaded:
    """The same model with another batch size; inputs of another first dimension are unchanged.

    Raises:
        UsageError: `batch_size` is below 1, or the inputs have no batch dimension.
    """
    previous = batch_of(loaded)
    if batch_size < 1:
        raise UsageError(f"a batch of {batch_size} is none", hint="--batch-size 128")
    if previous is None:
        raise UsageError(
            f"the inputs of {loaded.spec} have no dimension that could be a batch",
            hint="--input with as many as wanted",
        )

    def resized(value: InputSpec | Tensor) -> Any:
        if not value.shape or value.shape[0] != previous:
            return value
        shape = (batch_size, *value.shape[1:])
        if isinstance(value, InputSpec):
            return replace(value, shape=shape)
        return InputSpec(shape, str(value.dtype).removeprefix("torch."))

    return replace(
        loaded, inputs=map_inputs(loaded.inputs, resized),
        named_inputs=map_inputs(loaded.named_inputs, resized),
    )  # fmt: skip


def described_inputs(loaded: Loaded) -> tuple[Input, ...]:
    """Name, shape and dtype of each tensor input, nested ones included."""
    return tuple(
        Input(name, tuple(value.shape), str(value.dtype).removeprefix("torch."))
        for name, value in _inputs(loaded)
    )


def _inputs(loaded: Loaded) -> Iterator[tuple[str | None, InputSpec | Tensor]]:
    found: list[InputSpec | Tensor] = []
    # `map_inputs` walks nested inputs; its result is not used here
    map_inputs(loaded.inputs, found.append)  # type: ignore[arg-type]
    yield from ((None, value) for value in found)
    for name, value in loaded.named_inputs.items():
        found = []
        map_inputs(value, found.append)  # type: ignore[arg-type]  # likewise
        yield from ((name, value) for value in found)
