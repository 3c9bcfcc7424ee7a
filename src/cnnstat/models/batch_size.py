"""The batch of a model's inputs: the first dimension of the first, and of all that share it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from torch import Tensor

from ..analysis.results import Input
from ..errors import UsageError
from ..inputs import InputSpec
from ..tracing.inputs import placed
from .loaded import Loaded


def batch_of(loaded: Loaded) -> int | None:
    """None where the first input is no tensor with a dimension: a list of images is no batch."""
    for value in (*loaded.inputs, *loaded.named_inputs.values()):
        is_tensor = isinstance(value, InputSpec | Tensor)
        return int(value.shape[0]) if is_tensor and value.shape else None
    return None


def with_batch(loaded: Loaded, batch_size: int) -> Loaded:
    """The same model with inputs of another batch; those of another first size stay.

    Raises:
        UsageError: there is no batch, or none is to be left.
    """
    before = batch_of(loaded)
    if batch_size < 1:
        raise UsageError(f"a batch of {batch_size} is none", hint="--batch-size 128")
    if before is None:
        raise UsageError(
            f"the inputs of {loaded.spec} have no dimension that could be a batch",
            hint="--input with as many as wanted",
        )

    def resized(value: InputSpec | Tensor) -> Any:
        if not value.shape or value.shape[0] != before:
            return value
        shape = (batch_size, *value.shape[1:])
        if isinstance(value, InputSpec):
            return replace(value, shape=shape)
        return InputSpec(shape, str(value.dtype).removeprefix("torch."))

    return replace(
        loaded, inputs=placed(loaded.inputs, resized),
        named_inputs=placed(loaded.named_inputs, resized),
    )  # fmt: skip


def described_inputs(loaded: Loaded) -> tuple[Input, ...]:
    return tuple(
        Input(name, tuple(value.shape), str(value.dtype).removeprefix("torch."))
        for name, value in _inputs(loaded)
    )


def _inputs(loaded: Loaded) -> Iterator[tuple[str | None, InputSpec | Tensor]]:
    found: list[InputSpec | Tensor] = []
    # `placed` is asked to visit, so what it makes of them does not matter
    placed(loaded.inputs, found.append)  # type: ignore[arg-type]
    yield from ((None, value) for value in found)
    for name, value in loaded.named_inputs.items():
        found = []
        placed(value, found.append)  # type: ignore[arg-type]  # likewise
        yield from ((name, value) for value in found)
