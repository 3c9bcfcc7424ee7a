"""`cnnstat ranking MODEL`: the layers with the largest figures."""

from __future__ import annotations

from typing import Annotated

import typer

from ..choices import RankedBy
from .shared_options import FormatOption, InputOption, OutputOption, inputs_of, model_argument


def command(
    model: Annotated[str, model_argument("A name (cnnstat list).")],
    by: Annotated[RankedBy, typer.Option("--by", help="The figure that is compared.")] = "params",
    top: Annotated[int | None, typer.Option("--top", min=1, metavar="N")] = None,
    input: InputOption = None,
    format: FormatOption = None,
    output: OutputOption = None,
) -> None:
    """List the layers with the largest figures."""
    from ..api import ranking
    from ..render.options import Options
    from .emit import destination, emit, result_of

    to = destination(format, output)
    specs = inputs_of(input)
    emit(result_of(lambda: ranking(model, *specs, by=by)), to, Options(top=top))
