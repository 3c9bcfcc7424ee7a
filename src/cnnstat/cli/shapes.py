"""`cnnstat shapes MODEL`: shape and cost of every layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ..choices import LaneOrAuto
from ..errors import InputMissing, UsageError
from ..inputs import is_symbolic
from ..models.model_sources import specs_in_help
from ..render.options import Ops
from .completion import complete_sort
from .shared_options import (  # fmt: skip
    ArgOption,
    CaptionOption,
    ColumnsOption,
    DepthOption,
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
    inputs_of,
    lane_of,
    model_argument,
)

if TYPE_CHECKING:
    from ..analysis.results import Analysis
    from ..symbolic.results import Formulas


def command(
    model: Annotated[
        str,
        model_argument(
            f"A name (cnnstat list), {specs_in_help('shapes')}, your own (my_model.py:Net or "
            "package.module:build; the file is run), an exported graph (model.onnx, model.pt2), "
            "or a saved analysis (run.json)."
        ),
    ],
    input: InputOption = None,
    arg: ArgOption = None,
    mode: ModeOrTrainingOption = None,
    training: TrainingOption = False,
    lane: LaneOption = "auto",
    depth: DepthOption = None,
    columns: ColumnsOption = None,
    sort: Annotated[
        str | None,
        typer.Option("--sort", "-s", metavar="COLUMN", show_default=False,
                     autocompletion=complete_sort,
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
    totals: Annotated[
        bool, typer.Option("--totals", help="Only the totals: in CSV one row for the model.")
    ] = False,
    object: Annotated[
        int | None,
        typer.Option("--object", min=1, metavar="PIXELS", show_default=False,
                     help="Side of what is to be recognized: is the receptive field as large?"),
    ] = None,
    units: UnitsOption = "auto",
    strict: StrictOption = False,
    fix: FixOption = None,
    format: PictureFormatOption = None,
    output: PictureOutputOption = None,
    caption: CaptionOption = None,
    label: LabelOption = None,
) -> None:  # fmt: skip
    """Show every layer's output shape, parameters and MACs, and the totals.

    Letters in --input 1,3,H,W leave sizes open: shapes and costs are then formulas, and the legal
    sizes stand below the table, with the layers that bound them.

    A terminal too narrow for the table loses columns, never digits, in this order: shares of MACs
    and of parameters, activation, other-ops, stride, padding, kernel, role, receptive-field,
    input, type, output, backward MACs, MACs.
    """
    from ..analysis.layer_table import check_options
    from ..analysis.receptive_field import with_object_size
    from ..analysis.totals import require_exact
    from ..api import analyze, formulas, parameters
    from ..models.layer_names import cache_layers
    from ..render.options import Options
    from .emit import destination, emit, result_of

    to = destination(format, output, caption, label)
    shown = Options(depth, columns_of(columns), sort, top, ops, totals, units=units)
    check_options(shown)
    specs, arguments = inputs_of(input), arguments_of(arg)
    result: Analysis | Formulas
    if any(is_symbolic(spec) for spec in specs):
        _check_symbolic(training, lane)
        result = result_of(
            lambda: formulas(model, *specs, arguments=arguments, mode=mode or "eval"), to, shown,
            fix=fix, quick=False,
        )  # fmt: skip
        analysis = result.example
    else:
        _check_saved(model, bool(specs or arguments or mode or training or lane != "auto"))
        try:
            analysis = result_of(
                lambda: analyze(
                    model, *specs, arguments=arguments, mode=mode, lane=lane_of(lane),
                    training=training,
                ),
                to, shown, fix=fix,
            )  # fmt: skip
        except InputMissing:
            if strict or training or object is not None:
                raise
            emit(result_of(lambda: parameters(model, arguments=arguments), to, shown), to, shown)
            return
        result = analysis if object is None else with_object_size(analysis, object)
    emit(result, to, shown)
    cache_layers(model, (layer.path for layer in analysis.layers))
    if strict:
        require_exact(analysis)


def _check_symbolic(training: bool, lane: LaneOrAuto) -> None:
    """Raise UsageError for options that symbolic dimensions exclude."""
    if training or lane != "auto":
        option = "--training" if training else "--lane"
        raise UsageError(f"sizes that are letters take no {option}", hint="--input with numbers")


def _check_saved(model: str, has_options: bool) -> None:
    """Raise UsageError for options of a run with a saved analysis."""
    from ..models.saved import is_saved

    if has_options and is_saved(model):
        raise UsageError(
            f"{model} is a saved analysis: it takes no --input, --arg, --mode, --training or --lane"
        )
