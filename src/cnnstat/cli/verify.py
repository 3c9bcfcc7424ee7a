"""`cnnstat verify MODEL`: a cross-check with other counters, and the reasons of differences."""

from __future__ import annotations

from typing import Annotated

from .shared_options import (  # fmt: skip
    ArgOption,
    CaptionOption,
    FixOption,
    FormatOption,
    InputOption,
    LabelOption,
    ModeOption,
    OutputOption,
    arguments_of,
    inputs_of,
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
    fix: FixOption = None,
    format: FormatOption = None,
    output: OutputOption = None,
    caption: CaptionOption = None,
    label: LabelOption = None,
) -> None:  # fmt: skip
    """Count the model with fvcore, torchinfo and torch's FlopCounterMode too.

    thop, ptflops, calflops and torchprofile are asked where they are installed. Every difference
    is explained from the shapes of the operators, or named as unexplained: the exit status is
    then 3.
    """
    from ..api import verify
    from .emit import destination, emit, result_of

    to = destination(format, output, caption, label, pictures=False)
    specs, arguments = inputs_of(input), arguments_of(arg)
    verification = result_of(
        lambda: verify(model, *specs, arguments=arguments, mode=mode), to, fix=fix, quick=False
    )
    emit(verification, to)
    from ..verification.cross_check import require_agreement

    require_agreement(verification)
