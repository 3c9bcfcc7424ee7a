"""`cnnstat compare MODEL MODEL …`: differences of networks, and their reasons."""

from __future__ import annotations

from typing import Annotated

import typer

from ..errors import UsageError
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
    arguments_of,
    columns_of,
    lane_of,
    model_argument,
    one_input,
)


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
                     help="Levels of the layer tables. [default: 1]"),
    ] = None,
    columns: ColumnsOption = None,
    strict: StrictOption = False,
    fix: FixOption = None,
    format: PictureFormatOption = None,
    output: PictureOutputOption = None,
    caption: CaptionOption = None,
    label: LabelOption = None,
) -> None:  # fmt: skip
    """Compare networks on one input: the given one, else the default of the first.

    Shows totals and ratios, parameters and MACs by role and by spatial resolution, and what fully
    connected layers cost beside a head of 1x1 convolution and global average pooling.
    """
    from ..analysis.layer_table import check_options
    from ..analysis.totals import require_exact
    from ..api import compare
    from ..render.options import Options
    from .emit import destination, emit, result_of

    to = destination(format, output, caption, label)
    shown = Options(depth, columns_of(columns))
    check_options(shown)
    spec = one_input(input, "compare runs all models on one --input")
    if spec is not None and is_symbolic(spec):
        raise UsageError(
            f"compare takes sizes that are numbers, not --input {spec}",
            hint=f"cnnstat scale {' '.join(models)} --over H,W",
        )
    arguments = arguments_of(arg)
    comparison = result_of(
        lambda: compare(
            *models, input=spec, arguments=arguments, mode=mode, lane=lane_of(lane),
            training=training,
        ),
        to, Options(columns=columns_of(columns)), fix=fix,
    )  # fmt: skip
    emit(comparison, to, shown)
    if strict:
        require_exact(*comparison.analyses)
