"""What an error says to type, in Python instead of on the command line.

Errors name options (`--batch-size 8`) and commands (`cnnstat shapes run.json`), wherever they are
raised. Where one leaves a public function, `in_python` makes arguments (`batch_size=8`) and calls
(`cnnstat.analyze("run.json")`) of them. The types of the arguments decide what is a value: in
`--training is …` the next word is none.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from .choices import DATA, OPTIMIZERS, LogName
from .errors import CnnstatError, ModelError

_FUNCTIONS = {
    "shapes": "analyze", "params": "parameters", "bench": "measure", "list": "list_models",
    **{name: name for name in ("compare", "explain", "latency", "lint", "memory", "roofline",
                               "scale", "verify")},
}  # fmt: skip
"""The public function of a command."""
_OF_ONE_MODEL = ("lint", "memory", "roofline", "latency", "measure", "verify", "parameters")
_NAMES = {"arg": "arguments", "fsdp_unit": "fsdp_units"}
"""Arguments that have another name than their option."""
SHOWN = ("depth", "columns", "sort", "top", "ops", "units", "totals")
"""Options of the command line that are arguments of `show`."""
_WORDS = {*OPTIMIZERS, *DATA, *get_args(LogName), "auto", "cuda", "cpu", "eval", "train", "float"}
"""Values that are words, as those with a digit, a capital or a sign are, too."""

_OPTION = re.compile(
    r"--(?P<name>[a-z][a-z-]*[a-z])(?:[ =](?P<value>'[^']*'|\"[^\"]*\"|[^\s'\"]+))?"
)
_COMMAND = re.compile(rf"\bcnnstat (?P<name>{'|'.join(_FUNCTIONS)})\b(?P<words>[^`;()]*)")
_DEVICES = re.compile(r"\bcnnstat devices(?P<measured> --measure)?(?P<file> (?:--output|-o) \S+)?")
_SHAPE = re.compile(r"\d+(,\d+)*")
_NUMBER = re.compile(r"-?\d+(\.\d+)?(e-?\d+)?")


@dataclass(frozen=True)
class Call:
    """A public function that raised an error.

    Args:
        name: of the function.
        example: a call of it, `memory(model, (1, 3, 224, 224))`.
        types: of the arguments, by name.
        several_inputs: whether inputs are arguments of the function itself.
    """

    name: str
    example: str
    types: Mapping[str, Any]
    several_inputs: bool


def in_python(error: CnnstatError, call: Call) -> None:
    """Change the texts of an error to the words of Python."""
    error.message = text_in_python(error.message, call)
    error.hint = None if error.hint is None else _hint(error.hint, call)
    if isinstance(error, ModelError):
        error.further = tuple(text_in_python(text, call) for text in error.further)
        error.context = tuple(text_in_python(text, call) for text in error.context)
        if error.phase in ("import", "construction"):
            return  # the details quote the user's code, which may have options of the same names
    error.details = tuple(text_in_python(text, call) for text in error.details)


def _hint(hint: str, call: Call) -> str:
    """What to type; an input alone is a call with it."""
    inputs = list(_OPTION.finditer(hint))
    alone = inputs and all(m["name"] == "input" and m["value"] for m in inputs)
    if alone and call.several_inputs and not _OPTION.sub("", hint).strip():
        arguments = ", ".join(_input(m["value"]) for m in inputs)
        return f"cnnstat.{call.example.replace('(1, 3, 224, 224)', arguments)}"
    return text_in_python(hint, call)


def text_in_python(text: str, call: Call) -> str:
    """A text with the words of Python."""
    if "--" not in text and "cnnstat " not in text:
        return text
    text = _DEVICES.sub(_devices, text)
    text = _COMMAND.sub(lambda match: _command(match, call), text)
    text = re.sub(r"(?<=\S) (?=--[a-z])", _joint(text), text)
    text = _OPTION.sub(lambda match: _option(match, call), text)
    return text.replace(" instead of input (", " instead of (")


def _joint(text: str) -> Callable[[re.Match[str]], str]:
    """A comma between two options that follow each other: `device="cuda", device_memory=…`."""

    def joint(match: re.Match[str]) -> str:
        before = text[: match.start()].split(" ")
        with_value = len(before) > 1 and before[-2].startswith("--")
        follows = with_value and _is_value(before[-1], None)
        return ", " if follows or before[-1].startswith("--") else " "

    return joint


def _option(match: re.Match[str], call: Call) -> str:
    """An option in a text, with its value if it has one."""
    name = match["name"].replace("-", "_")
    name = _NAMES.get(name, name)
    if name not in call.types and name != "input":
        return match[0]
    typed = (match["value"] or "").rstrip(",;:.)")
    rest = match[0][match.end("name") - match.start() :]
    expected = call.types.get(name)
    if expected is bool:
        adds = match.string[: match.start()].endswith("add ")
        return f"{name}=True{rest}" if adds else f"{name}{rest}"
    if not typed or not _is_value(typed, expected):
        return f"{name}{rest}"
    after = rest[1 + len(typed) :]
    if name == "input":
        separator = " " if call.several_inputs else "="
        value = _input(typed)
        return (
            f"inputs=[{value}]{after}"
            if call.name == "latency"
            else f"input{separator}{value}{after}"
        )
    return f"{name}={_value(name, typed, expected)}{after}"


def _is_value(typed: str, expected: Any) -> bool:
    if typed[0] in "'\"" or typed in _WORDS or re.search(r"[^a-z-]", typed):
        return True
    return typed in _choices(expected)


def _choices(expected: Any) -> list[Any]:
    parts = get_args(expected)
    return [p for p in parts if isinstance(p, str)] + [
        c for p in parts if not isinstance(p, str) for c in _choices(p)
    ]


def _value(name: str, typed: str, expected: Any) -> str:
    """A value as Python has it: a number, a text in quotes, a dict of constructor arguments."""
    if name == "arguments":
        key, _, value = typed.partition("=")
        return f'{{"{key}": {value if _NUMBER.fullmatch(value) else "…"}}}'
    if typed[0] in "'\"" or _NUMBER.fullmatch(typed):
        return typed
    if "," in typed and _choices(expected):
        return f"[{', '.join(_quoted(word) for word in typed.split(','))}]"
    return _quoted(typed)


def _quoted(text: str) -> str:
    return f'"{text}"'


def _input(typed: str) -> str:
    """An input as a public function takes it: a shape, or a text that describes one."""
    if typed[0] in "'\"":
        return typed
    name, equals, sizes = typed.rpartition("=")
    if _SHAPE.fullmatch(sizes):
        numbers = sizes.split(",")
        value = f"({', '.join(numbers)}{',' if len(numbers) == 1 else ''})"
    else:
        value = _quoted(sizes)
    return f"{name}{equals}{value}"


def _devices(match: re.Match[str]) -> str:
    if match["file"]:
        return f"{match[0].rstrip(',')} on the command line{match[0][len(match[0].rstrip(',')) :]}"
    if match["measured"]:
        return "cnnstat.measure_device()"
    return "cnnstat.list_devices()"


def _command(match: re.Match[str], call: Call) -> str:
    """A command as a call; one that Python has not is for the command line."""
    line = match["words"]
    text = line.partition(", ")[0].rstrip()
    after = line[len(text) :]
    try:
        words = shlex.split(text)
    except ValueError:
        return match[0]
    names: list[str] = []
    options: dict[str, str] = {}
    while words:
        word = words.pop(0)
        if not word.startswith("--"):
            names.append(word)
            continue
        key, _, value = word[2:].partition("=")
        is_flag = not words or words[0].startswith("--")
        options[key.replace("-", "_")] = value or ("" if is_flag else words.pop(0))
    call_text = _called(match["name"], names, options, call)
    return f"{match[0]}, on the command line" if call_text is None else f"{call_text}{after}"


def _called(command: str, names: list[str], options: dict[str, str], call: Call) -> str | None:
    if "resume" in options:
        return f"cnnstat.resume({_quoted(options['resume'])})"
    function = _FUNCTIONS[command]
    if function == "analyze" and re.search("[A-Z]", options.get("input", "")):
        function = "formulas"
    if function == "analyze" and call.name in _OF_ONE_MODEL:
        function = call.name
    if command == "list":
        sources = [_quoted(name) for name in names if name.endswith(":")]
        words = " ".join(name for name in names if not name.endswith(":"))
        arguments = [*sources, *([f"search={_quoted(words)}"] if words else [])]
        return f"cnnstat.list_models({', '.join(arguments)})"
    arguments = ["model" if name == "MODEL" else _quoted(name) for name in names]
    after = ""
    for key, value in options.items():
        name = _NAMES.get(key, key)
        if key == "output" and function != "measure":
            after = f".save({_quoted(value)})"
        elif key in SHOWN:
            after = f".show({key}={_value(key, value, None)})"
        elif key == "input":
            arguments.append(_input(value))
        elif name in ("explain", "help", "format", "fix"):
            return None
        else:
            arguments.append(f"{name}={_value(name, value, None) if value else True}")
    return f"cnnstat.{function}({', '.join(arguments)}){after}"
