"""`cnnstat verify MODEL`: the same model by other counters, and why they differ."""

from __future__ import annotations

from typing import Annotated

from .options import (  # fmt: skip
    ArgOption,
    FormatOption,
    InputOption,
    ModeOption,
    OutputOption,
    arguments_of,
    model_argument,
)


def command(
    model: Annotated[
        str,
        model_argument(
            "A name (cnnstat list) or your own model (my_model.py:Net)."
        ),
    ],
    input: InputOption = None,
    arg: ArgOption = None,
    mode: ModeOption = "eval",
    format: FormatOption = None,
    output: OutputOption = None,
) -> None:  # fmt: skip
    """Count the model with fvcore, torchinfo and torch's FlopCounterMode too.

    thop, ptflops, calflops and torchprofile are asked where they are installed. Every difference
    is explained from the shapes of the operators, or named as unexplained: the exit status is
    then 3.
    """
    from .checks import require_agreement
    from .emit import destination, emit
    from .running import verification_of

    to = destination(format, output)
    verification = verification_of(model, input, arguments_of(arg), mode)
    emit(verification, to)
    require_agreement(verification)
