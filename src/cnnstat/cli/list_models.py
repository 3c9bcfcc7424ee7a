"""`cnnstat list [SOURCE:] [WORD...]`: the names of models."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from ..models.model_sources import SOURCES, prefixes_in_help
from .completion import complete_source
from .model_code import running_models
from .shared_options import (  # fmt: skip
    CaptionOption,
    FormatOption,
    LabelOption,
    OutputOption,
)
from .terminal import echo, is_terminal


def command(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[SOURCE:] [WORD]...", autocompletion=complete_source, show_default=False,
            help=f"{prefixes_in_help()}, and parts that the names have, or patterns: "
            "vit, 'resnet*'. [default: the built-in networks and your own]",
        ),
    ] = None,
    filter: Annotated[
        str | None,
        typer.Option("--filter", metavar="PATTERN", show_default=False,
                     help="Only names that match, as in a shell: 'resnet*'. Case is ignored."),
    ] = None,
    format: FormatOption = None,
    output: OutputOption = None,
    caption: CaptionOption = None,
    label: LabelOption = None,
) -> None:  # fmt: skip
    """List the models that can be named: name, default input, parameters, source.

    With words, the models of all sources are searched, of packages that are not installed too.

    Your own are those of [tool.cnnstat.models] in pyproject.toml, and those that the modules of
    [tool.cnnstat] import register; such modules are run. The exit status is 2 if no name matches.
    """
    from ..api import list_models
    from .emit import destination, emit

    to = destination(format, output, caption, label, pictures=False)
    source, parts = _source_and_words(words or [])
    with running_models():
        listing = list_models(source, filter, search=" ".join(parts))
    emit(listing, to)
    if not words and to.file is None and is_terminal(sys.stdout):
        echo(f"\nmore: cnnstat list {prefixes_in_help()}, cnnstat list WORD")


def _source_and_words(words: list[str]) -> tuple[str, list[str]]:
    """`timm resnet`, `timm: resnet` and `timm:resnet` as the source timm and the word resnet."""
    if not words:
        return "", []
    source, colon, name = words[0].partition(":")
    if colon or source in SOURCES:
        return f"{source}{colon}", [*([name] if name else []), *words[1:]]
    return "", words
