"""`cnnstat lint MODEL`: mistakes in networks that run."""

from __future__ import annotations

from typing import Annotated

from ..models.model_sources import specs_in_help
from .shared_options import (  # fmt: skip
    ArgOption,
    FormatOption,
    InputOption,
    OutputOption,
    arguments_of,
    inputs_of,
    model_argument,
)


def command(
    model: Annotated[
        str,
        model_argument(
            f"A name (cnnstat list), {specs_in_help('lint')}, or your own (my_model.py:Net; the "
            "file is run)."
        ),
    ],
    input: InputOption = None,
    arg: ArgOption = None,
    format: FormatOption = None,
    output: OutputOption = None,
) -> None:
    """Find mistakes in a network that runs: untrained parameters, mixed batches, lost gradients."""
    from ..api import lint
    from ..errors import CheckError
    from .emit import destination, emit, result_of

    to = destination(format, output)
    specs, arguments = inputs_of(input), arguments_of(arg)
    result = result_of(lambda: lint(model, *specs, arguments=arguments))
    emit(result, to)
    failures = [finding for finding in result.findings if finding.severity != "hint"]
    if failures:
        raise CheckError(f"{len(failures)} findings are errors or warnings")
