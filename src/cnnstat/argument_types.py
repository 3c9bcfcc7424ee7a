"""The values of arguments in Python, checked against the annotations of a function.

A value of another type is converted where only one thing can be meant (a whole number of NumPy).
"""

from __future__ import annotations

import builtins
import os
import sys
from ast import literal_eval
from collections import abc
from collections.abc import Callable, Iterable, Mapping, Sequence
from inspect import Parameter, signature
from pathlib import Path
from types import NoneType, SimpleNamespace, UnionType
from typing import Any, Literal, NotRequired, Union, get_args, get_origin

from .choices import PRECISION_NAMES, check_choice
from .errors import UsageError
from .escaping import value_in_words

EXAMPLES: dict[str, str] = {
    "accumulate": "4", "arguments": '{"num_classes": 10}', "baseline": '"baseline.json"',
    "batch_size": "8", "caption": '"Layers of the network"', "checkpoint": '"features.*"',
    "data": "dataset", "test_data": "dataset", "device": '"cuda"', "loss": '"mse"',
    "precision": '"bf16"', "training": "True", "workers": "2",
    "columns": '"output,params,macs"', "data_dir": '"data"', "depth": "2",
    "device_memory": '"24GiB"', "device_peaks": '"fp32=1.2T,bandwidth=40G"', "epochs": "3",
    "filter": '"resnet*"', "fsdp": "8", "fsdp_units": '"layers.*"', "ignore": '"CN301"',
    "inputs": "[(1, 3, 224, 224)]", "label": '"tab:layers"', "log": '"csv"', "lr": "0.001",
    "minutes": "5", "name": '"mynet"', "named_inputs": '{"ids": "1,128:int64"}',
    "output": '"runs/first"', "over": '"H,W=64:512:32"', "path": '"run.json"',
    "schedule": '"StepLR(step_size=5)"', "search": '"vit base"', "seconds": "10", "select": '"CN1"',
    "sort": '"params"', "source": '"timm"', "steps": "100", "summary": '"a small network"',
    "threads": "4", "top": "10", "watch": "print",
}  # fmt: skip
"""A value of each argument, as it is typed, by the name that it has in every function."""

_REFUSED = object()


class _Watch:
    """Stands for a function that is called with an event."""


class _Device:
    """Stands for `rooflines.results.Device`."""


_STAND_INS: dict[str, Any] = {
    "nn": SimpleNamespace(Module=Any),
    "Device": _Device,
    "Watch": _Watch,
    "LatencyWatch": _Watch,
}
"""Types of floors above, and of torch, which is not imported for this; others that are unknown at
run time accept every value."""


class _Names(dict[str, Any]):
    """The names in the annotations of a module."""

    def __missing__(self, name: str) -> Any:
        return _STAND_INS.get(name, getattr(builtins, name, Any))


def evaluated(annotation: Any, names: Mapping[str, Any]) -> Any:
    """The type that an annotation names in a module with such names."""
    if not isinstance(annotation, str):
        return Any if annotation is Parameter.empty else annotation
    return eval(annotation, {}, _Names(names))  # of our own source


def checked(name: str, value: Any, expected: Any) -> Any:
    """The value of an argument, converted to the expected type.

    Raises:
        UsageError: it is none of the type.
    """
    found = _converted(value, expected)
    if found is not _REFUSED:
        return found
    options = _literals(expected)
    for word in value if isinstance(value, list | tuple) else [value]:
        if options and isinstance(word, str):
            check_choice(name, word, (None, *options))
    raise UsageError(
        f"{name} is {_phrase(expected)}, not {value_in_words(value)}",
        *([f"known: {', '.join(map(str, options))}"] if len(options) > 3 else []),
        hint=f"{name}={_example(name, value, expected, options)}",
    )


_DTYPES = {"torch.float32": "fp32", "torch.bfloat16": "bf16", "torch.float16": "fp16"}


def _literal(text: str) -> Any:
    try:
        return literal_eval(text)
    except (ValueError, SyntaxError):
        return _REFUSED


def _example(name: str, value: Any, expected: Any, options: Sequence[Any]) -> str:
    """What is typed instead: the value as it was probably meant, or an example."""
    if isinstance(value, str):
        try:
            meant = literal_eval(value)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            meant = _REFUSED
        if meant is not None and _converted(meant, expected) is not _REFUSED:
            return repr(meant)
    example = EXAMPLES.get(name)
    is_other = example is None or _converted(_literal(example), expected) is _REFUSED
    if options and is_other:
        named = getattr(value, "__name__", type(value).__name__).lower()
        named = _DTYPES.get(str(value), named)
        return f'"{named if named in options else options[0]}"'
    if expected is bool:
        return "True"
    return EXAMPLES.get(name, "…")


def _converted(value: Any, expected: Any) -> Any:
    """The value as one of the expected type, or `_REFUSED`."""
    origin, arguments = get_origin(expected), get_args(expected)
    if origin in (Union, UnionType):
        if Path in arguments and isinstance(value, str) and "\0" in value:
            return _REFUSED
        return next(
            (v for part in arguments if (v := _converted(value, part)) is not _REFUSED), _REFUSED
        )
    if origin is NotRequired:
        return _converted(value, arguments[0])
    if origin is Literal:
        value = str(value.type) if _is_torch_device(value) else value
        return _chosen(value, arguments)
    if origin is not None and isinstance(origin, type) and issubclass(origin, Mapping):
        is_mapping = isinstance(value, Mapping) and all(isinstance(key, str) for key in value)
        return value if is_mapping else _REFUSED
    if origin is not None and isinstance(origin, type) and issubclass(origin, Iterable):
        return _converted_items(value, arguments[0])
    if origin is type:
        return value  # checked by the function
    if origin is abc.Callable:
        return value if callable(value) else _REFUSED
    plain = _PLAIN.get(origin or expected)
    return value if plain is None else plain(value)


def _chosen(value: Any, choices: Sequence[Any]) -> Any:
    """One of the choices, perhaps in capitals or by the name that another tool has for it."""
    if not isinstance(value, str | int) or isinstance(value, bool):
        return _REFUSED
    word = str(value).lower()
    if "fp32" in choices:
        word = PRECISION_NAMES.get(word, word)
    elif word == "gpu" and "cuda" in choices:
        word = "cuda"
    return value if value in choices else word if word in choices else _REFUSED


def _converted_items(value: Any, expected: Any) -> Any:
    if not isinstance(value, list | tuple | set | frozenset | range):
        return _REFUSED
    items = [_converted(item, expected) for item in value]
    if any(item is _REFUSED for item in items):
        return _REFUSED
    return value if isinstance(value, list | tuple) else tuple(items)


def _integer(value: Any) -> Any:
    """A whole number of 64 bits: also NumPy's, and a tensor with one; no truth value."""
    if isinstance(value, int):
        return _REFUSED if isinstance(value, bool) or abs(value) > sys.maxsize else value
    try:
        return int(value.__index__())
    except Exception:  # it has none, or is a tensor of another kind
        return _REFUSED


def _real(value: Any) -> Any:
    if isinstance(value, float):
        return float(value)
    number = _integer(value)
    if number is not _REFUSED or isinstance(value, bool | str) or not hasattr(value, "__float__"):
        return number
    try:
        return float(value)
    except Exception:  # a tensor of several numbers
        return _REFUSED


def _boolean(value: Any) -> Any:
    if isinstance(value, bool):
        return value
    return bool(value) if type(value).__name__ in ("bool", "bool_") else _REFUSED


def _is_torch_device(value: Any) -> bool:
    return type(value).__module__ == "torch" and type(value).__name__ == "device"


def _watch(value: Any) -> Any:
    if not callable(value):
        return _REFUSED
    try:
        signature(value).bind(object())
    except TypeError:
        return _REFUSED
    except ValueError:  # builtins may have no signature
        pass
    return value


def _device(value: Any) -> Any:
    if _is_torch_device(value):
        return str(value)
    return value if hasattr(value, "peak_flops") else _REFUSED


_PLAIN: dict[Any, Callable[[Any], Any]] = {
    bool: _boolean,
    int: _integer,
    float: _real,
    str: lambda value: str(value) if isinstance(value, str) else _REFUSED,
    Path: lambda value: Path(value) if isinstance(value, os.PathLike) else _REFUSED,
    os.PathLike: lambda value: value if isinstance(value, os.PathLike) else _REFUSED,
    _Device: _device,
    _Watch: _watch,
    None: lambda value: None if value is None else _REFUSED,
    NoneType: lambda value: None if value is None else _REFUSED,
}


def _literals(expected: Any) -> list[Any]:
    """The names that a type is a choice of, or a sequence of such choices."""
    if get_origin(expected) is Literal:
        return list(get_args(expected))
    parts = [a for a in get_args(expected) if not isinstance(a, str)]
    return list(dict.fromkeys(name for part in parts for name in _literals(part)))


_WORDS: dict[Any, str] = {
    bool: "True or False", int: "a whole number", float: "a number", str: "a text",
    _Device: "a device", _Watch: "a function of one argument, an event", Path: "a path",
    os.PathLike: "a path", NoneType: "None", None: "None",
}  # fmt: skip


def _phrase(expected: Any) -> str:
    """The type in words: `a whole number or None`."""
    origin, arguments = get_origin(expected), get_args(expected)
    if origin in (Union, UnionType):
        return " or ".join(dict.fromkeys(_phrase(part) for part in arguments))
    if origin is Literal:
        few = len(arguments) <= 3
        return " or ".join(f'"{choice}"' for choice in arguments) if few else "a name"
    if origin is list or (isinstance(origin, type) and issubclass(origin, Sequence)):
        return f"a list of {_WORDS_OF_SEVERAL.get(arguments[0], 'names')}"
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return "a dict of names and values"
    if origin is abc.Callable:
        return "a function"
    return _WORDS.get(origin or expected, getattr(expected, "__name__", str(expected)))


_WORDS_OF_SEVERAL: dict[Any, str] = {int: "whole numbers", str: "texts", Any: "inputs"}
