"""The arguments of forward in code: what becomes a tensor, and what is passed on as it is.

In code, an `InputSpec`, a tensor and the text of a shape become tensors. So does an array of NumPy
where no argument contains a tensor; its floats are of torch's default size, as NumPy's are 64 bits
wide without being asked. A tuple of whole numbers is a shape where it is an argument by itself and
no argument contains a tensor; beside tensors, only the first argument can be one, if it has more
than two sizes. Everything else is passed on as it is: inside lists and dicts, only an `InputSpec`
or a tensor becomes one.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .errors import UsageError
from .escaping import value_in_words
from .inputs import DTYPES, Argument, InputSpec, InputValue, parse_argument, text_or_argument


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
    for value in (*positional, *named.values()):
        if isinstance(value, InputSpec):
            _check_spec(value)
    with_tensors = _has_tensor([*positional, *named.values()])
    parsed = CallArguments()
    for place, value in enumerate(positional):
        if isinstance(value, str):
            parsed.add(text_or_argument(value))
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


def parse_sizes(value: Any, command: str) -> InputSpec:
    """As `parse_shape`, for a command that needs sizes.

    Raises:
        UsageError: likewise, or it is anything else than a shape.
    """
    found = parse_shape(value)
    if isinstance(found, InputSpec):
        return found
    shown = found if isinstance(found, Argument) else value_in_words(found)
    raise UsageError(f"{command} takes the sizes of an input, not {shown}", hint="--input 1,3,H,W")


def _check_spec(spec: InputSpec) -> None:
    """Raise UsageError for a record whose sizes or dtype torch does not have."""
    shape, torch = spec.shape, sys.modules.get("torch")
    if not isinstance(shape, tuple | list) or not all(hasattr(s, "__index__") for s in shape):
        raise UsageError(
            f"the shape of an InputSpec is a tuple of whole numbers, not {value_in_words(shape)}",
            hint="cnnstat.InputSpec((1, 3, 224, 224))",
        )
    if not isinstance(spec.dtype, str) or (torch is not None and not hasattr(torch, spec.dtype)):
        raise UsageError(
            f"the dtype of an InputSpec is a name of torch's, not {value_in_words(spec.dtype)}",
            f"known: {', '.join(DTYPES)}", hint='cnnstat.InputSpec((1, 128), "int64")',
        )  # fmt: skip


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


def _from_text_by_name(text: str) -> Any:
    separated = re.search("[,x×:]", text) and "=" not in text
    parsed = text_or_argument(text) if separated else InputValue(text)
    return parsed if isinstance(parsed, InputSpec) else InputValue(text)


def _is_pair(value: Any) -> bool:
    return isinstance(value, tuple | list) and len(value) <= 2


def _from_shape(value: Any, is_first: bool = False) -> Any:
    """A tuple or list of whole numbers as a shape, an array as a tensor; anything else as it is."""
    if is_array(value):
        return _from_array(value)
    if is_first and _has_open_batch(value):
        sizes = ",".join(map(str, (1, *value[1:])))
        raise UsageError(
            f"{tuple(value)} leaves the batch size open, and here it is a number",
            hint=f"--input {sizes}",
        )
    if not is_shape(value) or not value:
        return value
    if min(value) < 1:
        if not is_first:
            return value
        raise UsageError(f"{tuple(value)} is no shape", f"{min(value)} is no positive size")
    return InputSpec(tuple(map(int, value)))


def is_input(value: Any) -> bool:
    """Whether a value is an input, plainly: where a model is expected, it is a mistake."""
    is_text = isinstance(value, str) and _is_text_of_shape(value)
    return (
        is_shape(value)
        or is_text
        or isinstance(value, Inputs)
        or is_array(value)
        or _has_tensor(value)
    )


def _has_open_batch(value: Any) -> bool:
    """Whether it is a shape as Keras or ONNX has it: `(None, 3, 32, 32)`, `(-1, 3, 32, 32)`."""
    several = isinstance(value, tuple | list) and len(value) > 1
    return several and value[0] in (None, -1) and is_shape(value[1:]) and min(value[1:]) > 0


def is_shape(value: Any) -> bool:
    """Whether a value is a tuple or list of whole numbers."""
    return isinstance(value, tuple | list) and all(map(_is_size, value))


def _is_size(size: Any) -> bool:
    """Whether it is a whole number, perhaps one of NumPy."""
    return type(size) is int or (type(size).__module__ == "numpy" and hasattr(size, "__index__"))


def _is_text_of_shape(text: str) -> bool:
    return re.fullmatch(r"[\s()\[\]]*\d+(\s*[,x×]\s*\d+)+[\s()\[\],]*", text) is not None


def is_array(value: Any) -> bool:
    """Whether it is an array of NumPy, or what describes itself as one."""
    return hasattr(value, "__array_interface__") and bool(getattr(value, "shape", ()))


def _from_array(array: Any) -> Any:
    """An array as a tensor; anything else than numbers as it is."""
    torch = sys.modules.get("torch")
    if array.dtype.kind == "f":
        return InputSpec(tuple(array.shape))
    if array.dtype.kind not in "iub":
        return array
    dtype = array.dtype.name
    return InputSpec(tuple(array.shape), dtype) if torch is None else torch.as_tensor(array)
