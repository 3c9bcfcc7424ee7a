"""The public functions: from models to results.

>>> import cnnstat
>>> cnnstat.analyze("nin")                     # a built-in network
>>> cnnstat.analyze(net, (1, 1, 28, 28))       # your own nn.Module; it is left untouched
>>> cnnstat.compare("nin", "alexnet")
>>> cnnstat.explain("alexnet", "conv1")        # the arithmetic of one layer
>>> cnnstat.verify("nin")                      # cross-check with other counters

Each checks its arguments, then imports and calls its subject: importing this file does not import
torch, and neither does a call that is refused or needs no model.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from .call_arguments import is_input, is_shape
from .choices import (
    LaneName,
    LatencyPrecision,
    Loss,
    MemoryPrecision,
    Mode,
    OptimizerName,
    ProtocolName,
    RooflinePrecision,
    TrainingDevice,
)
from .errors import CnnstatError, ModelError, UsageError
from .escaping import value_in_words
from .models import saved
from .public_calls import public, str_of_path
from .results import read_result
from .run_config import ModelRequest, RunConfig

if TYPE_CHECKING:
    from torch import nn

    from .analysis.results import Analysis
    from .bench.results import Benchmark
    from .bench.runner import Watch
    from .comparison.results import Comparison
    from .explanation.results import Explanation
    from .inference.measuring import Watch as LatencyWatch
    from .inference.results import Latencies
    from .linting.results import Lint
    from .memory_usage.results import Memory
    from .models.results import Listing
    from .models.user_names import Factory
    from .operators.user_rules import Amount, F
    from .rooflines.results import Device, Devices, Roofline
    from .static_parameters.results import Parameters
    from .symbolic.results import Formulas, Scaling
    from .verification.results import Verification

    Model: TypeAlias = str | nn.Module | Callable[..., nn.Module]
    """A spec, a module, or a class or function that makes one."""


@public("analyze(model, (1, 3, 224, 224))")
def analyze(
    model: Model,
    *inputs: Any,
    mode: Mode | None = None,
    training: bool = False,
    lane: LaneName | None = None,
    arguments: Mapping[str, Any] | None = None,
    **named_inputs: Any,
) -> Analysis:
    """Compute the shapes and costs of a model, layer by layer. Weights are not read or allocated.

    Args:
        model: a spec (`"nin"`, `"run.json"`), an `nn.Module`, which is not modified, or a class or
            function that makes one.
        inputs: positional inputs: a shape `(1, 3, 224, 224)`, the text of an `--input`, or a
            tensor, whose data is not read, unless its integers are the indices of a table. Any
            other value is passed on as it is, and so is a tuple of numbers beside a tensor. A spec
            without inputs runs on its default input.
        mode: "eval" or "train"; by default "train" if `training`, else "eval".
        training: whether to count the backward pass too, as autograd runs it: for every parameter
            that requires a gradient, from all outputs of the model.
        lane: "meta", "fake" or "cpu"; by default the first on which the model runs. "cpu" executes
            the model, on random inputs where only shapes are provided.
        arguments: the model's constructor arguments, for a spec.
        named_inputs: inputs passed by keyword, in the same forms.

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
    from .tracing.process.isolation import isolated

    request = ModelRequest(model, inputs, named_inputs, arguments)
    with isolated():
        return run_model(load_model(request), config).analysis


@public("parameters(model)")
def parameters(model: Model, *, arguments: Mapping[str, Any] | None = None) -> Parameters:
    """Count the parameters of a model's modules, without running it: no input is needed.

    `model` and `arguments` are those of `analyze`.

    Raises:
        UsageError: the spec cannot be understood, or names a graph.
        ModelError: the model cannot be built.
    """
    if saved.is_saved(model):
        raise UsageError(f"{model} is a saved analysis", hint=f"cnnstat shapes {model}")
    from .static_parameters.counting import count_parameters
    from .tracing.process.isolation import isolated

    with isolated():
        return count_parameters(ModelRequest(model, (), {}, arguments))


@public('explain(model, "conv1", (1, 3, 224, 224))')
def explain(
    model: Model,
    layer: str | int | nn.Module,
    *inputs: Any,
    mode: Mode = "eval",
    lane: LaneName | None = None,
    arguments: Mapping[str, Any] | None = None,
    **named_inputs: Any,
) -> Explanation:
    """Derive the figures of one layer, with its numbers in the formulas.

    `layer` is a path of `analyze` (`"features.0"`), `path#2` for the second call of a module, the
    unique end of a path, an index of a Sequential, or the module itself. The other arguments and
    errors are those of `analyze`; a saved analysis gives the derivations for which its figures
    suffice.

    Raises:
        UsageError: no layer or several match the name.
        ModelError: the model has the layer and did not call it.
    """
    from .explanation.layer_names import path_of

    layer = path_of(model, layer)
    if saved.is_saved(model):
        if mode != "eval" or lane is not None:
            raise UsageError(f"{model} is a saved analysis: it takes no mode and no lane")
        analysis = analyze(model, *inputs, arguments=arguments, **named_inputs)
        from .explanation.restored import explain_saved

        return explain_saved(analysis, layer)
    config = RunConfig(mode, lane)
    from .explanation.explainer import explain as explain_layer
    from .pipeline import load_model, run_model
    from .tracing.process.isolation import isolated

    call = f"cnnstat.explain(model, {layer!r}, {{}})"
    request = ModelRequest(model, inputs, named_inputs, arguments, call)
    with isolated():
        run = run_model(load_model(request), config)
        return explain_layer(run.trace, run.analysis, layer)


@public("verify(model, (1, 3, 224, 224))")
def verify(
    model: Model,
    *inputs: Any,
    mode: Mode = "eval",
    arguments: Mapping[str, Any] | None = None,
    **named_inputs: Any,
) -> Verification:
    """Cross-check the counts with other counters, and explain every difference.

    They are fvcore, torchinfo and torch's FlopCounterMode, and thop, ptflops, calflops and
    torchprofile if installed. Arguments and errors are those of `analyze`; a counter that fails on
    the model is part of the result.
    """
    config = RunConfig(mode)
    if saved.is_saved(model):
        raise UsageError(f"{model} is a saved analysis: other counters need the model itself")
    from .tracing.process.isolation import isolated
    from .verification.cross_check import verify_model

    call = "cnnstat.verify(model, {})"
    with isolated():
        return verify_model(ModelRequest(model, inputs, named_inputs, arguments, call), config)


@public("lint(model, (1, 3, 224, 224))")
def lint(
    model: Model,
    *inputs: Any,
    select: str | Sequence[str] | None = None,
    ignore: str | Sequence[str] = (),
    loss: Loss | None = None,
    baseline: str | Path | None = None,
    arguments: Mapping[str, Any] | None = None,
    **named_inputs: Any,
) -> Lint:
    """Find mistakes in a model that runs: parameters that are not trained, mixed batches, …

    The model runs without data in eval and train mode, with a backward pass and on several batch
    sizes; `docs/rules/` describes the rules. In a test:

    >>> assert not cnnstat.lint(net, (1, 3, 224, 224)).findings

    Args:
        model, inputs, named_inputs, arguments: as for `analyze`.
        select: codes of rules or their beginnings, `["CN1", "CN205"]` or `"CN1,CN205"`; the longest
            that fits a rule decides.
            Optional rules are selected by their full code. By default those of
            `[tool.cnnstat.lint]` in pyproject.toml, or all that are not optional.
        ignore: codes or beginnings, in addition to those of the settings.
        loss: of the training, "cross-entropy" or "bce-logits", for the rules about the output.
        baseline: a file that `cnnstat lint --format json` wrote, whose findings are left out.

    Raises:
        UsageError: a code or a setting is unknown, or the spec or an input cannot be understood.
        ModelError: the model cannot be built or run; ShapeError if its shapes don't fit.
    """
    if saved.is_saved(model):
        raise UsageError(f"{model} is a saved analysis: linting needs the model itself")
    from .linting.settings import config_of

    config = config_of(select, ignore, loss)
    known = None
    if baseline is not None:
        hint = "cnnstat lint MODEL --output baseline.json"
        known = read_result(baseline, "lint", CnnstatError, "baseline", hint)
    from .pipeline import lint_model
    from .tracing.process.isolation import isolated

    request = ModelRequest(model, inputs, named_inputs, arguments, "cnnstat.lint(model, {})")
    with isolated():
        return lint_model(request, config, known)


@public("compare(model, other, input=(1, 3, 224, 224))")
def compare(
    *models: Model,
    input: Any = None,
    mode: Mode | None = None,
    training: bool = False,
    lane: LaneName | None = None,
    arguments: Mapping[str, Any] | None = None,
    failures: list[ModelError] | None = None,
) -> Comparison:
    """Compare two or more models on one input, and explain the differences.

    `input` defaults to the default input of the first. Errors are those of `analyze`. To a list of
    `failures`, those of models that do not run are appended, as long as two models do.
    """
    models = _unpacked(models)
    if len(models) == 1 and isinstance(models[0], Mapping):
        raise UsageError(
            "compare takes models, not a dict", hint="cnnstat.compare(*models.values())"
        )
    _check_no_inputs("compare", models, "input={}")
    if len(models) < 2:
        from .models.zoo.catalog import another_than

        first = models[0] if models and isinstance(models[0], str) else "nin"
        raise UsageError(
            f"compare takes two or more models, {len(models)} was given",
            hint=f"cnnstat compare {first} {another_than(first)}",
        )
    config = RunConfig(mode, lane, training)
    from .comparison.side_by_side import compare_models
    from .tracing.process.isolation import isolated

    with isolated():
        return compare_models(models, input, config, arguments, failures)


@public('formulas(model, "1,3,H,W")')
def formulas(
    model: Model,
    *inputs: Any,
    mode: Mode = "eval",
    arguments: Mapping[str, Any] | None = None,
    **named_inputs: Any,
) -> Formulas:
    """Derive a model's shapes and costs as formulas, and its valid input sizes.

    Arguments are those of `analyze`, with symbolic dimensions in the inputs: `"1,3,H,W"`. The valid
    sizes are those of one dimension at a time, with the others at a valid size.

    Raises:
        UsageError: no input has a symbolic dimension, or the spec cannot be understood.
        ModelError: no size was found at which the model runs, or it cannot be built.
    """
    from .symbolic.formulas import formulas_of
    from .tracing.process.isolation import isolated

    with isolated():
        return formulas_of(ModelRequest(model, inputs, named_inputs, arguments), mode)


@public('scale("nin", "alexnet", over="H,W=64:512:32")')
def scale(
    *models: str,
    over: str | Mapping[str, Sequence[Any]] | None = None,
    input: Any = None,
    mode: Mode = "eval",
    arguments: Mapping[str, Any] | None = None,
    fit: bool = False,
) -> Scaling:
    """Compute the costs of models over a size of the input or an argument.

    Args:
        over: the quantity to vary, as on the command line: `"H,W=64:512:32"`, `"N"`,
            `"num_classes=10,100"`; or a dict, `{"H,W": range(64, 513, 32)}`. N, C, H, W (N, T for
            tokens) are the dimensions of the input, unless `input` names others. By default H and
            W. Without values they are a half to four times the model's own size, or the nearest
            sizes at which it runs.
        input: the input, with the symbolic dimensions to vary; by default each model's own.
        fit: whether to change the model for sizes that do not fit: the first linear layer of a
            classifier is resized, or the model created with its `img_size` or `image_size`.

    Raises:
        UsageError: a name is neither a dimension of the input nor an argument of the model.
        ModelError: a model cannot be built, or runs at no value.
    """
    if not models:
        raise UsageError("scale takes one model or more", hint="cnnstat scale nin alexnet")
    models = _unpacked(models)
    _check_no_inputs("scale", models, "input={}")
    _check_specs("scale", models)
    from .symbolic.over import parse_over

    varied = None if over is None else parse_over(over)
    from .symbolic.scaling import scaling_of
    from .tracing.process.isolation import isolated

    with isolated():
        return scaling_of(models, varied, input, arguments, mode, fit)


@public("memory(model, (1, 3, 224, 224), batch_size=8)")
def memory(
    model: Model,
    *inputs: Any,
    batch_size: int | None = None,
    optimizer: OptimizerName = "sgd",
    inference: bool = False,
    mode: Mode | None = None,
    precision: MemoryPrecision = "fp32",
    device: str | Path | Device = "cuda",
    device_memory: int | str | None = None,
    checkpoint: str | Sequence[str] = (),
    ddp: bool = False,
    accumulate: int = 1,
    fsdp: int | None = None,
    fsdp_units: str | Sequence[str] = (),
    arguments: Mapping[str, Any] | None = None,
    **named_inputs: Any,
) -> Memory:
    """Predict the memory of one training step, or of a forward pass, without running on a device.

    Forward pass, loss, backward pass and optimizer run on tensors without data, and every storage
    is tracked from the operator that allocates it until it is freed.

    Args:
        model: a spec (`"nin"`) or an `nn.Module`, which is not modified.
        inputs: positional inputs, as for `analyze`.
        batch_size: the size of the first dimension of every input that shares it; by default that
            of the inputs.
        optimizer: one of torch's, with its defaults; "momentum" and "nesterov" are forms of SGD.
        inference: run the forward pass alone, without gradients.
        mode: "eval" or "train"; by default "train", for inference "eval".
        precision: "fp32", "bf16-true" or "fp16-true" for parameters, inputs and computation; "bf16"
            for `torch.autocast` around the forward pass and the loss, "fp16" for that with loss
            scaling.
        device: "cuda" or "cpu": the kernels that torch chooses there, and on CUDA sizes in blocks
            of 512 bytes, as `torch.cuda.max_memory_allocated` counts them. Or a device as for
            `roofline` ("rtx-4090"), whose memory is then the `device_memory`; "auto" is the GPU of
            this machine, the CPU where torch sees none.
        device_memory: bytes, or a text such as "24GiB", for which to find the largest batch.
        checkpoint: patterns of module paths ("features.*") whose activations are recomputed in
            the backward pass (`torch.utils.checkpoint`, `use_reentrant=False`).
        ddp: the step of one rank of DistributedDataParallel, whose buckets contain a second copy of
            the gradients; the batch is that of the rank.
        accumulate: the number of batches whose gradients a step accumulates; the figures are those
            of the last batch, including the gradients of the others.
        fsdp: the number of ranks over which FSDP (`fully_shard`) shards parameters, gradients and
            optimizer state; the figures and the batch are those of the first rank. Precision
            "bf16" is then FSDP's own: parameters are gathered in bfloat16, gradients reduced in
            float32.
        fsdp_units: patterns of paths of the modules whose parameters are gathered together
            ("layers.*"); by default the blocks of the network: list items that contain modules.
            All other parameters are gathered with the model itself.
        arguments: the model's constructor arguments, for a spec.
        named_inputs: inputs passed by keyword, in the same forms.

    Raises:
        UsageError: the spec, an input or an option cannot be understood.
        ModelError: the model cannot be built, run without data or trained; ShapeError if its
            shapes don't fit.
    """
    from .memory_usage.config import MemoryConfig, limit_of

    limit = limit_of(device, device_memory)
    config = MemoryConfig(
        batch_size=batch_size, optimizer=optimizer, inference=inference, mode=mode,
        precision=precision, device=limit.kind, device_memory=limit.memory,
        device_title=limit.title, ddp=ddp, accumulate=accumulate,
        checkpoint=_patterns(checkpoint),
        fsdp=fsdp, fsdp_units=_patterns(fsdp_units),
    )  # fmt: skip
    if saved.is_saved(model):
        raise UsageError(f"{model} is a saved analysis: a step needs the model itself")
    from .memory_usage.predict import predict_memory
    from .tracing.process.isolation import isolated

    call = "cnnstat.memory(model, {})"
    with isolated():
        return predict_memory(ModelRequest(model, inputs, named_inputs, arguments, call), config)


def _patterns(patterns: str | Sequence[str]) -> tuple[str, ...]:
    return (patterns,) if isinstance(patterns, str) else tuple(patterns)


@public('roofline(model, (1, 3, 224, 224), device="h100")')
def roofline(
    model: Model,
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
    """Bound the time of one step on a device from below, for each layer, and name the limit.

    Args:
        model, inputs, named_inputs, mode, lane, arguments: as for `analyze`.
        device: a name of `cnnstat devices` (`"h100-sxm"`, `"h100"`), the name that a driver reports
            (`torch.cuda.get_device_name()`), a `Device`, or a file written by
            `cnnstat devices --measure --output FILE.json`; "auto" is the GPU of this machine.
        device_peaks: the peak throughput instead, in FLOP/s and bytes/s:
            `"fp32=1.2T,bandwidth=40G"`.
        precision: of the arithmetic and of all floating-point tensors in memory: fp32, tf32 (fp32
            in memory), bf16, fp16, fp64. In training, parameters, gradients and the optimizer's
            state stay in fp32 between the steps (fp64 with fp64).
        batch_size: the size of the first dimension of every input that shares it.
        training: whether a step includes the backward pass and an update of the parameters.
        optimizer: of that update, as for `memory`; "sgd" by default.

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
    from .tracing.process.isolation import isolated

    call = "cnnstat.roofline(model, {}, …)"
    request = ModelRequest(model, inputs, named_inputs, arguments, call)
    with isolated():
        return predict_roofline(request, target, batch_size, config)


@public("list_devices()")
def list_devices() -> Devices:
    """The devices that `roofline` knows: peak throughput, memory and sources of the figures."""
    from .rooflines.gpus import named_devices

    return named_devices()


@public("measure_device()")
def measure_device(
    device: str | None = None, clock: Callable[[], float] = time.perf_counter
) -> Device:
    """Measure the peak throughput of this machine: `"cuda"` if available, else `"cpu"`.

    `clock` returns seconds; with one thread on a shared machine, `time.process_time` excludes other
    processes.

    The result is that of the fastest of several sizes: the median of repeats after a warm-up, with
    the device synchronised before the clock is read. It takes about 15 seconds.

    Raises:
        UsageError: there is no such device.
    """
    from .rooflines.measuring import measured_device

    return measured_device(device, clock)


@public('measure("lenet", epochs=2)', settings="bench.results:Protocol")
def measure(
    *models: Model,
    data: Any = "digits",
    test_data: Any = None,
    loss: Any = None,
    batch_size: int | Literal["auto"] | None = None,
    input: str | tuple[int, ...] | None = None,
    arguments: Mapping[str, Any] | None = None,
    output: str | Path | None = None,
    watch: Watch | None = None,
    protocol: ProtocolName = "auto",
    log: str | Sequence[str] = (),
    **settings: Any,
) -> Benchmark:
    """Train classifiers and measure loss, accuracy, step times, throughput and memory.

    >>> cnnstat.measure("lenet")                                   # on scikit-learn's digits
    >>> cnnstat.measure(net, data=train_loader, test_data=test_loader, epochs=3)
    >>> cnnstat.measure(net, data=dataset, loss=torch.nn.MSELoss(), lr=1e-3)

    A module is copied: the copy is trained from the weights that the module has.

    Args:
        models: specs, as for `analyze`, modules, or classes or functions that make one.
        data: a name ("digits", "fashion-mnist", …) or your own: a Dataset, a DataLoader, a pair of
            inputs and targets, or a function that returns one of these or yields the batches of an
            epoch. A batch is (inputs, targets), several inputs before the targets, or a dict with
            "labels" or "targets"; the model gets it as it is.
        test_data: likewise; what is tested on after each epoch. `data` may also be a pair of both.
        loss: called with what the model returns and the targets, returns the mean over the batch;
            by default cross-entropy of the scores in the output: the output itself, its `logits`,
            or the only tensor that is batch × classes. Or a name: "mse", "l1", "bce-logits", …
        batch_size: that of one process; "auto" is the largest that fits.
        input: N×C×H×W or C×H×W, to which images are resized; by default each model's own. Your
            own data is not resized.
        arguments: the models' constructor arguments; `num_classes` and `in_channels` follow the
            data where a model takes them.
        output: a folder for the configuration, every step, checkpoints and the report.
        watch: called with every step and epoch when it ends.
        protocol: "auto" for defaults that learn on the data, "textbook" for those of Dive into Deep
            Learning: SGD with learning rate 0.1, batches of 128, 10 epochs.
        log: "tensorboard", "csv" or "wandb", one or several: further files in the folder.
        settings: the other fields of `Protocol`: `epochs=10`, `optimizer="adam"`, `lr=0.1`, ….

    Raises:
        UsageError: an argument cannot be understood.
        ModelError: a model does not fit the data or cannot be trained, or the data cannot be read;
            DivergedError if the loss becomes NaN or infinite.
        OutputError: the folder cannot be written.
    """
    models = _unpacked(models)
    for model in models:
        is_data = hasattr(model, "__getitem__") or hasattr(model, "__iter__")
        if is_data and not isinstance(model, str) and not callable(model):
            raise UsageError(
                f"measure() takes models by position, and {value_in_words(model)} is data",
                hint="cnnstat.measure(model, data=dataset), or a pair of inputs and targets",
            )
    _check_no_inputs("measure", models, "input={}")
    from .bench.job import measure_models

    settings |= {"data": data, "test_data": test_data, "loss": loss, "batch_size": batch_size}
    return measure_models(models, input, arguments, output, watch, protocol, settings, log)


@public("latency(model, inputs=[(1, 3, 224, 224)])")
def latency(
    *models: Model,
    inputs: Any = (),
    named_inputs: Mapping[str, Any] | None = None,
    arguments: Mapping[str, Any] | None = None,
    batch_size: int | Sequence[int] = (),
    precision: LatencyPrecision | Sequence[LatencyPrecision] = "fp32",
    threads: int | Sequence[int] = (),
    device: TrainingDevice = "auto",
    compile: bool = False,
    channels_last: bool = False,
    layers: bool = False,
    seconds: float = 10.0,
    device_peaks: str | None = None,
    watch: LatencyWatch | None = None,
) -> Latencies:
    """Measure the latency and throughput of inference, in eval mode without gradients.

    Every model is measured in every combination of precisions, threads and batch sizes. The rows of
    one batch size are measured in turns, so that their ratios are fair.

    Args:
        models: specs, as for `analyze`, or modules, which are copied.
        inputs: a list of the positional inputs of all models, as `analyze` takes them, or the only
            one; by default each model's own. Where only shapes are provided, they are random
            numbers, and ones for integers.
        named_inputs: inputs passed by keyword.
        arguments: the models' constructor arguments, for specs.
        batch_size: one or several; by default that of the inputs.
        precision: one or several of "fp32", "tf32", "bf16" and "fp16" (autocast), "bf16-true" and
            "fp16-true" (all parameters and inputs).
        threads: of the CPU's operators, one or several; by default those of torch.
        device: "auto", "cpu", "cuda" or "mps".
        compile: whether to use torch.compile.
        channels_last: whether images and weights are stored with the channels last.
        layers: whether to time each layer too.
        seconds: the most that one row may take. It is done earlier when its median is known to
            ±1 %.
        device_peaks: for the roofline's bound, as `--device-peaks`; by default those of a known
            GPU.
        watch: called as the measurement goes on.

    Raises:
        UsageError: an argument cannot be understood.
        ModelError: a model cannot be built or run, or there is no such device.
    """
    models = _unpacked(models)
    _check_no_inputs("latency", models, "inputs=[{}]")
    from .inference.measuring import measure_latency
    from .inference.results import Settings

    def several(values: Any) -> tuple[Any, ...]:
        return (values,) if isinstance(values, int | str) else tuple(values)

    settings = Settings(
        batch_sizes=several(batch_size), precisions=several(precision), threads=several(threads),
        device=device, compile=compile, channels_last=channels_last, layers=layers,
        seconds=seconds, device_peaks=device_peaks,
    )  # fmt: skip
    named = dict(named_inputs or {})
    if isinstance(inputs, Mapping):
        inputs, named = (), {**inputs, **named}
    elif not isinstance(inputs, tuple | list) or (inputs and is_shape(inputs)):
        inputs = (inputs,)
    return measure_latency(models, inputs, named, arguments, settings, watch)


@public('resume("runs/first")')
def resume(
    output: str | Path,
    *models: Model,
    data: Any = None,
    test_data: Any = None,
    loss: Any = None,
    epochs: int | None = None,
    steps: int | None = None,
    minutes: float | None = None,
    watch: Watch | None = None,
    log: str | Sequence[str] = (),
) -> Benchmark:
    """Resume an interrupted run from the end of its last complete epoch, or train for longer.

    Args:
        epochs: train until so many epochs in all, `steps` or `minutes`; by default until the end
            that the run has.
        output: the folder of the run.
        models: the modules, classes or functions that were trained, if they were no specs.
        data: likewise the data, `test_data` and `loss`.
        watch: as in `measure`, and `log`.

    Raises:
        UsageError: there is no run in the folder, or it needs Python objects.
        ModelError: the folder is damaged.
    """
    from .bench.job import resume_run

    objects = {"data": data, "test_data": test_data, "loss": loss}
    limits = {"epochs": epochs, "steps": steps, "minutes": minutes}
    return resume_run(output, models, objects, limits, watch, log)


@public('list_models(search="vit base")')
def list_models(source: str = "", filter: str | None = None, *, search: str = "") -> Listing:
    """List the available models, without building any.

    >>> cnnstat.list_models(search="vit base")

    Args:
        source: a package such as "torchvision" or "timm" (`cnnstat list --help` names them), with
            or without a trailing colon; empty for built-in networks and user-defined names.
        filter: a shell pattern for the names, `resnet*`; case does not matter.
        search: words that are all part of a name, or patterns. Without a source, the models of all
            sources are searched, of packages that are not installed too (`needs`).

    Raises:
        UsageError: the source is unknown, or pyproject.toml cannot be understood.
        ModelError: no name matches, or the source's package cannot be imported.
    """
    from .models.listing import listing_of

    return listing_of(source, filter, search.split())


@public('read_analysis("run.json")')
def read_analysis(path: str | Path) -> Analysis:
    """Read an analysis that `--format json` wrote.

    Raises:
        ModelError: the file is missing, is not an analysis, or was written by a newer cnnstat.
    """
    return saved.read_analysis(path)


@public('register("mynet", input=(1, 3, 32, 32))')
def register(
    name: Any,
    *,
    input: Any = None,
    arguments: Mapping[str, Any] | None = None,
    summary: str = "",
) -> Callable[[Factory], Factory]:
    """Decorate a class, or a function that returns a model, so that its name is a spec.

    >>> @cnnstat.register("mynet", input=(1, 3, 32, 32))
    ... class Net(nn.Module): ...
    >>> cnnstat.analyze("mynet")

    Args:
        name: letters, digits, `_` and `-`.
        input: the default input: a shape, a text as for `--input`, or a list of these.
        arguments: the default arguments.
        summary: one line for `cnnstat list`.

    Raises:
        UsageError: the name is malformed or in use, or the input is malformed. The same definition
            may run again, as in notebooks, and replaces the former.
    """
    from .models.user_names import registering

    file, _, line = _caller().rpartition(":")
    return registering(name, input, arguments, summary, file, int(line))


@public('register_operator("mylib::op", macs=1)')
def register_operator(
    name: str,
    *,
    macs: Amount | None = None,
    other_ops: Amount = 0,
    shape: Callable[..., Any] | None = None,
) -> Callable[[F], F]:
    """Register what an operator of your own costs, for every command and function.

    >>> @cnnstat.register_operator("mylib::blur")
    ... def macs_of_blur(x, size, stride=1, *, out):
    ...     return out.numel * size**2
    >>> cnnstat.register_operator("mylib::norm", macs=0, other_ops=lambda x: 5 * x.numel)

    The functions are called with the arguments of the operator. A tensor is a record with `shape`
    (a tuple), `numel` and `dtype` ("float32"). A function with a parameter `out` gets the result
    too, a tuple of results if there are several.

    Args:
        name: `namespace::name`, without an overload.
        macs: the multiply–accumulates: a number, or a function that returns one. Without it the
            decorated function is taken.
        other_ops: the other elementary operations, likewise.
        shape: the shape of the result, or a list of shapes, from the arguments of the operator,
            which are tensors here. For an operator that does not run without data, as a fake kernel
            of `torch.library`; its results have the dtype of the first tensor.

    Raises:
        UsageError: the name is malformed or that of an operator which cnnstat knows, or an argument
            is neither a number nor a function.
    """
    from .operators.user_rules import registering_operator

    return registering_operator(name, macs, other_ops, shape, _caller())


@public("register_module(MyLayer, macs=1)")
def register_module(
    module: type[nn.Module],
    *,
    macs: Amount,
    other_ops: Amount = 0,
    backward_macs: Amount | None = None,
    shape: Callable[..., Any] | None = None,
) -> None:
    """Register what a module of your own costs, in place of the operators that it runs.

    >>> cnnstat.register_module(MyLayer, macs=lambda layer, x: x.numel() * layer.width)
    >>> cnnstat.register_module(MyKernel, macs=9, backward_macs=18, shape=lambda layer, x: x.shape)

    Args:
        module: the class; the rule is that of its subclasses, too.
        macs: the multiply–accumulates of a call: a number, or a function of the module and its
            inputs (tensors without data) that returns one.
        other_ops: the other elementary operations, likewise.
        backward_macs: the multiply–accumulates of its backward pass, likewise; the other operations
            are then as many as in the forward pass. Without it the backward pass of its forward is
            counted. (The backward pass of an operator is made of operators, which have rules of
            their own: `register_operator`.)
        shape: the shape of the result, or a list of shapes, of the same arguments. With it the
            module's forward is not run, and it has a backward pass only with `backward_macs`: one
            that keeps the inputs and parameters.

    Raises:
        UsageError: `module` is no class of modules, or an argument is neither a number nor a
            function.
    """
    from .tracing.user_code.user_rules import register_module_rule

    register_module_rule(module, macs, other_ops, backward_macs, shape, _caller())


def _unpacked(models: tuple[Any, ...]) -> tuple[Any, ...]:
    """The models in a list that is the only argument."""
    is_list = len(models) == 1 and isinstance(models[0], list | tuple)
    return models if not is_list or is_input(models[0]) else tuple(map(str_of_path, models[0]))


def _check_no_inputs(function: str, models: Sequence[Any], argument: str) -> None:
    """Raise UsageError if an input is among the models, in whose place it has a name."""
    others = "model, other" if function == "compare" else "model"
    for model in models:
        if is_input(model):
            shown = repr(model) if isinstance(model, tuple | list | str) else "…"
            raise UsageError(
                f"{function}() takes models by position, and {value_in_words(model)} is an input",
                hint=f"cnnstat.{function}({others}, {argument.format(shown)})",
            )


def _check_specs(function: str, models: Sequence[Any]) -> None:
    """Raise UsageError if one of the models is an object: it is to be built several times."""
    for model in models:
        if not isinstance(model, str):
            name = getattr(model, "__name__", type(model).__name__)
            raise UsageError(
                f"{function} takes names of models, not objects: it builds them itself",
                f'name the class of yours with @cnnstat.register("{name.lower()}")',
                hint=f'cnnstat.{function}("{name.lower()}") or "my_model.py:{name}"',
            )


def _caller() -> str:
    """The place in the user's code that calls a public function."""
    frame = sys._getframe(3)  # above the function and its check of arguments
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"
