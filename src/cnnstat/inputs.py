"""Shapes as text: the grammar of `--input`, and the format of a tensor's shape.

1,3,224,224            one positional input; `x` works as a separator too
ids=1,128:int64        an input passed by keyword, with its dtype
N,3,H,W                symbolic dimensions: a letter, or a letter and a digit
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .errors import UsageError

DTYPES = (
    "float32", "float64", "float16", "bfloat16", "complex64", "complex128",
    "int64", "int32", "int16", "int8", "uint8", "bool",
)  # fmt: skip
_EXPECTED = "expected sizes separated by commas, e.g. 1,3,224,224 or ids=1,128:int64"
_DIGITS = 18  # more do not fit into a 64-bit size
_NAME = re.compile(r"[A-Za-z_][A-Za-z_0-9]*")
_SYMBOL = re.compile(r"[A-Za-z][0-9]?")


@dataclass(frozen=True, slots=True)
class InputSpec:
    """One input as a user describes it: `shape` in elements, `name` of a keyword argument.

    `symbols` are the symbolic dimensions with their names; `shape` has a 0 there.
    """

    shape: tuple[int, ...]
    dtype: str = "float32"
    name: str | None = None
    symbols: tuple[tuple[int, str], ...] = ()

    def __str__(self) -> str:
        name = f"{self.name}=" if self.name else ""
        dtype = "" if self.dtype == "float32" else f":{self.dtype}"
        return f"{name}{','.join(map(str, self.sizes))}{dtype}"

    @property
    def sizes(self) -> tuple[int | str, ...]:
        """The shape, with names for symbolic dimensions."""
        symbols = dict(self.symbols)
        return tuple(symbols.get(dim, size) for dim, size in enumerate(self.shape))

    def at(self, values: Mapping[str, int]) -> InputSpec:
        """The input with a size for each symbolic dimension."""
        symbols = dict(self.symbols)
        shape = tuple(values[symbols[d]] if d in symbols else n for d, n in enumerate(self.shape))
        return InputSpec(shape, self.dtype, self.name)


def format_shape(shape: Sequence[int]) -> str:
    """(1, 96, 54, 54) → `1×96×54×54`; a scalar is `scalar`."""
    return "×".join(map(str, shape)) or "scalar"


def parse_input(text: str) -> InputSpec:
    """Read one `--input`.

    Raises:
        UsageError: with the position of the first invalid character.
    """
    name, equals, rest = text.rpartition("=")
    start = len(name) + len(equals)
    if equals and not _NAME.fullmatch(name.strip()):
        raise _malformed(text, 0, "a keyword is a Python name")
    sizes, colon, dtype = rest.partition(":")
    if colon and dtype.strip() not in DTYPES:
        reason = f"unknown dtype {dtype.strip()!r}; known: {', '.join(DTYPES)}"
        raise _malformed(text, start + len(sizes) + 1, reason)
    shape: list[int] = []
    symbols = []
    position = start
    for size in re.split("[,x×]", sizes):
        word = size.strip()
        at = position + len(size) - len(size.lstrip())
        if not word:
            raise _malformed(text, position, "a size is missing")
        if _SYMBOL.fullmatch(word):
            symbols.append((len(shape), word))
            shape.append(0)
            position += len(size) + 1
            continue
        if not word.isdecimal() or not word.strip("0"):
            raise _malformed(text, at, f"{word!r} is no positive whole number and no letter")
        if len(word) > _DIGITS:
            raise _malformed(text, at, f"no tensor has a side of {len(word)} digits")
        shape.append(int(size))
        position += len(size) + 1
    return InputSpec(tuple(shape), dtype.strip() or "float32", name.strip() or None, tuple(symbols))


def as_input(value: Any) -> Any:
    """Parse shapes and texts to `InputSpec`s, inside lists and dicts too; keep anything else.

    A list of integers is a shape.

    Raises:
        UsageError: a size is not positive, or the text is malformed.
    """
    if isinstance(value, str):
        return parse_input(value)
    if isinstance(value, dict):
        return {key: as_input(item) for key, item in value.items()}
    is_shape = isinstance(value, tuple | list) and all(type(size) is int for size in value)
    if not is_shape or not value:
        nested = type(value) in (tuple, list) and value
        return type(value)(as_input(item) for item in value) if nested else value
    if min(value) < 1:
        raise UsageError(f"{tuple(value)} is no shape", f"{min(value)} is no positive size")
    return InputSpec(tuple(value))


def _malformed(text: str, position: int, reason: str) -> UsageError:
    place = f"at position {position + 1}: "
    return UsageError(
        f"--input {text!r}: {reason}",
        f"{place}{text}",
        f"{' ' * (len(place) + position)}^",
        _EXPECTED,
    )
