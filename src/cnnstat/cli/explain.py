"""`cnnstat explain MODEL LAYER`: the arithmetic of one layer, with its numbers."""

from __future__ import annotations

from typing import Annotated

import typer

from ..models.model_sources import specs_in_help
from .completion import complete_layer
from .shared_options import (  # fmt: skip
    ArgOption,
    CaptionOption,
    FixOption,
    FormatOption,
    InputOption,
    LabelOption,
    LaneOption,
    ModeOption,
    OutputOption,
    arguments_of,
    inputs_of,
    lane_of,
    model_argument,
)


def command(
    model: Annotated[
        str,
        model_argument(
            f"Whatever cnnstat shapes takes: a name (cnnstat list), {specs_in_help('explain')}, "
            "your own (my_model.py:Net), an exported graph, or a saved analysis (run.json)."
        ),
    ],
    layer: Annotated[
        str,
        typer.Argument(
            metavar="LAYER", show_default=False, autocompletion=complete_layer,
            help="Its path as cnnstat shapes shows it, or the end of it if no other ends so: "
            "features.0. LAYER#2 is its second call.",
        ),
    ],
    input: InputOption = None,
    arg: ArgOption = None,
    mode: ModeOption = "eval",
    lane: LaneOption = "auto",
    fix: FixOption = None,
    format: FormatOption = None,
    output: OutputOption = None,
    caption: CaptionOption = None,
    label: LabelOption = None,
) -> None:  # fmt: skip
    """Explain one layer: its output size, parameters, MACs, memory and receptive field.

    Each figure stands with its formula, the formula with the layer's numbers, and where it is
    written. The receptive field is followed from the input on.
    """
    from ..api import explain
    from .emit import destination, emit, result_of

    to = destination(format, output, caption, label, pictures=False)
    specs, arguments = inputs_of(input), arguments_of(arg)
    explanation = result_of(
        lambda: explain(model, layer, *specs, mode=mode, lane=lane_of(lane), arguments=arguments),
        to, fix=fix,
    )  # fmt: skip
    emit(explanation, to)
