"""The command line as people type it at first, in the words of cnnstat.

`cnnstat lenet` is `cnnstat shapes lenet`, `--input 1 3 32 32` is `--input 1,3,32,32`, `--format md`
is `--format markdown`. Only what means one thing is rewritten, before the command line is parsed;
no command has the options that are renamed here.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Collection, Mapping, Sequence
from difflib import SequenceMatcher
from pathlib import Path

from ..errors import UsageError, closest
from ..models.known_names import near_specs
from ..models.source_scan import models_of
from ..models.spec_resolution import is_known
from ..render.options import EXTENSIONS
from .other_options import budget, is_budget

DEFAULT = "shapes"
_LISTING = "list"

# What other programs call a command.
_COMMANDS: Mapping[str, str] = {
    **dict.fromkeys(
        ("summary", "summarize", "info", "show", "flops", "macs", "params", "parameters",
         "profile", "analyze", "analyse"), DEFAULT
    ),
    **dict.fromkeys(("models", "search", "ls"), _LISTING),
}  # fmt: skip
_OTHER_COMMANDS: Mapping[str, str] = {  # not run unasked: they take long, or differ
    "diff": "compare", "gpus": "devices", "gpu": "devices", "vram": "memory", "speed": "latency",
    "benchmark": "latency", "time": "latency", "train": "bench", "check": "lint",
    "layer": "explain",
}  # fmt: skip
_OUTPUTS: Mapping[str, str] = {  # what is shown elsewhere by a command is a file here
    **dict.fromkeys(("plot", "draw", "picture", "visualize", "visualise", "render"), ".svg"),
    **dict.fromkeys(("export", "save", "dump"), ".json"), "html": ".html", "report": ".html",
    "csv": ".csv", "latex": ".tex", "markdown": ".md",
}  # fmt: skip
_PROGRAM_OPTIONS = ("--version", "--help", "-h", "--install-completion", "--show-completion")
RENAMED_OPTIONS: Mapping[str, str] = {
    "--input_size": "--input", "--input-size": "--input", "--input_shape": "--input",
    "--input-shape": "--input", "--shape": "--input", "--batch_size": "--batch-size",
    "--bs": "--batch-size", "--dataset": "--data", "--learning-rate": "--lr",
}  # fmt: skip
_MODEL_OPTIONS = ("--model", "-m")  # the model is an argument here
_FORMATS = {
    **{extension.removeprefix("."): name for extension, name in EXTENSIONS.items()},
    "text": "table", "plain": "table",
}  # fmt: skip
_SIZES = re.compile(r"\d+([,x×]\d+)+")


def in_words_of_cnnstat(
    arguments: Sequence[str], commands: Collection[str], note: Callable[[str], None]
) -> list[str]:
    """The arguments with a command first, options renamed and values joined.

    `note` receives what the user should know of it.

    Raises:
        UsageError: the first word is like a command, and no model.
    """
    words = _with_values(_with_options(arguments))
    if not words or words[0] in commands or words[0] in _PROGRAM_OPTIONS:
        return _with_model(words)
    first, rest = words[0], words[1:]
    if first == "help":
        return [*rest[:1], "--help"]
    if first in ("version", "-V", "-v"):
        return ["--version"]
    if first.startswith("-"):
        has_model = any(not word.startswith("-") for word in rest)
        return _with_model([DEFAULT, *words] if has_model else words)
    if is_known(first):
        return _with_model([DEFAULT, *words])
    if first in _COMMANDS:
        note(f"{first} is cnnstat {_COMMANDS[first]}")
        return _with_model([_COMMANDS[first], *rest])
    if not is_near_model(first, commands):
        _check_command(first, rest, commands)
    near_command = closest(first, commands, cutoff=0.6) and not is_near_model(first, commands)
    return words if near_command else _with_model([DEFAULT, *words])


def is_near_model(word: str, commands: Collection[str]) -> bool:
    """Whether a word is more like the name of a model than like a command."""

    def likeness(names: Collection[str]) -> float:
        return max((SequenceMatcher(None, word.lower(), n).ratio() for n in names), default=0)

    every = {*commands, *_COMMANDS, *_OTHER_COMMANDS, *_OUTPUTS}
    models = [spec.rpartition(":")[2].lower() for spec in near_specs(word)]
    return word not in every and likeness(models) > max(0.8, likeness(every))


def _check_command(first: str, rest: Sequence[str], commands: Collection[str]) -> None:
    """Raise UsageError for a word that is like what other programs call a command."""
    if first in ("fix", "repair"):
        raise UsageError(
            f"unknown command {first!r}", "--fix writes a fix of a model that does not run",
            hint=shlex.join(["cnnstat", DEFAULT, *(rest or ["MODEL"]), "--fix"]),
        )  # fmt: skip
    if first in _OUTPUTS:
        file = f"{_stem(rest)}{_OUTPUTS[first]}"
        raise UsageError(
            f"unknown command {first!r}", f"every command writes files: --output {file}",
            hint=shlex.join(["cnnstat", DEFAULT, *(rest or ["MODEL"]), "--output", file]),
        )  # fmt: skip
    if closest(first, commands, cutoff=0.6) and first not in _OTHER_COMMANDS:
        return  # one of ours, misspelt
    others = {**_COMMANDS, **_OTHER_COMMANDS}
    near = [first] if first in others else closest(first, others, cutoff=0.75)
    if near:
        command = others[near[0]]
        if any(map(is_budget, rest)):
            raise UsageError(f"unknown command {first!r}", budget(rest).reason,
                             hint=budget(rest).hint)  # fmt: skip
        raise UsageError(
            f"unknown command {first!r}", f"did you mean {command}?",
            hint=shlex.join(["cnnstat", command, *rest]),
        )  # fmt: skip


def _stem(words: Sequence[str]) -> str:
    """A name for a file, from that of the first model: resnet50 for timm:resnet50."""
    model = next((word for word in words if not word.startswith("-")), "model")
    return re.split(r"[:/\\]", model)[-1] or "model"


def _with_options(arguments: Sequence[str]) -> list[str]:
    words: list[str] = []
    for word in arguments:
        name, equals, value = word.partition("=")
        if name in _MODEL_OPTIONS:
            words += [value] if equals else []
        else:
            words.append(f"{RENAMED_OPTIONS.get(name, name)}{equals}{value}")
    return words


def _with_values(words: Sequence[str]) -> list[str]:
    """`--input 1 3 32 32` with commas, `--format md` as the format is called."""
    joined: list[str] = []
    option = ""
    for word in words:
        name, equals, value = word.partition("=")
        if name in ("--format", "-f") and equals:
            word = f"{name}={_FORMATS.get(value.lower(), value)}"
        elif option in ("--format", "-f"):
            word = _FORMATS.get(word.lower(), word)
        elif option == "--input" and word.isdecimal() and re.fullmatch(r"[\d,]+", joined[-1]):
            joined[-1] += f",{word}"
            continue
        keeps = option == "--input" and re.fullmatch(r"[\d,]+", word) is not None
        joined.append(word)
        if word.startswith("-") or not keeps:
            option = {"-i": "--input"}.get(word, word)
    return joined


def _with_model(words: Sequence[str]) -> list[str]:
    """`my_model.py Net` as my_model.py:Net, and sizes after a model as its `--input`."""
    joined: list[str] = []
    for word in words:
        before = joined[-1] if joined else "-"
        above = joined[-2] if len(joined) > 1 else ""
        follows_value = above.startswith("--") and "=" not in above
        if before.endswith(".py") and word in models_of(Path(before)):
            joined[-1] = f"{before}:{word}"
        elif (_SIZES.fullmatch(word) and len(joined) > 1 and not before.startswith("-")
              and not follows_value):  # fmt: skip
            joined.append(f"--input={word}")
        else:
            joined.append(word)
    return joined
