"""`cnnstat compare MODEL MODEL …`: how networks differ, and why."""

from __future__ import annotations

from typing import Annotated

import typer

from .options import (  # fmt: skip
    ArgOption,
    ColumnsOption,
    FormatOption,
    InputOption,
    LaneOption,
    ModeOrTrainingOption,
    OutputOption,
    StrictOption,
    TrainingOption,
    arguments_of,
    columns_of,
    model_argument,
)


def command(
    models: Annotated[
        list[str],
        model_argument(
            "Two or more: names (cnnstat list), torchvision:NAME, timm:NAME, "
            "transformers:NAME, your own (my_model.py:Net), exported graphs (model.onnx, "
            "model.pt2), or saved analyses (run.json).",
            "MODEL...",
        ),
    ],
    input: InputOption = None,
    arg: ArgOption = None,
    mode: ModeOrTrainingOption = None,
    training: TrainingOption = False,
    lane: LaneOption = "auto",
    depth: Annotated[
        int, typer.Option("--depth", "-d", min=0, help="Levels of the layer tables.")
    ] = 1,
    columns: ColumnsOption = None,
    strict: StrictOption = False,
    format: FormatOption = None,
    output: OutputOption = None,
) -> None:  # fmt: skip
    """Compare networks on one input: the given one, else the default of the first.

    Shows totals and ratios, parameters and MACs by role and by spatial resolution, and what fully
    connected layers cost beside a head of 1x1 convolution and global average pooling.
    """
    from .checks import require_exact
    from .emit import destination, emit
    from .running import comparison_of, options_of

    to = destination(format, output)
    shown = options_of(depth, columns_of(columns))
    comparison = comparison_of(models, input, arguments_of(arg), mode, lane, training)
    emit(comparison, to, shown)
    if strict:
        require_exact(*comparison.analyses)
