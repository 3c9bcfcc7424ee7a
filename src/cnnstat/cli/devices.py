"""`cnnstat devices`: the peaks of devices, stated by their vendors or measured here."""

from __future__ import annotations

from typing import Annotated

import typer

from ..choices import DeviceKind
from .options import FormatOption, OutputOption


def command(
    measure: Annotated[
        bool,
        typer.Option("--measure", help="Measure this machine instead: about 15 seconds."),
    ] = False,
    on: Annotated[
        DeviceKind | None,
        typer.Option("--on", show_default=False,
                     help="What of it to measure. [default: cuda where there is one]"),
    ] = None,
    format: FormatOption = None,
    output: OutputOption = None,
) -> None:  # fmt: skip
    """List the peaks of devices, with the document of each figure, or measure this machine's.

    `cnnstat devices --measure --output here.json` keeps them for
    `cnnstat roofline MODEL --device here.json`.
    """
    from .emit import destination, emit
    from .running import devices_of

    to = destination(format, output)
    if measure:
        typer.echo("measuring, about 15 seconds: best with nothing else at work here", err=True)
    emit(devices_of(measure, on), to)
