"""The inputs of a model as text and in code: what becomes a tensor, and what is passed on as it is.

The grammar of `--input`:

1,3,224,224              one positional input; `x` works as a separator too
ids=1,128:int64          an input passed by keyword, with its dtype
N,3,H,W                  letters stand for any size
mode=train:str           a value that is no tensor; also :int, :float, :bool, :tuple, and None
my_model.py:make_input   a function that returns the inputs

In code, an `InputSpec`, a tensor and the text of a shape become tensors. A tuple of whole numbers
is a shape where it is an argument by itself and no argument contains a tensor; beside tensors, only
the first argument can be one, if it has more than two sizes. Everything else is passed on as it is:
inside lists and dicts, only an `InputSpec` or a tensor becomes one.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .errors import UsageError

DTYPES = (
    "float32", "float64", "float16", "bfloat16", "complex64", "complex128",
    "int64", "int32", "int16", "int8", "uint8", "bool",
)  # fmt: skip
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


@dataclass(frozen=True, slots=True)
class InputValue:
    """An argument of forward that is no tensor: passed on as it is, by keyword if it has a name."""

    value: Any
    name: str | None = None


@dataclass(frozen=True, slots=True)
class InputFunction:
    """A function of the user that returns inputs; `place` is its file or module."""

    place: str
    function: str


class Inputs:
    """The arguments of one call of forward.

    For a parameter of forward that has the name of an option of ours, and for a function that
    returns inputs by position and by keyword:

    >>> cnnstat.analyze(net, cnnstat.Inputs(x, mode="bilinear"))
    """

    def __init__(self, /, *args: Any, **kwargs: Any) -> None:
        self.positional = args
        self.named = kwargs

    def __repr__(self) -> str:
        named = (f"{name}={value!r}" for name, value in self.named.items())
        return f"Inputs({', '.join([*map(repr, self.positional), *named])})"


Argument = InputSpec | InputValue | InputFunction


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
    try:
        return parse_input(text)
    except UsageError as error:
        word = rest.strip()
        if _WORD.fullmatch(word) or _number(word, float) is not None:
            kind = "str" if _WORD.fullmatch(word) else "float"
            error.hint = f"--input {text.strip()}:{kind}, if it is not a tensor"
        raise


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


@dataclass
class CallArguments:
    """What forward is called with, each shape and text parsed."""

    positional: list[Any] = field(default_factory=list)
    named: dict[str, Any] = field(default_factory=dict)

    def add(self, argument: Any) -> None:
        name = argument.name if isinstance(argument, InputSpec | InputValue) else None
        value = argument.value if isinstance(argument, InputValue) else argument
        if name:
            self.named[name] = value
        else:
            self.positional.append(value)


def parse_arguments(inputs: Sequence[Any], named_inputs: Mapping[str, Any]) -> CallArguments:
    """What a caller of a public function passes as inputs, parsed by the rule of this module.

    Raises:
        UsageError: a shape or the text of one is malformed, or a list contains itself.
    """
    positional: list[Any] = []
    named: dict[str, Any] = {}
    for value in inputs:
        positional += value.positional if isinstance(value, Inputs) else [value]
        named |= value.named if isinstance(value, Inputs) else {}
    named |= named_inputs
    _refuse_cycles([positional, named])
    with_tensors = _has_tensor([*positional, *named.values()])
    parsed = CallArguments()
    for place, value in enumerate(positional):
        if isinstance(value, str):
            parsed.add(_from_text(value))
        else:
            is_value = with_tensors and (place > 0 or _is_pair(value))
            parsed.add(value if is_value else _from_shape(value, is_first=place == 0))
    for name, value in named.items():
        plain = value if with_tensors else _from_shape(value)
        described = _from_text_by_name(value) if isinstance(value, str) else plain
        parsed.named[name] = described.value if isinstance(described, InputValue) else described
    return parsed


def parse_shape(value: Any) -> Any:
    """A shape, or the text of an `--input`, by itself: where nothing else can be meant.

    Raises:
        UsageError: a size is not positive, or the text is malformed.
    """
    return parse_argument(value) if isinstance(value, str) else _from_shape(value, is_first=True)


def _refuse_cycles(value: Any, above: tuple[int, ...] = ()) -> None:
    if not isinstance(value, list | tuple | Mapping):
        return
    if id(value) in above:
        raise UsageError(f"an input contains itself: a {type(value).__name__}")
    for item in value.values() if isinstance(value, Mapping) else value:
        _refuse_cycles(item, (*above, id(value)))


def _has_tensor(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(_has_tensor(item) for item in value.values())
    if isinstance(value, list | tuple):
        return any(_has_tensor(item) for item in value)
    torch = sys.modules.get("torch")  # no tensor without it
    return isinstance(value, InputSpec) or (torch is not None and isinstance(value, torch.Tensor))


def _from_text(text: str) -> Any:
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


def _from_text_by_name(text: str) -> Any:
    separated = re.search("[,x×:]", text) and "=" not in text
    parsed = _from_text(text) if separated else InputValue(text)
    return parsed if isinstance(parsed, InputSpec) else InputValue(text)


def _is_pair(value: Any) -> bool:
    return isinstance(value, tuple | list) and len(value) <= 2


def _from_shape(value: Any, is_first: bool = False) -> Any:
    """A tuple or list of whole numbers as a shape; anything else as it is."""
    is_shape = isinstance(value, tuple | list) and all(type(size) is int for size in value)
    if not is_shape or not value:
        return value
    if min(value) < 1:
        if not is_first:
            return value
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
