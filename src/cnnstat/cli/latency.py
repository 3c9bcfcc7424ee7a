"""`cnnstat latency MODEL …`: time the inference of models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from ..choices import TrainingDevice, precisions_of
from ..errors import UsageError
from ..models.model_sources import specs_in_help
from .shared_options import (  # fmt: skip
    ArgOption,
    CaptionOption,
    InputOption,
    LabelOption,
    PictureFormatOption,
    PictureOutputOption,
    arguments_of,
    inputs_of,
    model_argument,
)


def command(
    models: Annotated[
        list[str],
        model_argument(
            f"Names (cnnstat list), {specs_in_help('bench')}, or your own (my_model.py:Net).",
            "MODEL...",
        ),
    ],
    batch_size: Annotated[
        str | None,
        typer.Option("--batch-size", "-b", metavar="N,…", show_default=False,
                     help="One or several: 1,8,64. [default: that of the input]"),
    ] = None,
    precision: Annotated[
        str,
        typer.Option("--precision", metavar="NAME,…",
                     help=f"One or several of {', '.join(precisions_of('latency'))}: bf16 and fp16 "
                     "are autocast, -true is all of the model; tf32 and fp16 need a GPU."),
    ] = "fp32",
    threads: Annotated[
        str | None,
        typer.Option("--threads", metavar="N,…", show_default=False,
                     help="Of the CPU's operators, one or several. [default: torch's]"),
    ] = None,
    device: Annotated[TrainingDevice, typer.Option("--device")] = "auto",
    compile: Annotated[bool, typer.Option("--compile", help="Use torch.compile.")] = False,
    channels_last: Annotated[bool, typer.Option("--channels-last")] = False,
    layers: Annotated[bool, typer.Option("--layers", help="Time each layer too.")] = False,
    seconds: Annotated[
        float,
        typer.Option("--seconds", metavar="S",
                     help="The most that a row may take; it is done earlier when its median is "
                     "known to ±1 %."),
    ] = 10.0,
    device_peaks: Annotated[
        str | None,
        typer.Option("--device-peaks", metavar="PEAKS", show_default=False,
                     help="For the roofline's bound: a name of cnnstat devices, a file of cnnstat "
                     "devices --measure, or fp32=1.2T,bandwidth=40G. [default: those of the GPU, "
                     "if it is known]"),
    ] = None,
    input: InputOption = None,
    arg: ArgOption = None,
    format: PictureFormatOption = None,
    output: PictureOutputOption = None,
    caption: CaptionOption = None,
    label: LabelOption = None,
) -> None:  # fmt: skip
    """Time inference for real: the latency of a run, and the throughput, over a grid of settings.

    Weights and inputs are random. Each row is warmed up until its time is steady, then runs until
    its median is known to ±1 %. Rows of one batch size are measured in turns, so that their ratios
    are fair; a difference that may be chance is called noise.
    """
    from ..api import latency
    from .emit import destination, emit
    from .progress import watched

    to = destination(format, output, caption, label)
    sizes = _numbers("--batch-size", batch_size)
    counts = _numbers("--threads", threads)
    inputs, arguments = inputs_of(input), arguments_of(arg)
    result = watched(
        lambda watch: latency(
            *models, inputs=inputs, arguments=arguments, batch_size=sizes,
            precision=_names(precision), threads=counts, device=device, compile=compile,
            channels_last=channels_last, layers=layers, seconds=seconds,
            device_peaks=device_peaks, watch=watch,
        )
    )  # fmt: skip
    emit(result, to, paged=False)


def _names(text: str) -> Sequence[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _numbers(option: str, text: str | None) -> Sequence[int]:
    """Whole numbers separated by commas.

    Raises:
        UsageError: one is no whole number.
    """
    try:
        return [int(part) for part in text.split(",")] if text else []
    except ValueError:
        raise UsageError(f"{option} {text!r} is no list of whole numbers",
                         hint=f"{option} 1,8") from None  # fmt: skip
