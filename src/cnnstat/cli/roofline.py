"""`cnnstat roofline MODEL --device NAME`: lower bound on the step time, and its bottleneck."""

from __future__ import annotations

from typing import Annotated

import typer

from ..choices import OptimizerName, RooflinePrecision
from ..models.model_sources import specs_in_help
from ..render.options import Ops
from .completion import complete_roofline_device, complete_roofline_sort
from .shared_options import (  # fmt: skip
    ArgOption,
    CaptionOption,
    DepthOption,
    FixOption,
    InputOption,
    LabelOption,
    LaneOption,
    ModeOrTrainingOption,
    PictureFormatOption,
    PictureOutputOption,
    StrictOption,
    arguments_of,
    inputs_of,
    lane_of,
    model_argument,
)


def command(
    model: Annotated[
        str,
        model_argument(
            f"A name (cnnstat list), {specs_in_help('roofline')}, or your own (my_model.py:Net "
            "or package.module:build; the file is run)."
        ),
    ],
    device: Annotated[
        str | None,
        typer.Option("--device", "-D", metavar="auto|NAME", show_default=False,
                     autocompletion=complete_roofline_device,
                     help="A name of cnnstat devices, a FILE.json that was measured, or auto, the "
                     "GPU of this machine."),
    ] = None,
    device_peaks: Annotated[
        str | None,
        typer.Option("--device-peaks", metavar="LIST", show_default=False,
                     help="Peaks of your own, in FLOP/s and bytes/s: fp32=1.2T,bandwidth=40G."),
    ] = None,
    precision: Annotated[
        RooflinePrecision,
        typer.Option("--precision", help="Of the arithmetic and of the tensors in memory."),
    ] = "fp32",
    batch_size: Annotated[
        int | None,
        typer.Option("--batch-size", "-b", min=1, metavar="N", show_default=False,
                     help="In the place of the first size of every input."),
    ] = None,
    training: Annotated[
        bool, typer.Option("--training", help="A step with backward pass and update.")
    ] = False,
    optimizer: Annotated[
        OptimizerName | None,
        typer.Option("--optimizer", show_default=False,
                     help="Of the update. [default: sgd with --training]"),
    ] = None,
    input: InputOption = None,
    arg: ArgOption = None,
    mode: ModeOrTrainingOption = None,
    lane: LaneOption = "auto",
    depth: DepthOption = None,
    sort: Annotated[
        str | None,
        typer.Option("--sort", "-s", metavar="KEY", show_default=False,
                     autocompletion=complete_roofline_sort,
                     help="List the rows flat, by their own time, macs, bytes or intensity, "
                     "largest first."),
    ] = None,
    top: Annotated[
        int | None,
        typer.Option("--top", "-n", min=1, metavar="N", show_default=False,
                     help="Only the first N rows; by time unless sorted otherwise."),
    ] = None,
    ops: Annotated[
        Ops,
        typer.Option("--ops", help="Rows of functions: all, none, or all that take time."),
    ] = "auto",
    strict: StrictOption = False,
    fix: FixOption = None,
    format: PictureFormatOption = None,
    output: PictureOutputOption = None,
    caption: CaptionOption = None,
    label: LabelOption = None,
) -> None:  # fmt: skip
    """Show what a step of MODEL takes at least on a device, layer by layer, and what limits it.

    An operator takes as long as its arithmetic at the device's peak or its bytes at the memory's
    bandwidth, whichever is longer. --output FILE.svg draws the layers under the device's roof.
    """
    from ..api import roofline
    from ..render.options import Options
    from ..rooflines.view import check_sort
    from .emit import destination, emit, result_of

    to = destination(format, output, caption, label)
    check_sort(sort)
    specs, arguments = inputs_of(input), arguments_of(arg)
    step = result_of(
        lambda: roofline(
            model, *specs, arguments=arguments, mode=mode, lane=lane_of(lane), device=device,
            device_peaks=device_peaks, precision=precision, batch_size=batch_size,
            training=training, optimizer=optimizer,
        ),
        to, fix=fix,
    )  # fmt: skip
    emit(step, to, Options(depth, (), sort, top, ops))
    if strict:
        from ..rooflines.bounds import require_counted

        require_counted(step)
