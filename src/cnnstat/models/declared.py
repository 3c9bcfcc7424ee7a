"""Inputs that a graph in a file declares: which sizes are fixed, which are free, what was chosen.

Graphs know the shapes of their inputs; some of the sizes have a name instead of a number. They
are taken from `--input`, which may not contradict the sizes that are fixed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import ModelError, UsageError, nearest
from ..inputs import InputSpec, format_shape


@dataclass(frozen=True, slots=True)
class Free:
    """A size that the file leaves open. Sizes of one name are equal.

    `default` is the size it was exported with, where the file tells; `low` and `high` bound it.
    """

    name: str
    default: int | None = None
    low: int | None = None
    high: int | None = None

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Declared:
    """One input: `shape` is None where the file does not even tell the number of dimensions."""

    name: str
    shape: tuple[int | Free, ...] | None
    dtype: str

    @property
    def shown(self) -> str:
        return "any shape" if self.shape is None else "×".join(map(str, self.shape)) or "scalar"


def choose(
    spec: str, declared: Sequence[Declared], inputs: Sequence[Any], named: Mapping[str, Any]
) -> list[InputSpec]:
    """The shapes to run on, one for each declared input, in order.

    Inputs not given keep their declared sizes; a free size takes what the given inputs of the same
    name say, else the size the file was exported with, else 1 if it is a batch.

    Raises:
        UsageError: a size stays open, or an input is given that there is not.
        ModelError: a given shape contradicts the declared one.
    """
    given = _by_name(spec, declared, inputs, named)
    sizes: dict[str, int] = {}
    for item in declared:
        if item.name in given:
            _bind(spec, item, given[item.name], sizes)
    names = {size.name for item in declared for size in _free(item)}
    batches = {item.shape[0] for item in declared if item.shape and item.name not in given}
    for item in declared:
        for size in _free(item) if item.name not in given else ():
            is_only_a_batch = size in batches and len(names - sizes.keys()) == 1 and all(
                size not in (other.shape or ())[1:] for other in declared
            )  # fmt: skip
            default = size.default or (1 if is_only_a_batch else None)
            if default is not None:
                sizes.setdefault(size.name, default)
    return [
        given[item.name] if item.name in given else _resolved(spec, item, sizes, declared)
        for item in declared
    ]


def _free(item: Declared) -> Iterable[Free]:
    return (size for size in item.shape or () if isinstance(size, Free))


def _by_name(
    spec: str, declared: Sequence[Declared], inputs: Sequence[Any], named: Mapping[str, Any]
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


def _as_spec(spec: str, item: Declared, value: Any) -> InputSpec:
    """A plain shape takes the declared dtype."""
    if not hasattr(value, "shape") or not hasattr(value, "dtype"):
        raise UsageError(f"{value!r} is no input", hint=f"--input {_example(item)}")
    shape, dtype = tuple(value.shape), str(value.dtype).removeprefix("torch.")
    if isinstance(value, InputSpec) and dtype == "float32":  # what is meant when none is written
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


def _bind(spec: str, item: Declared, value: InputSpec, sizes: dict[str, int]) -> None:
    for position, (size, given) in enumerate(zip(item.shape or (), value.shape, strict=False)):
        place = f"{spec} does not run on {format_shape(value.shape)}: {item.name} is {item.shown}"
        if isinstance(size, Free):
            if sizes.setdefault(size.name, given) != given:
                both = f"{size.name} would be {sizes[size.name]} and {given}"
                raise ModelError(place, both)
            if given < (size.low or 1) or (size.high is not None and given > size.high):
                bounds = f"{size.low or 1} to {size.high if size.high is not None else '…'}"
                raise ModelError(place, f"{size.name} may be {bounds}")
        elif size != given:
            raise ModelError(
                place, f"dimension {position + 1} is fixed at {size} in the file, not {given}",
                hint=f"--input {_example(item)}, or export it again with another size",
            )  # fmt: skip


def _resolved(
    spec: str, item: Declared, sizes: Mapping[str, int], declared: Sequence[Declared]
) -> InputSpec:
    shape = []
    for size in item.shape or ():
        known = sizes.get(size.name) if isinstance(size, Free) else size
        if known is None:
            break
        shape.append(known)
    else:
        if item.shape is not None:
            return InputSpec(tuple(shape), item.dtype)
    free = list(dict.fromkeys(f"'{s.name}'" for s in _free(item) if s.name not in sizes))
    several = len(free) > 1
    listed = " and ".join([", ".join(free[:-1]), free[-1]] if several else free)
    sizes_are = f"the size{'s' if several else ''} {listed} of {item.name} "
    open_ = sizes_are + ("are free" if several else "is free")
    asked = _example(item) if len(declared) == 1 else f"{item.name}={_example(item)}"
    raise UsageError(
        f"{spec}: {open_ if free else f'the shape of {item.name} is free'}",
        f"it takes {item.shown}",
        hint=f"--input {asked}",
    )


def _example(item: Declared) -> InputSpec:
    """What might be typed: an image of 224 pixels, a sequence of 128."""
    if item.shape is None:
        return InputSpec((1, 3, 224, 224))
    side = 224 if len(item.shape) > 3 else 128
    shape = tuple(
        size if isinstance(size, int) else size.default or (side if position else 1)
        for position, size in enumerate(item.shape)
    )
    return InputSpec(shape)
