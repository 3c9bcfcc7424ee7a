"""`cnnstat list`: the models that can be named. Imports no torch."""

from __future__ import annotations

from ..zoo.catalog import CATALOG
from .options import FormatOption, OutputOption


def command(format: FormatOption = None, output: OutputOption = None) -> None:
    """List the built-in networks: name, source, default input, parameters."""
    from ..analysis.records import Listed, Listing
    from .emit import destination, emit

    to = destination(format, output)
    models = tuple(
        Listed(entry.name, entry.source, entry.input, entry.params, entry.summary)
        for entry in CATALOG.values()
    )
    emit(Listing(models=models), to)
