"""`cnnstat devices`: peak throughput of devices, from datasheets or measured on this machine."""

from __future__ import annotations

from typing import Annotated

import typer

from ..choices import DeviceKind
from .shared_options import (  # fmt: skip
    CaptionOption,
    FormatOption,
    LabelOption,
    OutputOption,
)
from .terminal import echo_note


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
    caption: CaptionOption = None,
    label: LabelOption = None,
) -> None:  # fmt: skip
    """List the peaks of devices, with the document of each figure, or measure this machine's.

    `cnnstat devices --measure --output here.json` keeps them for
    `cnnstat roofline MODEL --device here.json`.
    """
    from ..api import list_devices, measure_device
    from ..errors import UsageError
    from ..rooflines.results import Devices
    from .emit import destination, emit

    to = destination(format, output, caption, label, pictures=False)
    if measure:
        echo_note("measuring, about 15 seconds: best with nothing else at work here")
    elif on is not None:
        raise UsageError("--on says what to measure", hint="add --measure")
    devices = Devices(devices=(measure_device(on),)) if measure else list_devices()
    emit(devices, to, paged=not measure)
