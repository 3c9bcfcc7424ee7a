"""The public functions: from models to results.

>>> import cnnstat
>>> cnnstat.analyze("nin")                     # a built-in network
>>> cnnstat.analyze(net, (1, 1, 28, 28))       # your own nn.Module; it is left untouched
>>> cnnstat.compare("nin", "alexnet")
>>> cnnstat.explain("alexnet", "conv1")        # the arithmetic of one layer
>>> cnnstat.verify("nin")                      # what other counters say, and why they differ

Each checks what needs no torch, then calls its subject. Subjects are imported when they are called:
importing this file imports no torch, and neither does a call that is refused or needs no model.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import UsageError
from .models import saved
from .run_config import ModelRequest, RunConfig

if TYPE_CHECKING:
    from torch import nn

    from .analysis.results import Analysis
    from .bench.results import Benchmark
    from .bench.runner import Watch
    from .choices import (
        DeviceKind,
        LaneName,
        MemoryPrecision,
        Mode,
        OptimizerName,
        RooflinePrecision,
    )
    from .comparison.results import Comparison
    from .explanation.results import Explanation
    from .memory_usage.results import Memory
    from .models.results import Listing
    from .models.user_names import Factory
    from .rooflines.results import Device, Devices, Roofline
    from .symbolic.results import Formulas, Scaling
    from .verification.results import Verification


def analyze(
    model: str | nn.Module,
    *inputs: Any,
    mode: Mode | None = None,
    training: bool = False,
    lane: LaneName | None = None,
    arguments: Mapping[str, Any] | None = None,
    **named_inputs: Any,
) -> Analysis:
    """Tell what a model is and costs on the given inputs. No weights are read or allocated.

    Args:
        model: a spec (`"nin"`, `"run.json"`) or an `nn.Module`, which is left untouched.
        inputs: positional inputs, each a shape `(1, 3, 224, 224)`, the text of an `--input`, or a
            tensor, whose data is not read. A spec without inputs runs on its default.
        mode: "eval" or "train"; without it "train" if `training` is set, else "eval".
        training: whether to count the backward pass too, as autograd runs it: for every parameter
            that requires a gradient, from all outputs of the model.
        lane: "meta", "fake" or "cpu", the one to run on; by default the first that the model runs
            on. On "cpu" it is executed, on made-up inputs where only their shapes are given.
        arguments: the model's constructor arguments, for a spec.
        named_inputs: inputs passed by keyword, likewise.

    Raises:
        UsageError: the spec or an input cannot be understood.
        ModelError: the model cannot be built or run; ShapeError if its shapes don't fit.
    """
    config = RunConfig(mode, lane, training)
    if saved.is_saved(model):
        if inputs or named_inputs or arguments or training:
            raise saved.refusal_of_options(model)
        if mode is not None or lane is not None:
            raise UsageError(f"{model} is a saved analysis: it takes no mode and no lane")
        return saved.read_analysis(str(model))
    from .pipeline import load_model, run_model

    request = ModelRequest(model, inputs, named_inputs, arguments)
    return run_model(load_model(request), config).analysis


def explain(
    model: str | nn.Module,
    layer: str,
    *inputs: Any,
    mode: Mode = "eval",
    lane: LaneName | None = None,
    arguments: Mapping[str, Any] | None = None,
    **named_inputs: Any,
) -> Explanation:
    """Tell how the figures of one layer come about, with its numbers put into the formulas.

    `layer` is a path as `analyze` has it (`"features.0"`), `path#2` for the second call of one
    module, or the end of a path if no other ends so. Takes and raises what `analyze` does
    otherwise; a saved analysis tells what its figures suffice for.

    Raises:
        UsageError: no layer or several have the name.
        ModelError: the model has the layer and did not call it.
    """
    if saved.is_saved(model):
        if mode != "eval" or lane is not None:
            raise UsageError(f"{model} is a saved analysis: it takes no mode and no lane")
        analysis = analyze(model, *inputs, arguments=arguments, **named_inputs)
        from .explanation.restored import explain_saved

        return explain_saved(analysis, layer)
    config = RunConfig(mode, lane)
    from .explanation.explainer import explain as explain_layer
    from .pipeline import load_model, run_model

    call = f"cnnstat.explain(model, {layer!r}, {{}})"
    request = ModelRequest(model, inputs, named_inputs, arguments, call)
    run = run_model(load_model(request), config)
    return explain_layer(run.trace, run.analysis, layer)


def verify(
    model: str | nn.Module,
    *inputs: Any,
    mode: Mode = "eval",
    arguments: Mapping[str, Any] | None = None,
    **named_inputs: Any,
) -> Verification:
    """Count the model with other counters too, and explain every difference.

    fvcore, torchinfo and torch's FlopCounterMode are asked, and thop, ptflops, calflops and
    torchprofile where they are installed. Takes and raises what `analyze` does; a counter that
    fails on the model is part of the result.
    """
    config = RunConfig(mode)
    if saved.is_saved(model):
        raise UsageError(f"{model} is a saved analysis: other counters need the model itself")
    from .verification.cross_check import verify_model

    call = "cnnstat.verify(model, {})"
    return verify_model(ModelRequest(model, inputs, named_inputs, arguments, call), config)


def compare(
    *models: str | nn.Module,
    input: Any = None,
    mode: Mode | None = None,
    training: bool = False,
    lane: LaneName | None = None,
    arguments: Mapping[str, Any] | None = None,
) -> Comparison:
    """Tell how two or more models differ on one input, and why.

    Without `input`, all run on the default of the first. Raises what `analyze` raises.
    """
    if len(models) < 2:
        first = models[0] if models and isinstance(models[0], str) else "nin"
        raise UsageError(
            f"compare takes two or more models, {len(models)} was given",
            hint=f"cnnstat compare {first} alexnet",
        )
    config = RunConfig(mode, lane, training)
    from .comparison.side_by_side import compare_models

    return compare_models(models, input, config, arguments)


def formulas(
    model: str | nn.Module,
    *inputs: Any,
    mode: Mode = "eval",
    arguments: Mapping[str, Any] | None = None,
    **named_inputs: Any,
) -> Formulas:
    """Tell a model's shapes and costs as formulas, and its legal sizes.

    Takes what `analyze` takes; letters in the inputs, `"1,3,H,W"`, stand for any size. Their
    legal sizes are told for one letter at a time, the others standing at a legal size.

    Raises:
        UsageError: there is no letter among the inputs, or the spec cannot be understood.
        ModelError: no size was found at which the model runs, or it cannot be built.
    """
    from .symbolic.formulas import formulas_of

    return formulas_of(ModelRequest(model, inputs, named_inputs, arguments), mode)


def scale(
    *models: str,
    over: str | None = None,
    input: Any = None,
    mode: Mode = "eval",
    arguments: Mapping[str, Any] | None = None,
    fit: bool = False,
) -> Scaling:
    """Tell how the costs of models grow with a size of the input or an argument.

    Args:
        over: what is varied, as on the command line: `"H,W=64:512:32"`, `"N"`,
            `"num_classes=10,100"`. N, C, H, W (N, T for tokens) are the dimensions of the input,
            unless `input` names others. By default H and W.
        input: the input, with letters where it is varied; by default each model's own.
        fit: whether to make the first linear layer of a classifier as wide as an input needs that
            does not fit otherwise.

    Raises:
        UsageError: a name is neither a letter of the input nor an argument of the model.
        ModelError: a model cannot be built, or runs at no value.
    """
    if not models:
        raise UsageError("scale takes one model or more", hint="cnnstat scale nin alexnet")
    from .symbolic.over import parse_over

    varied = None if over is None else parse_over(over)
    from .symbolic.scaling import scaling_of

    return scaling_of(models, varied, input, arguments, mode, fit)


def memory(
    model: str | nn.Module,
    *inputs: Any,
    batch_size: int | None = None,
    optimizer: OptimizerName = "sgd",
    inference: bool = False,
    mode: Mode | None = None,
    precision: MemoryPrecision = "fp32",
    device: DeviceKind = "cuda",
    device_memory: int | str | None = None,
    checkpoint: Sequence[str] = (),
    ddp: bool = False,
    accumulate: int = 1,
    fsdp: int | None = None,
    fsdp_units: Sequence[str] = (),
    arguments: Mapping[str, Any] | None = None,
    **named_inputs: Any,
) -> Memory:
    """Tell what one training step, or a forward pass, will hold on a device; nothing is trained.

    Forward pass, loss, backward pass and optimizer run on tensors without data, and every storage
    is followed from the operator that makes it until it is freed.

    Args:
        model: a spec (`"nin"`) or an `nn.Module`, which is left untouched.
        inputs: positional inputs, as `analyze` takes them.
        batch_size: the size of the first dimension of every input that shares it; by default that
            of the inputs.
        optimizer: one of torch's, with its defaults; "momentum" and "nesterov" are SGD with one.
        inference: run the forward pass alone, without gradients.
        mode: "eval" or "train"; by default "train", for inference "eval".
        precision: "fp32", "bf16-true" or "fp16-true" for parameters, inputs and all that follows;
            "bf16" for `torch.autocast` around the forward pass and the loss, "fp16" for that with
            the loss scaled.
        device: "cuda" or "cpu": the forms of operators that torch takes there, and on CUDA sizes
            in blocks of 512 bytes, as `torch.cuda.max_memory_allocated` counts them.
        device_memory: bytes, or a text as "24GiB": then the largest batch that fits is found.
        checkpoint: patterns of module paths ("features.*") whose activations are recomputed in
            the backward pass (`torch.utils.checkpoint`, `use_reentrant=False`).
        ddp: the step of one rank of DistributedDataParallel, whose buckets hold a second copy of
            the gradients; the batch is that of the rank.
        accumulate: how many batches a step adds up the gradients of; more than one makes the
            figures those of the last, beside the gradients of those before.
        fsdp: the step of the first of this many ranks, over which FSDP (`fully_shard`) shares out
            parameters, gradients and the optimizer's state; the batch is that of the rank.
            Precision "bf16" is then FSDP's own: parameters are gathered in bfloat16, gradients
            reduced in float32.
        fsdp_units: patterns of paths of the modules whose parameters are gathered together
            ("layers.*"); by default the blocks of the network: modules with modules inside that
            stand in a list. What is in none is gathered with the model itself.
        arguments: the model's constructor arguments, for a spec.
        named_inputs: inputs passed by keyword, likewise.

    Raises:
        UsageError: the spec, an input or an option cannot be understood.
        ModelError: the model cannot be built, run without data or trained; ShapeError if its
            shapes don't fit.
    """
    from .memory_usage.config import MemoryConfig, limit_bytes

    config = MemoryConfig(
        batch_size=batch_size, optimizer=optimizer, inference=inference, mode=mode,
        precision=precision, device=device, device_memory=limit_bytes(device_memory),
        checkpoint=tuple(checkpoint), ddp=ddp, accumulate=accumulate, fsdp=fsdp,
        fsdp_units=tuple(fsdp_units),
    )  # fmt: skip
    if saved.is_saved(model):
        raise UsageError(f"{model} is a saved analysis: a step needs the model itself")
    from .memory_usage.predict import predict_memory

    call = "cnnstat.memory(model, {})"
    return predict_memory(ModelRequest(model, inputs, named_inputs, arguments, call), config)


def roofline(
    model: str | nn.Module,
    *inputs: Any,
    device: str | Path | Device | None = None,
    device_peaks: str | None = None,
    precision: RooflinePrecision = "fp32",
    batch_size: int | None = None,
    training: bool = False,
    optimizer: OptimizerName | None = None,
    mode: Mode | None = None,
    lane: LaneName | None = None,
    arguments: Mapping[str, Any] | None = None,
    **named_inputs: Any,
) -> Roofline:
    """Tell what one step takes at least on a device: for each layer, and what limits it.

    Args:
        model, inputs, named_inputs, mode, lane, arguments: as `analyze` has them.
        device: a name of `cnnstat devices` (`"h100-sxm"`, `"h100"`), the name that a driver reports
            (`torch.cuda.get_device_name()`), a `Device`, or a file that
            `cnnstat devices --measure --output FILE.json` wrote.
        device_peaks: the peaks instead, in FLOP/s and bytes/s: `"fp32=1.2T,bandwidth=40G"`.
        precision: of the arithmetic and of all floating-point tensors in memory: fp32, tf32 (fp32
            in memory), bf16, fp16, fp64. In training, parameters, gradients and the optimizer's
            state stay in fp32 between the steps (fp64 with fp64).
        batch_size: the size of the first dimension of every input that shares it.
        training: whether a step has a backward pass and an update of the parameters.
        optimizer: of that update, as `memory` has it; "sgd" by default.

    Raises:
        UsageError: the device, the precision or an input cannot be understood.
        ModelError: the model cannot be built or run; ShapeError if its shapes don't fit.
    """
    from .rooflines.target import Target, find_device

    target = Target.of(find_device(device, device_peaks), precision, training, optimizer)
    config = RunConfig(mode, lane, training)
    if saved.is_saved(model):
        raise UsageError(f"{model} is a saved analysis, which has no operators: name the model")
    from .rooflines.bounds import predict_roofline

    call = "cnnstat.roofline(model, {}, …)"
    request = ModelRequest(model, inputs, named_inputs, arguments, call)
    return predict_roofline(request, target, batch_size, config)


def list_devices() -> Devices:
    """The devices that `roofline` knows by name: peaks, memory and the source of the figures."""
    from .rooflines.gpus import named_devices

    return named_devices()


def measure_device(
    device: str | None = None, clock: Callable[[], float] = time.perf_counter
) -> Device:
    """Measure the peaks of this machine: `"cpu"`, or `"cuda"` by default where there is one.

    `clock` gives seconds; with one thread on a machine that others use too, `time.process_time`
    leaves out what the others take.

    Of several sizes the fastest counts, its rate being the median of repeats after a warm-up, with
    the device synchronised before each reading of the clock. Takes some 15 seconds.

    Raises:
        UsageError: there is no such device.
    """
    from .rooflines.measuring import measured_device

    return measured_device(device, clock)


def measure(
    *models: str,
    input: str | tuple[int, ...] | None = None,
    arguments: Mapping[str, Any] | None = None,
    output: str | Path | None = None,
    watch: Watch | None = None,
    **protocol: Any,
) -> Benchmark:
    """Train models for real and measure them: loss, accuracy, step times, throughput, memory.

    Args:
        models: specs as for `analyze`; what is trained are classifiers of images.
        input: N×C×H×W; images are resized to it. Without it each model's own.
        arguments: the models' constructor arguments; `num_classes` and `in_channels` follow the
            data where a model takes them.
        output: a folder for the configuration, every step, checkpoints and the report.
        watch: called with every step and epoch as it happens.
        protocol: the fields of `Protocol`: `data="fashion-mnist"`, `epochs=10`, `lr=0.1`, …;
            `batch_size="auto"` takes the largest that fits.

    Raises:
        UsageError: an argument cannot be understood.
        ModelError: a model does not fit the data or cannot be trained; DivergedError if its loss
            is no number any more.
        OutputError: the folder cannot be written.
    """
    from .bench.job import measure_models

    return measure_models(models, input, arguments, output, watch, protocol)


def resume(output: str | Path, watch: Watch | None = None) -> Benchmark:
    """Go on with a run that was interrupted, from the end of its last whole epoch.

    Raises:
        ModelError: the folder holds no run.
    """
    from .bench.job import resume_run

    return resume_run(output, watch)


def list_models(source: str = "", filter: str | None = None) -> Listing:
    """List the models that can be named, without building any.

    Args:
        source: a package such as "torchvision" or "timm" (`cnnstat list --help` names them), with
            or without a colon behind it; empty for the built-in networks and the user's own.
        filter: a pattern for the names, as a shell's: `resnet*`. Upper and lower case are one.

    Raises:
        UsageError: there is no such source, or pyproject.toml cannot be understood.
        ModelError: no name matches, or the source's package cannot be imported.
    """
    from .models.listing import listing_of

    return listing_of(source, filter)


def read_analysis(path: str | Path) -> Analysis:
    """Read what `--format json` wrote.

    Raises:
        ModelError: the file is missing, is no analysis, or was written by a newer cnnstat.
    """
    return saved.read_analysis(path)


def register(
    name: str,
    *,
    input: Any = None,
    arguments: Mapping[str, Any] | None = None,
    summary: str = "",
) -> Callable[[Factory], Factory]:
    """Decorate a class or a function that returns a model, to name it wherever a spec is taken.

    >>> @cnnstat.register("mynet", input=(1, 3, 32, 32))
    ... class Net(nn.Module): ...
    >>> cnnstat.analyze("mynet")

    Args:
        name: letters, digits, `_` and `-`.
        input: what it runs on by default: a shape, a text as for `--input`, or a list of these.
        arguments: what it is called with by default.
        summary: one line for `cnnstat list`.

    Raises:
        UsageError: the name is no word or taken, or the input is malformed. Running the same
            definition again, as notebooks do, replaces it.
    """
    from .models.user_names import registering

    caller = sys._getframe(1)
    file, line = caller.f_code.co_filename, caller.f_lineno
    return registering(name, input, arguments, summary, file, line)
