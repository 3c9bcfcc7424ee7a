"""`cnnstat list [SOURCE:]`: the names of models."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from ..models.model_sources import prefixes_in_help
from .completion import complete_source
from .model_code import running_models
from .shared_options import FormatOption, OutputOption
from .terminal import echo, is_terminal


def command(
    source: Annotated[
        str,
        typer.Argument(
            metavar="[SOURCE:]", autocompletion=complete_source, show_default=False,
            help=f"{prefixes_in_help()}, whose package is then imported. "
            "[default: the built-in networks and your own]",
        ),
    ] = "",
    filter: Annotated[
        str | None,
        typer.Option("--filter", metavar="PATTERN", show_default=False,
                     help="Only names that match, as in a shell: 'resnet*'. Case is ignored."),
    ] = None,
    format: FormatOption = None,
    output: OutputOption = None,
) -> None:  # fmt: skip
    """List the models that can be named: name, default input, parameters, source.

    Your own are those of [tool.cnnstat.models] in pyproject.toml, and those that the modules of
    [tool.cnnstat] import register; such modules are run. The exit status is 1 if no name matches.
    """
    from ..api import list_models
    from .emit import destination, emit

    to = destination(format, output)
    with running_models():
        listing = list_models(source, filter)
    emit(listing, to)
    if not source and to.file is None and is_terminal(sys.stdout):
        echo(f"\nmore: cnnstat list {prefixes_in_help()}")
