"""`cnnstat bench MODEL …`: train models and measure them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..choices import (
    BenchPrecision,
    Init,
    OptimizerName,
    ProtocolName,
    TrainingDevice,
    learning_rates,
)
from ..errors import UsageError
from ..models.model_sources import specs_in_help
from .completion import complete_data, complete_log, complete_schedule
from .shared_options import (  # fmt: skip
    ArgOption,
    FormatOption,
    InputOption,
    arguments_of,
    batch_size_of,
    model_argument,
    one_input,
    typed_options,
)

_ALLOWED_WITH_RESUME = ("resume", "format", "log", "epochs", "steps", "minutes")


def command(
    context: typer.Context,
    models: Annotated[
        list[str] | None,
        model_argument(
            f"Names (cnnstat list), {specs_in_help('bench')}, or your own "
            "(my_model.py:Net): classifiers of images.",
            "MODEL...",
        ),
    ] = None,
    data: Annotated[
        str,
        typer.Option("--data", metavar="NAME", autocompletion=complete_data,
                     help="digits, fashion-mnist, mnist, cifar10, "
                     "folder:PATH (a folder for each class), synthetic (speed only), or your own: "
                     "my_data.py:train, a Dataset, a DataLoader or a function that returns one."),
    ] = "digits",
    test_data: Annotated[
        str | None,
        typer.Option("--test-data", metavar="NAME", show_default=False,
                     help="With your own data, what to test on: my_data.py:test."),
    ] = None,
    data_dir: Annotated[
        Path | None,
        typer.Option("--data-dir", metavar="DIR", show_default=False,
                     help="Where downloaded data is, or is put. [default: the user's cache]"),
    ] = None,
    loss: Annotated[
        str | None,
        typer.Option("--loss", metavar="NAME", show_default=False,
                     help="A loss of yours, my_losses.py:loss, or torch.nn:MSELoss: it gets the "
                     "model's output and the targets. [default: cross-entropy]"),
    ] = None,
    protocol: Annotated[
        ProtocolName,
        typer.Option("--protocol", help="auto: defaults that learn on the data. textbook: SGD, "
                     "learning rate 0.1, batches of 128, 10 epochs."),
    ] = "auto",
    epochs: Annotated[
        int | None,
        typer.Option("--epochs", metavar="N", show_default=False,
                     help="Stop after N epochs. [default: 10; digits: 15]"),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option("--steps", metavar="N", show_default=False,
                     help="Stop after N steps. [default for --inference and synthetic: 100]"),
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option("--minutes", metavar="M", show_default=False,
                     help="Stop after M minutes of training."),
    ] = None,
    batch_size: Annotated[
        str | None,
        typer.Option("--batch-size", "-b", metavar="N|auto", show_default=False,
                     help="Examples in a batch; auto: the most that fit into memory. "
                     "[default: 128; 32 for digits, folders and your own data]"),
    ] = None,
    accumulate: Annotated[
        int, typer.Option("--accumulate", metavar="N", help="Batches for one step.")
    ] = 1,
    optimizer: Annotated[
        OptimizerName | None,
        typer.Option("--optimizer", show_default=False,
                     help="[default: sgd; adamw for digits, folders and your own data]"),
    ] = None,
    lr: Annotated[
        float | None,
        typer.Option("--lr", metavar="RATE", show_default=False,
                     help=f"Learning rate. [default: {learning_rates()}; 0.005 for digits]"),
    ] = None,
    momentum: Annotated[
        float | None,
        typer.Option("--momentum", show_default=False,
                     help="Of the optimizers momentum and nesterov. [default: 0.9]"),
    ] = None,
    weight_decay: Annotated[float, typer.Option("--weight-decay")] = 0.0,
    schedule: Annotated[
        str,
        typer.Option("--schedule", metavar="NAME", autocompletion=complete_schedule,
                     help="constant, cosine (to 0), step (a tenth at the middle and at three "
                     "quarters), or one of torch's: 'StepLR(step_size=5, gamma=0.5)'."),
    ] = "constant",
    label_smoothing: Annotated[
        float, typer.Option("--label-smoothing", metavar="SHARE",
                            help="Share of the target that all classes divide.")
    ] = 0.0,
    patience: Annotated[
        int | None,
        typer.Option("--patience", metavar="N", show_default=False,
                     help="Stop when the test loss has not improved for N epochs; without test "
                     "data, the training loss."),
    ] = None,
    init: Annotated[
        Init | None,
        typer.Option("--init", show_default=False,
                     help="xavier: uniform, conv and linear weights. default: as the model's "
                     "constructor draws them. [default: xavier; default with your own data]"),
    ] = None,
    augment: Annotated[
        bool, typer.Option("--augment", help="Random crops and flips of the training images.")
    ] = False,
    device: Annotated[TrainingDevice, typer.Option("--device")] = "auto",
    precision: Annotated[
        BenchPrecision,
        typer.Option("--precision", help="bf16 and fp16 are mixed; tf32 and fp16 need a GPU."),
    ] = "fp32",
    compile: Annotated[bool, typer.Option("--compile", help="Use torch.compile.")] = False,
    channels_last: Annotated[bool, typer.Option("--channels-last")] = False,
    workers: Annotated[
        int | None,
        typer.Option("--workers", metavar="N", show_default=False,
                     help="Processes that read examples. [default: 2 for image files, else 0]"),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Of weights, order and dropout.")] = 0,
    inference: Annotated[
        bool, typer.Option("--inference", help="Only forward passes: nothing is learned.")
    ] = False,
    layers: Annotated[
        bool, typer.Option("--layers", help="Time each layer's forward and backward pass too.")
    ] = False,
    device_peaks: Annotated[
        str | None,
        typer.Option("--device-peaks", metavar="PEAKS", show_default=False,
                     help="For the bound and the MFU: a name of cnnstat devices, a file of "
                     "cnnstat devices --measure, or fp32=1.2T,bandwidth=40G. [default: those "
                     "of the GPU, if it is known]"),
    ] = None,
    input: InputOption = None,
    arg: ArgOption = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="DIR", show_default=False,
                     help="A folder for every step as it happens, checkpoints and the report."),
    ] = None,
    log: Annotated[
        list[str] | None,  # typer takes no list of a closed set
        typer.Option("--log", metavar="tensorboard|csv|wandb", show_default=False,
                     autocompletion=complete_log,
                     help="Write the losses for another program too. Repeatable."),
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option("--resume", metavar="DIR", show_default=False,
                     help="Go on with the run in this folder, from its last whole epoch; with "
                     "--epochs for longer."),
    ] = None,
    format: FormatOption = None,
) -> None:  # fmt: skip
    """Train models for real, and measure them: loss and accuracy, step times, throughput, memory.

    The data is scikit-learn's handwritten digits, which need no download, and the defaults are such
    that networks learn on it. On Fashion-MNIST they are the textbook's (Dive into Deep Learning):
    Xavier-uniform weights, SGD with learning rate 0.1, cross-entropy, batches of 128, 10 epochs,
    images resized to the model's input; elsewhere --protocol textbook chooses that.

    Under torchrun every process trains on its part: torchrun --nproc-per-node 2 -m cnnstat bench …
    """
    from ..api import measure
    from ..api import resume as resume_run
    from .emit import emit_benchmark
    from .progress import watched

    if resume is not None:
        if others := typed_options(context, but=_ALLOWED_WITH_RESUME):
            raise UsageError(
                f"--resume goes on with what {resume}/config.json says: "
                f"leave out {', '.join(others)}"
            )
        result = watched(
            lambda watch: resume_run(
                resume,
                epochs=epochs,
                steps=steps,
                minutes=minutes,
                watch=watch,
                log=log or (),
            )
        )
    else:
        size = None if batch_size is None else batch_size_of(batch_size)
        arguments = arguments_of(arg)
        one_input(input, "bench trains all models on one --input")
        result = watched(
            lambda watch: measure(
                *models or [], data=data, test_data=test_data, loss=loss,
                input=input[0] if input else None, arguments=arguments,
                output=output, watch=watch, protocol=protocol, log=log or (), batch_size=size,
                data_dir=str(data_dir) if data_dir else None, steps=steps, epochs=epochs,
                minutes=minutes, accumulate=accumulate, optimizer=optimizer, lr=lr,
                momentum=momentum, weight_decay=weight_decay, schedule=schedule,
                label_smoothing=label_smoothing, patience=patience, init=init,
                augment=augment, precision=precision, compile=compile,
                channels_last=channels_last, workers=workers, seed=seed, device=device,
                inference=inference, layers=layers, device_peaks=device_peaks,
            )
        )  # fmt: skip
    emit_benchmark(result, format, output or resume)
