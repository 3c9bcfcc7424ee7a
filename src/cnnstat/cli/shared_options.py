"""The options of several commands, and the readers of their text."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from ..choices import LaneName, LaneOrAuto, Mode
from ..errors import UsageError
from ..inputs import Argument, parse_inputs
from ..models.spec_resolution import resolve
from ..models.user_names import may_be_registered
from ..render.options import Format, PictureFormat, Units
from .completion import complete_columns, complete_model
from .terminal import echo_note


def model_argument(help: str, metavar: str = "MODEL") -> Any:
    """The argument MODEL, or `MODEL...`; `help` lists the specs that the command takes."""
    return typer.Argument(
        metavar=metavar, autocompletion=complete_model, show_default=False, help=help,
        callback=_understood,
    )  # fmt: skip


def _understood(context: typer.Context, typed: Any) -> Any:
    """What was typed for MODEL as specs, with a note on standard error for each that differs."""
    if isinstance(typed, list | tuple):
        return [_understood(context, spec) for spec in typed]
    if context.resilient_parsing or not isinstance(typed, str) or may_be_registered(typed):
        return typed
    spec, note = resolve(typed)
    if note:
        echo_note(note)
    return spec


InputOption = Annotated[
    list[str] | None,
    typer.Option(
        "--input", "-i", metavar="SIZES", show_default=False,
        help="Shape of the input, batch first: 1,3,224,224; name=cat:str is a value, "
        "my_model.py:make_input a function that returns the inputs. [default: the model's own]",
    ),
]  # fmt: skip
ArgOption = Annotated[
    list[str] | None,
    typer.Option(
        "--arg", "-a", metavar="NAME=VALUE", show_default=False,
        help="Argument of the model, a Python literal: num_classes=10. Repeatable.",
    ),
]  # fmt: skip
ModeOption = Annotated[Mode, typer.Option("--mode", help="What the modules are set to.")]
ModeOrTrainingOption = Annotated[
    Mode | None,
    typer.Option(
        "--mode", show_default=False,
        help="What the modules are set to. [default: eval; train with --training]",
    ),
]  # fmt: skip
TrainingOption = Annotated[
    bool,
    typer.Option(
        "--training",
        help="Count the backward pass too, as autograd runs it: frozen parameters cost nothing.",
    ),
]  # fmt: skip
LaneOption = Annotated[
    LaneOrAuto,
    typer.Option(
        "--lane", help="How the model is run: without data (meta, fake) or for real (cpu). "
        "auto takes the first that works.",
    ),
]  # fmt: skip
ColumnsOption = Annotated[
    str | None,
    typer.Option(
        "--columns", "-c", metavar="LIST", show_default=False, autocompletion=complete_columns,
        help="Columns by name, separated by commas; +NAME adds one to the usual ones: type, role, "
        "input, output, kernel, padding, receptive-field, stride, params, params-share, macs, "
        "macs-share, backward-macs, other-ops, activation.",
    ),
]  # fmt: skip
DepthOption = Annotated[
    int | None,
    typer.Option("--depth", "-d", min=0, show_default=False,
                 help="Levels of the tree. [default: 3; all in CSV]"),
]  # fmt: skip
UnitsOption = Annotated[
    Units,
    typer.Option(
        "--units",
        help="Units of counts where people read: M, G, or raw for all digits; auto rounds where "
        "models are compared. CSV and JSON are exact.",
    ),
]  # fmt: skip
StrictOption = Annotated[
    bool, typer.Option("--strict", help="Exit with status 3 if an operator could not be counted.")
]
FormatOption = Annotated[
    Format | None,
    typer.Option(
        "--format", "-f", show_default=False,
        help="[default: by the extension of --output, else table]",
    ),
]  # fmt: skip
PictureFormatOption = Annotated[
    PictureFormat | None,
    typer.Option(
        "--format", "-f", show_default=False,
        help="[default: by the extension of --output, else table]",
    ),
]  # fmt: skip
_FILE = "Write to a file: .txt, .md, .csv, .json, .tex or .html"
OutputOption = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="FILE", show_default=False, help=f"{_FILE}."),
]
PictureOutputOption = Annotated[
    Path | None,
    typer.Option(
        "--output", "-o", metavar="FILE", show_default=False,
        help=f"{_FILE}, or as a picture .svg, .png or .pdf.",
    ),
]  # fmt: skip
CaptionOption = Annotated[
    str | None,
    typer.Option("--caption", metavar="TEXT", show_default=False,
                 help="Caption of the first table in LaTeX."),
]  # fmt: skip
LabelOption = Annotated[
    str | None,
    typer.Option("--label", metavar="LABEL", show_default=False,
                 help=r"Label of the first table in LaTeX, for \ref: tab:layers."),
]  # fmt: skip


FixOption = Annotated[
    int | None,
    typer.Option(
        "--fix", metavar="[N]", min=1, show_default=False,
        help="If the model fails, write its first fix, or the N-th, into the file.",
    ),
]  # fmt: skip


def inputs_of(texts: list[str] | None) -> list[Argument]:
    """Read `--input`.

    Raises:
        UsageError: one is malformed.
    """
    return [argument for text in texts or [] for argument in parse_inputs(text)]


def one_input(texts: list[str] | None, why: str) -> Argument | None:
    """Read the `--input` of a command that takes at most one.

    Raises:
        UsageError: it is malformed, or with the message `why`, there are several.
    """
    specs = inputs_of(texts)
    if len(specs) > 1:
        raise UsageError(why)
    return specs[0] if specs else None


def lane_of(choice: LaneOrAuto) -> LaneName | None:
    """Read `--lane`: None for `auto`."""
    return None if choice == "auto" else choice


def arguments_of(texts: list[str] | None) -> dict[str, Any]:
    """Read `--arg NAME=VALUE`.

    Raises:
        UsageError: one has no `=`, or its value is no Python literal.
    """
    arguments = {}
    for text in texts or []:
        name, equals, value = text.partition("=")
        # a dot separates the keys of a nested transformers configuration
        if not equals or not all(part.isidentifier() for part in name.split(".")):
            raise UsageError(f"--arg {text!r} is not NAME=VALUE", hint="--arg num_classes=10")
        try:
            arguments[name] = ast.literal_eval(value)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as error:
            raise UsageError(
                f"--arg {name}: {value!r} is no Python literal",
                "numbers, True, None, tuples and quoted strings are",
                hint=f"--arg {name}='\"{value}\"' for a text",
            ) from error
    return arguments


def batch_size_of(text: str) -> int | Literal["auto"]:
    """Read the `--batch-size` of a command that also takes `auto`.

    Raises:
        UsageError: it is neither a whole number nor `auto`.
    """
    if text == "auto":
        return "auto"
    try:
        return int(text)
    except ValueError:
        raise UsageError(f"--batch-size {text!r} is neither a whole number nor auto") from None


def columns_of(text: str | None) -> tuple[str, ...]:
    """Read `--columns`."""
    return tuple(key.strip() for key in text.split(",") if key.strip()) if text else ()


def typed_options(context: typer.Context, but: Sequence[str]) -> list[str]:
    """The options and arguments on the command line, as the user writes them.

    `but` are the names of parameters to leave out.
    """
    typed = [
        name for name in context.params
        if getattr(context.get_parameter_source(name), "name", "") == "COMMANDLINE"
    ]  # fmt: skip
    return [
        "MODEL" if name == "models" else f"--{name.replace('_', '-')}"
        for name in typed
        if name not in but
    ]
