"""`cnnstat compare MODEL MODEL …`: differences of networks, and their reasons."""

from __future__ import annotations

from typing import Annotated

import typer

from ..errors import ModelError, UsageError
from ..inputs import is_symbolic
from ..models.model_sources import specs_in_help
from .shared_options import (  # fmt: skip
    ArgOption,
    CaptionOption,
    ColumnsOption,
    FixOption,
    InputOption,
    LabelOption,
    LaneOption,
    ModeOrTrainingOption,
    PictureFormatOption,
    PictureOutputOption,
    StrictOption,
    TrainingOption,
    UnitsOption,
    arguments_of,
    columns_of,
    lane_of,
    model_argument,
    one_input,
)
from .terminal import echo_error


def command(
    models: Annotated[
        list[str],
        model_argument(
            f"Two or more: names (cnnstat list), {specs_in_help('compare')}, your own "
            "(my_model.py:Net), exported graphs (model.onnx, model.pt2), or saved analyses "
            "(run.json).",
            "MODEL...",
        ),
    ],
    input: InputOption = None,
    arg: ArgOption = None,
    mode: ModeOrTrainingOption = None,
    training: TrainingOption = False,
    lane: LaneOption = "auto",
    depth: Annotated[
        int | None,
        typer.Option("--depth", "-d", min=0, show_default=False,
                     help="Also the layers of each model, with so many levels. [default: none]"),
    ] = None,
    columns: ColumnsOption = None,
    units: UnitsOption = "auto",
    strict: StrictOption = False,
    fix: FixOption = None,
    format: PictureFormatOption = None,
    output: PictureOutputOption = None,
    caption: CaptionOption = None,
    label: LabelOption = None,
) -> None:  # fmt: skip
    """Compare networks on one input: the given one, else the default of the first.

    Two or three are shown by role and by spatial resolution too, with what fully connected layers
    cost beside a head of 1x1 convolution and global average pooling. From four on each has one row;
    those that do not run are named, and the exit status is then 1.
    """
    from ..analysis.layer_table import check_options
    from ..analysis.totals import require_exact
    from ..api import compare
    from ..render.options import Options
    from .emit import destination, emit, result_of

    to = destination(format, output, caption, label)
    shown = Options(depth, columns_of(columns), units=units)
    check_options(shown)
    spec = one_input(input, "compare runs all models on one --input")
    if spec is not None and is_symbolic(spec):
        raise UsageError(
            f"compare takes sizes that are numbers, not --input {spec}",
            hint=f"cnnstat scale {' '.join(models)} --over H,W",
        )
    arguments = arguments_of(arg)
    failures: list[ModelError] | None = [] if len(models) > 3 else None
    comparison = result_of(
        lambda: compare(
            *models, input=spec, arguments=arguments, mode=mode, lane=lane_of(lane),
            training=training, failures=failures,
        ),
        to, Options(columns=columns_of(columns)), fix=fix,
    )  # fmt: skip
    emit(comparison, to, shown)
    if failures:
        for error in failures:
            echo_error(error)
        raise typer.Exit(ModelError.exit_status)
    if strict:
        require_exact(*comparison.analyses)
