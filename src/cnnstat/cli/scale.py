"""`cnnstat scale MODEL …`: growth of costs with a size of the input or an argument."""

from __future__ import annotations

from typing import Annotated

import typer

from ..models.model_sources import specs_in_help
from .shared_options import (  # fmt: skip
    ArgOption,
    CaptionOption,
    FixOption,
    InputOption,
    LabelOption,
    ModeOption,
    PictureFormatOption,
    PictureOutputOption,
    UnitsOption,
    arguments_of,
    model_argument,
    one_input,
)


def command(
    models: Annotated[
        list[str],
        model_argument(
            f"Names (cnnstat list), {specs_in_help('scale')}, or your own (my_model.py:Net).",
            "MODEL...",
        ),
    ],
    over: Annotated[
        str | None,
        typer.Option(
            "--over", metavar="NAMES[=VALUES]", show_default=False,
            help="What is varied: dimensions of the input, N, C, H, W (T for tokens) or the "
            "letters of --input, or one argument of the model. Values are 64:512:32, 1:64:*2 "
            "(doubled) or 10,100,1000. [default: H,W at a half to four times the model's size, or "
            "the nearest sizes at which it runs]",
        ),
    ] = None,
    fit: Annotated[
        bool,
        typer.Option("--fit", help="Where a size does not fit, make the first linear layer of a "
                     "classifier as wide as the input needs, or create the model for the size "
                     "(img_size of a vision transformer)."),
    ] = False,
    input: InputOption = None,
    arg: ArgOption = None,
    mode: ModeOption = "eval",
    units: UnitsOption = "auto",
    fix: FixOption = None,
    format: PictureFormatOption = None,
    output: PictureOutputOption = None,
    caption: CaptionOption = None,
    label: LabelOption = None,
) -> None:  # fmt: skip
    """Show parameters, MACs and memory over sizes or arguments: as formulas and as a table.

    A value at which a model does not run is a row with the reason. The growth is the factor for
    each doubling, between the first value that runs and the last.
    """
    from ..api import scale
    from ..render.options import Options
    from .emit import destination, emit, result_of

    to = destination(format, output, caption, label)
    spec = one_input(input, "scale varies the size of one --input")
    arguments = arguments_of(arg)
    scaling = result_of(
        lambda: scale(*models, over=over, input=spec, arguments=arguments, mode=mode, fit=fit),
        to, fix=fix, quick=False,
    )  # fmt: skip
    emit(scaling, to, Options(units=units))
