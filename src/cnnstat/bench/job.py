"""Jobs: they are checked, then their models are trained one after the other by one protocol."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import inf
from pathlib import Path
from typing import Any, get_args

import msgspec
import torch
from msgspec import structs
from torch import nn

from ..analysis.results import Tool
from ..call_arguments import parse_sizes
from ..choices import (
    OPTIMIZERS,
    Init,
    ProtocolName,
    TrainingDevice,
    check_choice,
    precisions_of,
)
from ..errors import UsageError
from ..inputs import InputSpec, parse_input
from ..run_config import named_objects
from ..version import __version__
from .datasets import data_name
from .defaults import protocol_of
from .fabric import is_first_process, launched, processes
from .folder import RunFolder
from .ineffective import check_effects
from .largest_batch import largest_batch
from .live_plot import live_plot
from .logs import check_logs, logged
from .machine import environment
from .prediction import peaks_of
from .results import Benchmark, DataFacts, Epoch, Job, Preparing, Protocol, Run, Step
from .runner import Runner, Started, Watch
from .schedule import Position, limit_of
from .sources import Sources, loss_place, name_of, names_of, names_user_code
from .timing import comparison_notes
from .torch_schedules import torch_schedule
from .trainable import TrainableModel, trainable_model


def measure_models(
    models: Sequence[Any],
    input: str | tuple[int, ...] | None,
    arguments: Mapping[str, Any] | None,
    output: str | Path | None,
    watch: Watch | None,
    protocol: ProtocolName,
    settings: Mapping[str, Any],
    log: str | Sequence[str] = (),
) -> Benchmark:
    """Train models one after the other.

    `settings` has fields of `Protocol`; its `batch_size` may be "auto", and `data`, `test_data` and
    `loss` may be Python objects.
    """
    log = [log] if isinstance(log, str) else log
    check_logs(log, output)
    if settings.get("data", "") is None:
        raise UsageError("data is None", hint="data=dataset, a DataLoader, or a pair of tensors")
    variables = named_objects.get()
    named = names_of([variables.get(m, m) if isinstance(m, str) else m for m in models])
    objects = {name: model for name, model in named.items() if not isinstance(model, str)}
    texts, values = _named(settings)
    size = settings.get("batch_size")
    fitted = size == "auto"
    sources = Sources(objects, **values, batch_size=None if fitted else size,
                      workers=settings.get("workers"))  # fmt: skip
    is_user_data = "data" in values or names_user_code(texts.get("data", ""))
    chosen = protocol_of(
        {**texts, **({"batch_size": 1} if fitted else {})}, is_user_data,
        any(isinstance(model, nn.Module) for model in objects.values()), protocol,
    )  # fmt: skip
    sizes = () if input is None else (str(_batch(parse_sizes(input, "bench"))),)
    job = Job(models=tuple(named), inputs=sizes, arguments=dict(arguments or {}), protocol=chosen,
              objects=(*objects, *values))  # fmt: skip
    _check(job)
    check_effects(chosen, settings)
    if is_user_data and sizes:
        raise UsageError(f"--input resizes images, and {chosen.data} are used as they are",
                         hint="leave out --input")  # fmt: skip
    if is_user_data and chosen.augment:
        raise UsageError(f"--augment crops images, and {chosen.data} are used as they are",
                         hint="random crops in the Dataset")  # fmt: skip
    if fitted and (job.objects or is_user_data):
        raise UsageError(
            "--batch-size auto tries sizes in another process, from names of models and data",
            hint="--batch-size 128",
        )
    peaks_of(chosen.device_peaks, [chosen.precision], None)  # raises if they cannot be parsed
    folder = None if output is None else RunFolder(Path(output))
    if folder is not None and is_first_process():
        folder.check_new()
    try:
        return _run(job, sources, folder, _shown(watch), log, resumed=False, fitted=fitted)
    finally:
        if folder is not None:
            folder.lock.release()


def _batch(image: InputSpec) -> InputSpec:
    """A batch of one, of an image whose sizes are C×H×W."""
    return replace(image, shape=(1, *image.shape)) if len(image.shape) == 3 else image


def _named(settings: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The settings with names instead of objects, and the objects."""
    texts, values = dict(settings), {}
    for key in ("data", "test_data", "loss"):
        value = texts.get(key)
        if value is not None and not isinstance(value, str):
            values[key] = value
            texts[key] = name_of(value)
    if isinstance(texts.get("loss"), str) and "loss" not in values:
        texts["loss"] = loss_place(texts["loss"])
    if isinstance(texts.get("data"), str) and "data" not in values:
        texts["data"] = data_name(texts["data"])
    return texts, values


def resume_run(
    output: str | Path,
    models: Sequence[Any] = (),
    settings: Mapping[str, Any] | None = None,
    limits: Mapping[str, Any] | None = None,
    watch: Watch | None = None,
    log: str | Sequence[str] = (),
) -> Benchmark:
    """Continue the run in a folder.

    `models` and `settings` are the Python objects of a job that has some, `limits` another end of
    the training: `steps`, `epochs` or `minutes`.
    """
    log = [log] if isinstance(log, str) else log
    check_logs(log, output)
    folder = RunFolder(Path(output))
    if is_first_process():
        folder.open()
    try:
        chosen = {name: value for name, value in (limits or {}).items() if value is not None}
        return _resumed(folder, models, settings or {}, chosen, _shown(watch), log)
    finally:
        folder.lock.release()


def _resumed(
    folder: RunFolder, models: Sequence[Any], settings: Mapping[str, Any],
    limits: Mapping[str, Any], watch: Watch, log: Sequence[str],
) -> Benchmark:  # fmt: skip
    job = folder.job()
    if limits:
        job = _extended(job, folder, limits)
    named = {n: model for n, model in names_of(models).items() if not isinstance(model, str)}
    _, values = _named(settings)
    missing = [name for name in job.objects if name not in {**named, **values}]
    if missing:
        raise UsageError(
            f"the run in {folder.path} was of Python objects: {', '.join(job.objects)}",
            f"missing: {', '.join(missing)}",
            hint=f"cnnstat.resume({str(folder.path)!r}, model, data=…)",
        )
    sources = Sources(named, **values)
    return _run(job, sources, folder, watch, log, resumed=True, extended=bool(limits))


def _extended(job: Job, folder: RunFolder, limits: Mapping[str, Any]) -> Job:
    """The job with another end, which must not be passed already."""
    unlimited: dict[str, Any] = {"steps": None, "epochs": None, "minutes": None}
    protocol = structs.replace(job.protocol, **{**unlimited, **limits})
    _check_limit(protocol)
    limit, schedule = limit_of(protocol), torch_schedule(protocol.schedule)
    if schedule is not None and schedule.has_length:
        raise UsageError(f"the learning rate of {schedule.name} is over where the run ended",
                         hint="another --output, for a run of this length")  # fmt: skip
    for number, name in enumerate(job.models, start=1):
        known = folder.checkpoint(number)
        position = Position() if known is None else known.position
        if limit.share(position.epoch, position.step, position.seconds) > 1:
            ((option, value),) = limits.items()
            raise UsageError(
                f"--{option} {value}: {name} was trained for longer already",
                f"{position.epoch} epochs, {position.step} steps, {position.seconds / 60:.3g} "
                "minutes",
            )
    extended = structs.replace(job, protocol=protocol)
    if is_first_process():
        folder.write_job(extended)
    return extended


def _fitted(job: Job, fabric: Any, watch: Watch) -> Job:
    """The job with the largest batch size. The first process finds it and broadcasts it."""
    found = largest_batch(job, processes()) if is_first_process() else 0
    size: int = fabric.broadcast(found)
    watch(f"batches of {size} are the largest that fit")
    return structs.replace(job, protocol=structs.replace(job.protocol, batch_size=size))


def _shown(watch: Watch | None) -> Watch:
    """What shows a training: a live plot in a notebook, if the caller does not."""
    if watch is not None:
        return watch
    plot = live_plot()
    return _ignore if plot is None else plot.watch


def _ignore(event: Preparing | Started | Step | Epoch | str) -> None:
    pass


def _run(
    job: Job,
    sources: Sources,
    folder: RunFolder | None,
    watch: Watch,
    log: Sequence[str],
    resumed: bool,
    fitted: bool = False,
    extended: bool = False,
) -> Benchmark:
    with launched(job.protocol) as fabric:
        if fitted:
            job = _fitted(job, fabric, watch)
        job = structs.replace(job, protocol=sources.with_batch_size(job.protocol))
        where = environment(fabric.device, fabric.world_size)
        first = is_first_process()
        earlier = folder.result() if folder is not None and resumed else None
        inputs = [parse_input(text) for text in job.inputs]
        result = Benchmark(
            tool=Tool(__version__, str(torch.__version__), platform.python_version()),
            protocol=job.protocol,
            environment=where,
            data=DataFacts(job.protocol.data, 0, 0, 0),
            runs=(),
            notes=(),
        )
        for spec in job.models[1:] if not resumed else ():  # before the first is trained for hours
            watch(Preparing(f"{spec}: checking"))
            with fabric.rank_zero_first(local=True):
                trainable_model(spec, inputs, job.arguments, job.protocol, sources)
        for number, spec in enumerate(job.models, start=1):
            watch(Preparing(f"{spec}: preparing {job.protocol.data}, tracing"))
            finished = None if extended else _finished(earlier, spec)
            with fabric.rank_zero_first(local=True):  # one process per machine downloads
                trainable = trainable_model(spec, inputs, job.arguments, job.protocol, sources)
            if folder is not None and first and not resumed and number == 1:
                folder.create(job, where)  # after the first model: a misspelt name leaves no folder
            place = folder.path if folder is not None and first else None
            with logged(log, place, job, watch) as watched:
                runner = Runner(
                    number, trainable, job.protocol, fabric, folder, first, watched, resumed
                )
                run, failure = (finished, None) if finished else runner.run()
            runs = (*result.runs, run)
            result = structs.replace(result, runs=runs, data=_facts(trainable),
                                     notes=comparison_notes(runs))  # fmt: skip
            if folder is not None and first:
                folder.write(result)
            if failure is not None:
                raise failure
            if run.status == "interrupted":
                break
        return result


def _finished(earlier: Benchmark | None, spec: str) -> Run | None:
    runs = earlier.runs if earlier else ()
    return next((r for r in runs if r.model.spec == spec and r.status == "finished"), None)


def _facts(trainable: TrainableModel) -> DataFacts:
    data = trainable.data
    tested = len(data.test) if data.test else 0
    return DataFacts(data.name, len(data.train) or None, tested, data.classes)


# ---------------------------------------------------------------- checks

_CHOICES = {
    "optimizer": tuple(OPTIMIZERS),
    "precision": precisions_of("bench"),
    "device": get_args(TrainingDevice),
    "init": get_args(Init),
}

_LARGEST_SEED = 2**32 - 1  # the seed of an epoch is 1,000,003 times it: torch takes 64 bits


def _check(job: Job) -> None:
    """Raise UsageError for options that are invalid or exclude each other; it names them.

    Called before anything is loaded.
    """
    if not job.models:
        raise UsageError("bench takes at least one model", hint="cnnstat bench lenet")
    for name, known in _CHOICES.items():
        check_choice(name, getattr(job.protocol, name), known)
    _check_types(job.protocol)
    torch_schedule(job.protocol.schedule)  # raises if it cannot be understood
    _check_limit(job.protocol)
    _check_numbers(job.protocol)
    if job.protocol.layers and job.protocol.compile:
        raise UsageError("--compile fuses layers: --layers cannot time them one by one")


def _check_types(protocol: Protocol) -> None:
    """For Python, where an argument may be of any type."""
    try:
        msgspec.convert(structs.asdict(protocol), Protocol)
    except msgspec.ValidationError as error:
        reason, _, place = str(error).partition(" - at `$.")
        name = place.removesuffix("`")
        value = getattr(protocol, name, None)
        raise UsageError(f"{name}={value!r} cannot be used", reason) from error


def _check_limit(protocol: Protocol) -> None:
    ends = {"--steps": protocol.steps, "--epochs": protocol.epochs, "--minutes": protocol.minutes}
    chosen = [name for name, value in ends.items() if value is not None]
    if len(chosen) > 1:
        raise UsageError(f"{' and '.join(chosen)} both say when to stop: give one of them")
    for name, value in ends.items():
        if value is not None and not 0 < value < inf:  # NaN is neither
            raise UsageError(f"{name} {value:g} is not positive and finite")


def _check_numbers(protocol: Protocol) -> None:
    for name, least in (("batch_size", 1), ("accumulate", 1), ("workers", 0), ("seed", 0)):
        if getattr(protocol, name) < least:
            option = f"--{name.replace('_', '-')}"
            raise UsageError(f"{option} {getattr(protocol, name)} is less than {least}")
    if protocol.seed > _LARGEST_SEED:
        raise UsageError(f"--seed {protocol.seed} is more than {_LARGEST_SEED}")
    if protocol.lr is not None and not 0 < protocol.lr < inf:
        raise UsageError(f"--lr {protocol.lr:g} is not positive and finite", hint="--lr 0.1")
    if not 0 <= protocol.weight_decay < inf:
        raise UsageError(f"--weight-decay {protocol.weight_decay:g} is negative or not finite",
                         hint="--weight-decay 1e-4")  # fmt: skip
    if not 0 <= protocol.label_smoothing < 1:
        raise UsageError(f"--label-smoothing {protocol.label_smoothing:g} is not from 0 up to 1",
                         hint="--label-smoothing 0.1")  # fmt: skip
    if protocol.patience is not None and protocol.patience < 1:
        raise UsageError(f"--patience {protocol.patience} is less than 1")
    if not 0 <= protocol.momentum < 1:
        raise UsageError(f"--momentum {protocol.momentum:g} is not from 0 up to 1",
                         hint="--momentum 0.9")  # fmt: skip
