"""The inputs of a model: their shape from its first layer, their batch size, their description."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from inspect import Parameter, signature
from itertools import chain, zip_longest
from typing import Any

import torch
from torch import Tensor, nn

from ..analysis.results import Input
from ..call_arguments import CallArguments, Inputs, is_shape, parse_arguments, parse_shape
from ..errors import InputMissing, LaneError, ModelError, UsageError
from ..inputs import InputFunction, InputSpec
from ..tracing.run.copies import meta_copy
from ..tracing.run.trace import trace
from ..tracing.structure.containers import map_inputs
from ..tracing.structure.modules import modules_of, parameters_of
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
    for module in modules_of(model):
        if isinstance(module, nn.Linear):
            return Implied((1, module.in_features), certain=True)
        if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d):
            sides = (224 for _ in module.kernel_size)
            return Implied((1, module.in_channels, *sides), certain=False)
    return Implied((1, 3, 224, 224), certain=False)


def arguments_from(example: Any) -> CallArguments:
    """The arguments of forward that an `example_input` describes, or what a function returned.

    A tuple or list has several positional ones, unless it is a shape; a dict has keyword ones.

    Raises:
        UsageError: a shape or the text of one is malformed, or a text names another function.
    """
    found = _parsed(example)
    for value in found.positional:
        if isinstance(value, InputFunction):
            raise UsageError(
                f"the inputs are the name of a function, {value}",
                f"they are what it returns: {value.function}()",
            )
    return found


def _parsed(example: Any) -> CallArguments:
    if isinstance(example, Mapping):
        return parse_arguments((), example)
    if isinstance(example, Inputs):
        return parse_arguments((example,), {})
    is_shape = isinstance(example, tuple | list) and {type(size) for size in example} == {int}
    is_record = hasattr(example, "_fields")  # a named tuple: one argument
    several = isinstance(example, tuple | list) and not is_shape and not is_record
    return parse_arguments(example if several else (example,), {})


def known_inputs(model: nn.Module, example: Any = None) -> CallArguments | None:
    """The inputs that need no guess: an example, Lightning's `example_input_array`, or none.

    `example` is the `example_input` of the model's file, or a function that returns one. None where
    forward takes an input and no example is known.

    Raises:
        UsageError: a shape or the text of one is malformed.
    """
    if callable(example) and not isinstance(example, Tensor):
        example = example()
    if example is None:
        with suppress(Exception):  # a property of the user's may raise anything
            example = getattr(model, "example_input_array", None)
    if example is not None:
        return arguments_from(example)
    return CallArguments() if _runs_without_input(model) else None


def default_inputs(spec: str, model: nn.Module, example: Any) -> CallArguments:
    """The inputs of a model where the user types none: its own example, else the first layer's.

    Raises:
        InputMissing: there is no example, and the first layer accepts any size.
    """
    known = known_inputs(model, example)
    if known is not None:
        return known
    implied = implied_input(model)
    required = _required_inputs(model)
    if len(required) > 1:
        raise InputMissing(
            f"{spec} needs {len(required)} inputs: forward takes {', '.join(required)}",
            "or name them in its file: example_input = {…}",
            hint=" ".join(f"--input {name}=SIZES" for name in required),
        )
    if implied.certain:
        return CallArguments([InputSpec(implied.shape)])
    raise InputMissing(
        f"{spec} needs an input: its first layer takes any size",
        "or name one in its file: example_input = (…)",
        hint=f"--input {InputSpec(implied.shape)}",
    )


def _required_inputs(model: nn.Module) -> list[str]:
    """The parameters of forward without a default; empty where they are not known."""
    try:
        parameters = signature(model.forward).parameters.values()
    except (TypeError, ValueError):  # of code that is not Python
        return []
    several = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)
    return [p.name for p in parameters if p.default is p.empty and p.kind not in several]


def _runs_without_input(model: nn.Module) -> bool:
    """Whether forward takes no input, or runs with the defaults of all that it takes."""
    try:
        parameters = signature(model.forward).parameters
    except (TypeError, ValueError):  # of code that is not Python
        return False
    if _required_inputs(model):
        return False
    if not parameters:
        return True
    return _runs_on(model, ())


def with_inputs_unpacked(loaded: Loaded) -> Loaded:
    """The inputs in a list, tuple or dict that is the only argument, if forward runs on them only.

    Other tools take all inputs as one tuple, shapes in a list, and inputs by name in a dict:
    `(x,)`, `[(1, 3, 32, 32)]`, `{"x": x}`.
    """
    (packed, *others) = loaded.inputs or (None,)
    if others or loaded.named_inputs or not isinstance(packed, list | tuple | Mapping):
        return loaded
    if hasattr(packed, "_fields") or not packed:  # a named tuple is one argument
        return loaded
    values = packed.values() if isinstance(packed, Mapping) else packed
    items = [parse_shape(value) if _is_shape(value) else value for value in values]
    if not all(isinstance(item, InputSpec | Tensor) for item in items):
        return loaded
    if isinstance(packed, Mapping):
        if not all(isinstance(name, str) for name in packed):
            return loaded
        unpacked = replace(loaded, inputs=(), named_inputs=dict(zip(packed, items, strict=True)))
    else:
        unpacked = replace(loaded, inputs=tuple(items))
    return unpacked if not _runs(loaded) and _runs(unpacked) else loaded


def _is_shape(value: Any) -> bool:
    return is_shape(value) and len(value) > 0 and min(value) > 0


def _runs(loaded: Loaded) -> bool:
    return _runs_on(loaded.model, loaded.inputs, loaded.named_inputs)


def _runs_on(
    model: nn.Module, inputs: Sequence[Any], named: Mapping[str, Any] | None = None
) -> bool:
    try:
        trace(meta_copy(model), inputs, named)
    except LaneError:  # it got as far as an operator that needs values
        return True
    except ModelError:
        return False
    return True


def dtype_of(model: nn.Module) -> torch.dtype | None:
    """Of its floating-point parameters, without any torch's default; None if they have several."""
    dtypes = {t.dtype for t in parameters_of(model) if t.is_floating_point()}
    dtype, *others = dtypes or {torch.get_default_dtype()}
    return None if others else dtype


def with_default_dtype(loaded: Loaded) -> Loaded:
    """Inputs of no other dtype in torch's default one, which the model's file may set.

    Not for a model in another dtype than that, nor for a graph, which declares its inputs.
    """
    dtype = torch.get_default_dtype()
    if dtype is torch.float32 or loaded.mode is not None or dtype_of(loaded.model) is not dtype:
        return loaded
    name = str(dtype).removeprefix("torch.")

    def place(value: InputSpec | Tensor) -> Any:
        if isinstance(value, InputSpec) and value.dtype == InputSpec(()).dtype:
            return replace(value, dtype=name)
        return value

    return replace(
        loaded, inputs=map_inputs(loaded.inputs, place),
        named_inputs=map_inputs(loaded.named_inputs, place),
    )  # fmt: skip


BatchAxes = int | Mapping[str, int]
"""The batch axis of all inputs, or of those named, as arguments of forward; of others 0."""


def batch_of(loaded: Loaded, axes: BatchAxes = 0) -> int | None:
    """The batch size, by the first tensor; None in a list or without such an axis."""
    for axis, value in _with_axes(loaded, axes):
        if isinstance(value, InputSpec | Tensor):
            return int(value.shape[axis]) if len(value.shape) > axis else None
        if isinstance(value, tuple | list | dict):
            return None
    return None


def _with_axes(loaded: Loaded, axes: BatchAxes) -> Iterator[tuple[int, Any]]:
    """Each argument of forward, the positional ones first, with its batch axis."""
    names: Sequence[str] = ()
    if not isinstance(axes, int):
        with suppress(TypeError, ValueError):  # of code that is not Python
            names = list(signature(loaded.model.forward).parameters)
    arguments = chain(
        zip_longest(names[: len(loaded.inputs)], loaded.inputs), loaded.named_inputs.items()
    )
    for name, value in arguments:
        yield axes if isinstance(axes, int) else axes.get(name or "", 0), value


def with_batch(loaded: Loaded, batch_size: int, axes: BatchAxes = 0) -> Loaded:
    """The same model with another batch size; inputs of another size there are unchanged.

    Raises:
        UsageError: `batch_size` is below 1, or the inputs have no batch dimension.
    """
    previous = batch_of(loaded, axes)
    if batch_size < 1:
        raise UsageError(f"a batch of {batch_size} is none", hint="--batch-size 128")
    if batch_size > sys.maxsize:
        raise UsageError(
            f"a batch of {batch_size} is larger than any memory", hint="--batch-size 128"
        )
    if previous is None:
        raise UsageError(
            f"the inputs of {loaded.spec} have no dimension that could be a batch",
            hint="--input with as many as wanted",
        )

    def resized(axis: int, value: InputSpec | Tensor) -> Any:
        if isinstance(value, Tensor) and value.is_nested:
            raise UsageError(
                "an input is a nested tensor, whose rows have lengths of their own",
                "which lengths further rows have is not known",
                hint="an input with as many rows as you want",
            )
        if len(value.shape) <= axis or value.shape[axis] != previous:
            return value
        shape = (*value.shape[:axis], batch_size, *value.shape[axis + 1 :])
        if isinstance(value, InputSpec):
            return replace(value, shape=shape)
        return InputSpec(shape, str(value.dtype).removeprefix("torch."))

    arguments = [
        map_inputs(value, partial(resized, axis)) for axis, value in _with_axes(loaded, axes)
    ]
    number = len(loaded.inputs)
    named = dict(zip(loaded.named_inputs, arguments[number:], strict=True))
    return replace(loaded, inputs=tuple(arguments[:number]), named_inputs=named)


def described_inputs(loaded: Loaded) -> tuple[Input, ...]:
    """Name, shape and dtype of each tensor input, nested ones included."""
    return tuple(
        Input(name, tuple(value.shape), str(value.dtype).removeprefix("torch."))
        for name, value in _inputs(loaded)
    )


def _inputs(loaded: Loaded) -> Iterator[tuple[str | None, InputSpec | Tensor]]:
    found: list[InputSpec | Tensor] = []
    # `map_inputs` walks nested inputs; its result is not used here
    map_inputs(loaded.inputs, found.append)  # type: ignore[arg-type]  # it returns None
    yield from ((None, value) for value in found)
    for name, value in loaded.named_inputs.items():
        found = []
        map_inputs(value, found.append)  # type: ignore[arg-type]  # likewise
        yield from ((name, value) for value in found)
