"""`cnnstat memory MODEL`: predicted memory of a training or inference step."""

from __future__ import annotations

from typing import Annotated

import typer

from ..choices import MemoryPrecision, Mode, OptimizerName
from ..models.model_sources import specs_in_help
from .completion import complete_memory_device
from .shared_options import (  # fmt: skip
    ArgOption,
    CaptionOption,
    FixOption,
    InputOption,
    LabelOption,
    PictureFormatOption,
    PictureOutputOption,
    arguments_of,
    inputs_of,
    model_argument,
)


def command(
    model: Annotated[
        str,
        model_argument(
            f"A name (cnnstat list), {specs_in_help('memory')}, or your own (my_model.py:Net)."
        ),
    ],
    batch_size: Annotated[
        int | None,
        typer.Option("--batch-size", "-b", metavar="N", show_default=False, min=1,
                     help="Examples in a batch. [default: those of the input]"),
    ] = None,
    optimizer: Annotated[
        OptimizerName,
        typer.Option("--optimizer", help="torch's optimizer, with its defaults."),
    ] = "sgd",
    inference: Annotated[
        bool, typer.Option("--inference", help="The forward pass alone, without gradients.")
    ] = False,
    precision: Annotated[
        MemoryPrecision,
        typer.Option("--precision", help="The dtype of parameters, inputs and all that follows "
                     "(true), or of what torch.autocast casts (mixed); with --fsdp of what is "
                     "gathered."),
    ] = "fp32",
    device: Annotated[
        str,
        typer.Option("--device", metavar="auto|cuda|cpu|NAME",
                     autocompletion=complete_memory_device,
                     help="The kind of device: its forms of attention, dropout and optimizer, and "
                     "of CUDA the rounding to blocks. Or a name of cnnstat devices, rtx-4090, "
                     "whose memory is the --device-memory; auto is the GPU of this machine, the "
                     "CPU where there is none."),
    ] = "cuda",
    device_memory: Annotated[
        str | None,
        typer.Option("--device-memory", metavar="SIZE", show_default=False,
                     help="Find the largest batch that fits into this: 24GiB."),
    ] = None,
    checkpoint: Annotated[
        list[str] | None,
        typer.Option("--checkpoint", metavar="PATTERN", show_default=False,
                     help="Modules whose activations are recomputed in the backward pass: "
                     "'features.*'. Repeatable."),
    ] = None,
    accumulate: Annotated[
        int,
        typer.Option("--accumulate", metavar="N", min=1,
                     help="Batches whose gradients a step adds up: the last of them is followed."),
    ] = 1,
    ddp: Annotated[
        bool,
        typer.Option("--ddp", help="One rank of DistributedDataParallel: its buckets hold a second "
                     "copy of the gradients."),
    ] = False,
    fsdp: Annotated[
        int | None,
        typer.Option("--fsdp", metavar="RANKS", show_default=False, min=2,
                     help="One of so many ranks of FSDP (fully_shard), which share out parameters, "
                     "gradients and optimizer state."),
    ] = None,
    fsdp_unit: Annotated[
        list[str] | None,
        typer.Option("--fsdp-unit", metavar="PATTERN", show_default=False,
                     help="Modules whose parameters FSDP gathers together: 'layers.*'. Repeatable. "
                     "[default: the blocks that stand in lists]"),
    ] = None,
    top: Annotated[
        int | None,
        typer.Option("--top", metavar="N", min=1, show_default=False,
                     help="How many layers are listed; in CSV these instead of the step. "
                     "[default: 5]"),
    ] = None,
    input: InputOption = None,
    arg: ArgOption = None,
    mode: Annotated[
        Mode | None,
        typer.Option("--mode", show_default=False,
                     help="What the modules are set to. [default: train; eval with --inference]"),
    ] = None,
    fix: FixOption = None,
    format: PictureFormatOption = None,
    output: PictureOutputOption = None,
    caption: CaptionOption = None,
    label: LabelOption = None,
) -> None:  # fmt: skip
    """Tell what training or inference will hold on a device, without training and without a GPU.

    Forward pass, loss, backward pass and optimizer run once on tensors without data, and every
    piece of memory is followed from the operator that makes it until it is freed. The largest batch
    that fits is a figure: the exit status stays 0 if the batch that was asked for does not.
    """
    from ..api import memory
    from ..render.options import Options
    from .emit import destination, emit, result_of

    to = destination(format, output, caption, label)
    specs, arguments = inputs_of(input), arguments_of(arg)
    step = result_of(
        lambda: memory(
            model, *specs, arguments=arguments, batch_size=batch_size, optimizer=optimizer,
            inference=inference, mode=mode, precision=precision, device=device,
            device_memory=device_memory, checkpoint=checkpoint or (), accumulate=accumulate,
            ddp=ddp, fsdp=fsdp, fsdp_units=fsdp_unit or (),
        ),
        to, fix=fix,
    )  # fmt: skip
    emit(step, to, Options(top=top))
