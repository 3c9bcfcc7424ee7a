"""Options that the command does not have: of other programs, of other commands, of the model."""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from ..models.zoo.catalog import CATALOG


class Instead(NamedTuple):
    """Why a command has no such option, and the command line to type."""

    reason: str
    hint: str


_WITHOUT: Mapping[str, str] = {
    **dict.fromkeys(
        ("--verbose", "--quiet", "--silent", "--no-progress"),
        "only the result is on standard output, and notes on standard error",
    ),
    **dict.fromkeys(("--pretrained", "--weights", "--checkpoint-path"), "no weights are read"),
    **dict.fromkeys(
        ("--flops", "--gflops", "--macs", "--gmacs"),
        "the table has MACs; FLOPs are twice as many, and below the layers",
    ),
    **dict.fromkeys(("--totals-only", "--summary"), "the totals are below the layers"),
}
"""Options that are left out, each with the reason."""
_VALUED: Collection[str] = ("--weights", "--checkpoint-path")
_RENAMED: Mapping[str, str] = {
    "--amp": "--precision=bf16", "--bf16": "--precision=bf16", "--half": "--precision=fp16",
    "--fp16": "--precision=fp16", "--cuda": "--device=cuda", "--gpu": "--device=cuda",
    "--cpu": "--device=cpu", "--max-depth": "--depth=1",
}  # fmt: skip
"""Flags of other programs, each with the option that it is here."""
_MEMORIES: Collection[str] = ("--vram", "--gpu-memory", "--gpu-mem", "--memory", "--ram")
_SIDES = re.compile(r"--(?:img|image|imgsz|size|resolution)(?:[-_]?(?:size|sz|shape))?")
_BUDGET = re.compile(r"--(?:max|min)[-_](?:params|parameters|macs|flops|memory|latency)|--budget")
_ARGUMENT = re.compile(r"--([a-z]\w*(?:[-_]\w+)+|\w*(?:classes|channels|width|depth|layers|dim))")


def instead_of(
    option: str, command: Sequence[str], options: Collection[str], arguments: Sequence[str]
) -> Instead | None:
    """What to type for an option that a command does not have; None for one without an answer.

    Args:
        command: `cnnstat` and the name of the command.
        options: those that the command has.
        arguments: the words after `cnnstat`.
    """
    at = next((i for i, w in enumerate(arguments) if w.partition("=")[0] == option), None)
    if at is None:
        return None
    before, after = list(arguments[:at]), list(arguments[at + 1 :])
    has_value = "=" in arguments[at]
    value = arguments[at].partition("=")[2]
    if option in _WITHOUT:
        rest = after[1:] if option in _VALUED and not has_value else after
        return Instead(_WITHOUT[option], _line([*before, *rest]))
    if option in _MEMORIES and "--device-memory" in options:
        size = [value] if has_value else after[:1]
        sized = [*size, *after[1:]] if not has_value else [*size, *after]
        return Instead("the memory of a device is an option", _line(
            [*before, "--device-memory", *_with_unit(sized[:1]), *sized[1:]]
        ))  # fmt: skip
    if option == "--strict" and "--fail-on" in options:
        return Instead("it is --fail-on hint here", _line([*before, "--fail-on=hint", *after]))
    renamed = _RENAMED.get(option)
    if renamed is not None and renamed.partition("=")[0] in options:
        return Instead(f"it is {renamed.replace('=', ' ')} here", _line([*before, renamed, *after]))
    if not has_value:
        value, after = (after[0], after[1:]) if after else ("", [])
    sides = re.findall(r"\d+", value)
    if _SIDES.fullmatch(option) and sides and "--input" in options:
        width, height = sides[-1], sides[0]
        shape = f"1,{_channels(before)},{height},{width}"
        return Instead("the whole shape of the input is one option",
                       _line([*before, f"--input={shape}", *after]))  # fmt: skip
    if _BUDGET.fullmatch(option):
        return budget(before[1:])
    name = _ARGUMENT.fullmatch(option)
    if name is not None and "--arg" in options:
        argument = f"{name[1].replace('-', '_')}={value or 'VALUE'}"
        return Instead("an argument of the model is given with --arg",
                       _line([*before, "--arg", argument, *after]))  # fmt: skip
    return None


def _with_unit(size: Sequence[str]) -> list[str]:
    """24 and 24GB as a GPU's memory is measured: 24GiB."""
    number = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(?:g|gb)?", (size or ["24"])[0].lower())
    return [f"{number[1]}GiB"] if number else list(size)


def is_budget(word: str) -> bool:
    return _BUDGET.fullmatch(word.partition("=")[0]) is not None


def budget(words: Sequence[str]) -> Instead:
    """What to type for a limit on the figures of the model among the words."""
    models = [word for word in words if not word.startswith("-")][:1] or ["MODEL"]
    return Instead("limits are compared in a script, with the totals of the JSON",
                   _line(["shapes", *models, "--totals", "--format=json"]))  # fmt: skip


def _line(words: Sequence[str]) -> str:
    return shlex.join(["cnnstat", *words])


def _channels(words: Sequence[str]) -> int:
    """Those of the default input of a built-in network among the words, else 3."""
    return next((CATALOG[word].input[1] for word in words if word in CATALOG), 3)
