"""The inputs of a model as text: shapes, values and functions.

The grammar of `--input`:

1,3,224,224              one positional input; `x` and spaces separate too, and what Python prints
                         of a shape is read: (1, 3, 224, 224), torch.Size([1, 3, 224, 224])
(1,3,32,32),(1,10)       several inputs
ids=1,128:int64          an input passed by keyword, with its dtype
N,3,H,W                  letters stand for any size
mode=train:str           a value that is no tensor; also :int, :float, :bool, :tuple, and None
my_model.py:make_input   a function that returns the inputs
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .errors import UsageError

DTYPES = (
    "float32", "float64", "float16", "bfloat16", "complex64", "complex128",
    "int64", "int32", "int16", "int8", "uint8", "bool",
)  # fmt: skip
_ALIASES = {"long": "int64", "short": "int16", "half": "float16", "double": "float64"}
"""torch's other names; `int` and `float` have other sizes in Python."""
_EXPECTED = "expected sizes separated by commas, e.g. 1,3,224,224 or ids=1,128:int64"
_DIGITS = 18  # more do not fit into a 64-bit size
_NAME = re.compile(r"[A-Za-z_][A-Za-z_0-9]*")
_FUNCTION = re.compile(r"(?P<place>.+\.py|[A-Za-z_]\w+(\.\w+)*):(?P<name>[A-Za-z_]\w*)")
_SIZES = re.compile(r"(\w+\s*=)?\s*\d+\s*[,×].*")
_WORD = re.compile(r"[A-Za-z_]\w+")
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
    (text, *others) = without_brackets(text) if "(" in text or "[" in text else [text]
    if others:
        raise UsageError(f"{text!r} and {len(others)} more shapes: one input is expected")
    name, equals, rest = text.rpartition("=")
    start = len(name) + len(equals)
    if equals and not _NAME.fullmatch(name.strip()):
        raise _malformed(text, 0, "a keyword is a Python name")
    sizes, colon, dtype = rest.partition(":")
    dtype = _ALIASES.get(dtype.strip(), dtype)
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
        if word.lower() in _ANY_SIZE:
            open_size = f"a letter leaves it open: {text.replace(word, 'N', 1)}"
            raise _malformed(text, at, f"{word!r} is no size; {open_size}")
        if not word.isdecimal() or not word.strip("0"):
            raise _malformed(text, at, f"{word!r} is no positive whole number and no letter")
        if len(word) > _DIGITS:
            raise _malformed(text, at, f"no tensor has a side of {len(word)} digits")
        shape.append(int(size))
        position += len(size) + 1
    return InputSpec(tuple(shape), dtype.strip() or "float32", name.strip() or None, tuple(symbols))


_ANY_SIZE = ("-1", "none", "?", "*", "batch", "batch_size", "bs", "dynamic", "any")
"""What other tools write for a size that is not fixed."""


@dataclass(frozen=True, slots=True)
class InputValue:
    """An argument of forward that is no tensor: passed on as it is, by keyword if it has a name."""

    value: Any
    name: str | None = None

    def __str__(self) -> str:
        return f"{self.name}={self.value}" if self.name else str(self.value)


@dataclass(frozen=True, slots=True)
class InputFunction:
    """A function of the user that returns inputs; `place` is its file or module."""

    place: str
    function: str

    def __str__(self) -> str:
        return f"{self.place}:{self.function}"


Argument = InputSpec | InputValue | InputFunction


_SHAPE_OF_PYTHON = re.compile(r"(?:torch\.)?Size\s*\(|[\[(]")
_IN_BRACKETS = re.compile(r"\((?P<sizes>[^()]*\d[^()]*)\)(?P<dtype>:\w+)?")
_SPACED = re.compile(r"[\w?]+(\s+[\w?]+)+(:\w+)?")


def without_brackets(text: str) -> list[str]:
    """The shapes in a text as Python prints them, each as sizes with commas.

    `torch.Size([1, 3])` is `1, 3`, `[(1,3), (1,)]` are two. Any other text is returned as it is.
    """
    name, equals, rest = text.rpartition("=")
    round = _SHAPE_OF_PYTHON.sub("(", rest).replace("]", ")")
    found = list(_IN_BRACKETS.finditer(round))
    if not found or _IN_BRACKETS.sub("", round).strip("(), \t"):
        return [text]
    return [
        f"{name}{equals}{part['sizes'].strip().removesuffix(',')}{part['dtype'] or ''}"
        for part in found
    ]


def parse_inputs(text: str) -> list[Argument]:
    """Read one `--input` of the command line, which may have the shapes of several tensors.

    Raises:
        UsageError: naming the position of the first character that does not fit.
    """
    parts = without_brackets(text)
    return [parse_argument(part) for part in (parts if len(parts) > 1 else [text])]


def is_symbolic(argument: Argument) -> bool:
    return isinstance(argument, InputSpec) and bool(argument.symbols)


def parse_argument(text: str) -> Argument:
    """Read one `--input`, whatever it describes.

    Raises:
        UsageError: naming the position of the first character that does not fit.
    """
    name, equals, rest = text.partition("=")
    if not equals or not _NAME.fullmatch(name.strip()):
        name, rest = "", text
    value = _value(rest.strip())
    if value is not None:
        return InputValue(value.value, name.strip() or None)
    function = _FUNCTION.fullmatch(text.strip())
    if function and function["name"] not in DTYPES:
        return InputFunction(function["place"], function["name"])
    if _SPACED.fullmatch(rest.strip()) and any(map(str.isdecimal, rest)):
        head = text[: len(text) - len(rest)]
        text = head + re.sub(r"\s+", ",", rest.strip())
    try:
        return parse_input(text)
    except UsageError as error:
        word = rest.strip()
        if _WORD.fullmatch(word) or _number(word, float) is not None:
            kind = "str" if _WORD.fullmatch(word) else "float"
            error.hint = f"--input {text.strip()}:{kind}, if it is not a tensor"
        raise


def text_or_argument(text: str) -> Argument:
    """A positional text: of an `--input` if it is plainly one, else a text like any other."""
    kind = text.rpartition(":")[2]
    if kind in _VALUES or re.fullmatch(r"\S+\.py:\w+", text) or _SIZES.fullmatch(text):
        return parse_argument(text)
    try:
        spec = parse_input(text)
    except UsageError:
        return InputValue(text)
    has_sizes = len(spec.symbols) < len(spec.shape) or "," in text
    return spec if has_sizes else InputValue(text)


def _value(text: str) -> InputValue | None:
    """The value that a text with `:str` and the like describes; None for any other text."""
    if text in _LITERALS:
        return InputValue(_LITERALS[text])
    body, _, kind = text.rpartition(":")
    if kind not in _VALUES:
        return None
    return _VALUES[kind](body.strip())


def _string(text: str) -> InputValue:
    quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "'\""
    return InputValue(text[1:-1] if quoted else text)


def _number(text: str, kind: type) -> InputValue | None:
    try:
        return InputValue(kind(text))
    except ValueError:
        return None


def _tuple(text: str) -> InputValue | None:
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None
    return InputValue(tuple(value) if isinstance(value, tuple | list) else (value,))


def _boolean(text: str) -> InputValue | None:
    known = {"true": True, "false": False}.get(text.lower())
    return None if known is None else InputValue(known)


_LITERALS = {"None": None, "True": True, "False": False}
_VALUES: dict[str, Callable[[str], InputValue | None]] = {
    "str": _string,
    "int": lambda text: _number(text, int),
    "float": lambda text: _number(text, float),
    "bool": _boolean,
    "tuple": _tuple,
}


def _malformed(text: str, position: int, reason: str) -> UsageError:
    place = f"at position {position + 1}: "
    return UsageError(
        f"--input {text!r}: {reason}",
        f"{place}{text}",
        f"{' ' * (len(place) + position)}^",
        _EXPECTED,
    )
