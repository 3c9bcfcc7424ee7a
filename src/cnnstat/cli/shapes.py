"""`cnnstat shapes MODEL`: every layer's shape and cost."""

from __future__ import annotations

from typing import Annotated

import typer

from ..render.options import Ops
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
    model: Annotated[
        str,
        model_argument(
            "A name (cnnstat list), torchvision:NAME, timm:NAME, transformers:NAME or a "
            "config.json behind it, your own (my_model.py:Net or package.module:build; the file "
            "is run), an exported graph (model.onnx, model.pt2), or a saved analysis (run.json)."
        ),
    ],
    input: InputOption = None,
    arg: ArgOption = None,
    mode: ModeOrTrainingOption = None,
    training: TrainingOption = False,
    lane: LaneOption = "auto",
    depth: Annotated[int, typer.Option("--depth", "-d", min=0, help="Levels of the tree.")] = 3,
    columns: ColumnsOption = None,
    sort: Annotated[
        str | None,
        typer.Option("--sort", "-s", metavar="COLUMN", show_default=False,
                     help="List the rows flat, by their own figures, largest first."),
    ] = None,
    top: Annotated[
        int | None,
        typer.Option("--top", "-n", min=1, metavar="N", show_default=False,
                     help="Only the first N rows; by MACs unless sorted otherwise."),
    ] = None,
    ops: Annotated[
        Ops,
        typer.Option("--ops", help="Rows of functions: all, none, or all but pure layout."),
    ] = "auto",
    object: Annotated[
        int | None,
        typer.Option("--object", min=1, metavar="PIXELS", show_default=False,
                     help="Side of what is to be recognized: is the receptive field as large?"),
    ] = None,
    strict: StrictOption = False,
    format: FormatOption = None,
    output: OutputOption = None,
) -> None:  # fmt: skip
    """Show every layer's output shape, parameters and MACs, and the totals.

    Letters in --input 1,3,H,W leave sizes open: shapes and costs are then formulas, and the legal
    sizes stand below the table, with the layers that bound them.

    A terminal too narrow for the table loses columns, never digits, in this order: shares of MACs
    and of parameters, activation, other-ops, stride, padding, kernel, role, receptive-field,
    input, type, output, backward MACs, MACs.
    """
    from ..errors import ShapeError
    from .checks import require_exact
    from .emit import destination, emit, emit_diagnosis
    from .running import analysis_of, formulas_of, has_letters, options_of, with_sight

    to = destination(format, output)
    shown = options_of(depth, columns_of(columns), sort, top, ops)
    if has_letters(input):
        formulas = formulas_of(model, input, arguments_of(arg), mode, lane, training)
        emit(formulas, to, shown)
        if strict:
            require_exact(formulas.example)
        return
    try:
        analysis = analysis_of(model, input, arguments_of(arg), mode, lane, training)
    except ShapeError as error:
        if error.diagnosis is not None:
            emit_diagnosis(error.diagnosis, to, shown)
        raise
    emit(analysis if object is None else with_sight(analysis, object), to, shown)
    if strict:
        require_exact(analysis)
