"""Inputs declared by a graph in a file, and the shapes chosen for a run.

Some sizes of a declared shape are dynamic: a name instead of a number. `--input` decides them; it
must agree with the fixed sizes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import ModelError, UsageError, nearest
from ..inputs import InputSpec, format_shape


@dataclass(frozen=True, slots=True)
class DynamicSize:
    """A dynamic size. Sizes with the same name are equal.

    `default` is the size at export, if the file has it; `low` and `high` are bounds.
    """

    name: str
    default: int | None = None
    low: int | None = None
    high: int | None = None

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class DeclaredInput:
    """One input; `shape` is None if the file does not contain the number of dimensions."""

    name: str
    shape: tuple[int | DynamicSize, ...] | None
    dtype: str

    @property
    def shown(self) -> str:
        return "any shape" if self.shape is None else "×".join(map(str, self.shape)) or "scalar"


def resolve_inputs(
    spec: str, declared: Sequence[DeclaredInput], inputs: Sequence[Any], named: Mapping[str, Any]
) -> list[InputSpec]:
    """The shapes to run on, one for each declared input, in order.

    Inputs of the user bind the dynamic sizes in them. In the other inputs, a dynamic size is the
    one bound to its name, else the size at export, else 1 if it is the batch.

    Raises:
        UsageError: a dynamic size has no value, or an input does not exist.
        ModelError: a shape contradicts the declared one.
    """
    user_inputs = _by_name(spec, declared, inputs, named)
    sizes: dict[str, int] = {}
    for item in declared:
        if item.name in user_inputs:
            _bind(spec, item, user_inputs[item.name], sizes)
    names = {size.name for item in declared for size in _dynamic_sizes(item)}
    batches = {item.shape[0] for item in declared if item.shape and item.name not in user_inputs}
    for item in declared:
        for size in _dynamic_sizes(item) if item.name not in user_inputs else ():
            # the only unknown size, and the first dimension wherever it occurs: a batch
            is_only_a_batch = size in batches and len(names - sizes.keys()) == 1 and all(
                size not in (other.shape or ())[1:] for other in declared
            )  # fmt: skip
            default = size.default or (1 if is_only_a_batch else None)
            if default is not None:
                sizes.setdefault(size.name, default)
    return [
        user_inputs[item.name]
        if item.name in user_inputs
        else _resolved(spec, item, sizes, declared)
        for item in declared
    ]


def _dynamic_sizes(item: DeclaredInput) -> Iterable[DynamicSize]:
    return (size for size in item.shape or () if isinstance(size, DynamicSize))


def _by_name(
    spec: str, declared: Sequence[DeclaredInput], inputs: Sequence[Any], named: Mapping[str, Any]
) -> dict[str, InputSpec]:
    if len(inputs) > len(declared):
        raise UsageError(
            f"{spec} takes {len(declared)} input{'s' if len(declared) != 1 else ''}, "
            f"{len(inputs)} were given",
            *[f"{item.name}: {item.shown}" for item in declared],
        )
    values = {item.name: value for item, value in zip(declared, inputs, strict=False)}
    known = {item.name: item for item in declared}
    for name, value in named.items():
        if name not in known:
            close = nearest(name, known) or f"it takes {', '.join(known)}"
            raise UsageError(f"{spec} has no input {name!r}", close)
        if name in values:
            raise UsageError(f"{spec}: the input {name!r} is given twice")
        values[name] = value
    return {name: _as_spec(spec, known[name], value) for name, value in values.items()}


def _as_spec(spec: str, item: DeclaredInput, value: Any) -> InputSpec:
    """The input as a shape with a dtype; a plain shape gets the declared dtype."""
    if not hasattr(value, "shape") or not hasattr(value, "dtype"):
        raise UsageError(f"{value!r} is no input", hint=f"--input {_example(item)}")
    shape, dtype = tuple(value.shape), str(value.dtype).removeprefix("torch.")
    if isinstance(value, InputSpec) and dtype == "float32":  # the default if the user wrote none
        dtype = item.dtype
    if dtype != item.dtype:
        raise ModelError(f"{spec}: the input {item.name} is {item.dtype}, not {dtype}")
    if item.shape is not None and len(shape) != len(item.shape):
        raise ModelError(
            f"input {format_shape(shape)} has {len(shape)} "
            f"dimension{'s' if len(shape) != 1 else ''}",
            f"{spec} takes {item.shown} as {item.name}",
            hint=f"--input {_example(item)}",
        )
    return InputSpec(shape, dtype)


def _bind(spec: str, item: DeclaredInput, value: InputSpec, sizes: dict[str, int]) -> None:
    for position, (size, actual) in enumerate(zip(item.shape or (), value.shape, strict=False)):
        place = f"{spec} does not run on {format_shape(value.shape)}: {item.name} is {item.shown}"
        if isinstance(size, DynamicSize):
            if sizes.setdefault(size.name, actual) != actual:
                both = f"{size.name} would be {sizes[size.name]} and {actual}"
                raise ModelError(place, both)
            if actual < (size.low or 1) or (size.high is not None and actual > size.high):
                bounds = f"{size.low or 1} to {size.high if size.high is not None else '…'}"
                raise ModelError(place, f"{size.name} may be {bounds}")
        elif size != actual:
            raise ModelError(
                place, f"dimension {position + 1} is fixed at {size} in the file, not {actual}",
                hint=f"--input {_example(item)}, or export it again with another size",
            )  # fmt: skip


def _resolved(
    spec: str, item: DeclaredInput, sizes: Mapping[str, int], declared: Sequence[DeclaredInput]
) -> InputSpec:
    shape = []
    for size in item.shape or ():
        known = sizes.get(size.name) if isinstance(size, DynamicSize) else size
        if known is None:
            break
        shape.append(known)
    else:
        if item.shape is not None:
            return InputSpec(tuple(shape), item.dtype)
    free = list(dict.fromkeys(f"'{s.name}'" for s in _dynamic_sizes(item) if s.name not in sizes))
    several = len(free) > 1
    listed = " and ".join([", ".join(free[:-1]), free[-1]] if several else free)
    subject = f"the size{'s' if several else ''} {listed} of {item.name} "
    reason = subject + ("are free" if several else "is free")
    suggestion = _example(item) if len(declared) == 1 else f"{item.name}={_example(item)}"
    raise UsageError(
        f"{spec}: {reason if free else f'the shape of {item.name} is free'}",
        f"it takes {item.shown}",
        hint=f"--input {suggestion}",
    )


def _example(item: DeclaredInput) -> InputSpec:
    """A plausible input for hints: 224 pixels for an image, 128 elements for a sequence."""
    if item.shape is None:
        return InputSpec((1, 3, 224, 224))
    side = 224 if len(item.shape) > 3 else 128
    shape = tuple(
        size if isinstance(size, int) else size.default or (side if position else 1)
        for position, size in enumerate(item.shape)
    )
    return InputSpec(shape)
