"""`--log`: a training for other programs, for TensorBoard, Weights & Biases or as a CSV file."""

from __future__ import annotations

import csv
import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol, get_args

import msgspec

from ..choices import LogName, check_choice
from ..errors import ModelError, OutputError, UsageError, format_exception
from .results import Epoch, Job, Step
from .runner import Started, Watch

_FIGURES = ("train_loss", "train_accuracy", "test_loss", "test_accuracy", "seconds")


class Log(Protocol):
    """Writes the course of a training."""

    def start(self, model: str) -> None: ...

    def step(self, step: Step) -> None: ...

    def epoch(self, epoch: Epoch) -> None: ...

    def close(self) -> None: ...


class CsvLog:
    """A line for each epoch in `epochs.csv`."""

    def __init__(self, folder: Path, job: Job) -> None:
        self.file = folder / "epochs.csv"
        self.model, self.rate = "", ""

    def start(self, model: str) -> None:
        self.model = model
        if not self.file.exists():
            self._write(("model", "epoch", "step", "learning_rate", *_FIGURES))

    def step(self, step: Step) -> None:
        self.rate = "" if step.learning_rate is None else f"{step.learning_rate:g}"

    def epoch(self, epoch: Epoch) -> None:
        figures = [getattr(epoch, name) for name in _FIGURES]
        shown = ["" if value is None else value for value in figures]
        self._write((self.model, epoch.epoch, epoch.step, self.rate, *shown))

    def close(self) -> None:
        pass

    def _write(self, row: Sequence[Any]) -> None:
        try:
            with self.file.open("a", newline="", encoding="utf-8") as file:
                csv.writer(file).writerow(row)
        except OSError as error:
            raise OutputError(f"cannot write {self.file}", error.strerror or "") from error


class TensorBoardLog:
    """Scalars for TensorBoard, in a folder for each model."""

    def __init__(self, folder: Path, job: Job) -> None:
        self.folder = folder / "tensorboard"
        self._writer_class = _imported("tensorboard").SummaryWriter
        self._writer: Any = None

    def start(self, model: str) -> None:
        self.close()
        self._writer = self._writer_class(str(self.folder / _as_file_name(model)))

    def step(self, step: Step) -> None:
        for name in ("loss", "learning_rate", "seconds"):
            value = getattr(step, name)
            if value is not None:
                self._writer.add_scalar(f"step/{name}", value, step.step)

    def epoch(self, epoch: Epoch) -> None:
        for name, value in _scalars(epoch).items():
            self._writer.add_scalar(name, value, epoch.epoch)
        self._writer.flush()

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()


class WandbLog:
    """A run of Weights & Biases for each model, with the protocol as its configuration."""

    def __init__(self, folder: Path, job: Job) -> None:
        self.folder = folder
        self.config = msgspec.to_builtins(job.protocol)
        self._wandb = _imported("wandb")
        self._run: Any = None

    def start(self, model: str) -> None:
        self.close()
        try:
            self._run = self._wandb.init(
                project="cnnstat", name=model, config=self.config, dir=str(self.folder)
            )
        except Exception as error:  # without an account, or a network
            raise ModelError(
                "Weights & Biases does not start", format_exception(error),
                hint="wandb login, or WANDB_MODE=offline",
            ) from error  # fmt: skip

    def step(self, step: Step) -> None:
        self._run.log({"step/loss": step.loss, "step/learning_rate": step.learning_rate},
                      step=step.step)  # fmt: skip

    def epoch(self, epoch: Epoch) -> None:
        self._run.log({**_scalars(epoch), "epoch": epoch.epoch}, step=epoch.step)

    def close(self) -> None:
        if self._run is not None:
            self._run.finish()
            self._run = None


_LOGS: Mapping[str, Callable[[Path, Job], Log]] = {
    "tensorboard": TensorBoardLog, "csv": CsvLog, "wandb": WandbLog,
}  # fmt: skip


def check_logs(names: Sequence[str], output: str | Path | None) -> None:
    """Check `--log`, before anything is loaded.

    Raises:
        UsageError: a log is unknown, or there is no folder to write to.
        ModelError: a package is not installed.
    """
    for name in names:
        check_choice("log", name, get_args(LogName))
        if name in _MODULES:
            _imported(name)
    if names and output is None:
        raise UsageError(f"--log {names[0]} writes into the folder of the run",
                         hint="--output runs/NAME")  # fmt: skip


@contextmanager
def logged(names: Sequence[str], folder: Path | None, job: Job, watch: Watch) -> Iterator[Watch]:
    """Yield a function that passes every event to `watch` and to the logs."""
    logs = [] if folder is None else [_LOGS[name](folder, job) for name in dict.fromkeys(names)]

    def passed(event: Any) -> None:
        watch(event)
        for log in logs:
            if isinstance(event, Step):
                log.step(event)
            elif isinstance(event, Epoch):
                log.epoch(event)
            elif isinstance(event, Started):
                log.start(event.model)

    try:
        yield passed if logs else watch
    finally:
        for log in logs:
            with suppress(Exception):  # an error of the training is not to be replaced
                log.close()


def _scalars(epoch: Epoch) -> dict[str, float]:
    """`loss/train`, `accuracy/test` and so on, as far as they are known."""
    found = {}
    for part in ("train", "test"):
        for figure in ("loss", "accuracy"):
            value = getattr(epoch, f"{part}_{figure}")
            if value is not None:
                found[f"{figure}/{part}"] = value
    return found


def _as_file_name(model: str) -> str:
    return "".join(c if c.isalnum() or c in "-_." else "_" for c in model)


_MODULES = {"tensorboard": "torch.utils.tensorboard", "wandb": "wandb"}


def _imported(package: str) -> Any:
    try:
        return importlib.import_module(_MODULES[package])
    except Exception as error:  # not installed, or its import fails
        raise ModelError(
            f"{package} is needed for --log {package}", format_exception(error),
            hint="pip install 'cnnstat[log]'",
        ) from error  # fmt: skip
