"""The progress of a training on standard error: a bar on a terminal, and notes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from ..bench.results import Epoch, Preparing, Step
from ..fast_meta import fast_torch_import
from ..inference.results import Stage
from ..units import format_bytes
from .model_code import running_models
from .terminal import echo, echo_note

if TYPE_CHECKING:
    from ..bench.runner import Started

T = TypeVar("T")

_SMOOTHING = 0.1  # weight of a new step in the moving average of examples per second


class Progress:
    """A progress bar; without a terminal only notes are printed."""

    def __init__(self) -> None:
        self.console = Console(file=sys.stderr)
        self.bar = Bar(
            TextColumn("{task.description}"), BarColumn(bar_width=20),
            TextColumn("{task.fields[figures]}"), TimeRemainingColumn(compact=True),
            console=self.console, transient=True, disable=not self.console.is_terminal,
        )  # fmt: skip
        self.task: TaskID | None = None
        self.started: Started | None = None
        self.seconds = self.rate = 0.0
        self.examples = 0  # of the epoch so far

    def __enter__(self) -> Progress:
        self.bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self.bar.stop()

    def watch(self, event: Preparing | Started | Step | Epoch | Stage | str) -> None:
        """Show an event of a training or measurement. A text is a note."""
        if isinstance(event, str):
            echo_note(str(event))
        elif isinstance(event, Stage):
            if self.task is None:
                self.task = self.bar.add_task("", total=1.0, figures="")
            self.bar.update(self.task, completed=event.share, figures=event.what)
        elif isinstance(event, Step):
            self._step(event)
        elif isinstance(event, Epoch):
            self._epoch(event)
        elif isinstance(event, Preparing):
            self._replace_task(event.what, total=None)
            if self.bar.disable:
                echo(event.what)
        else:
            self._start(event)

    def _start(self, started: Started) -> None:
        self.started, self.seconds, self.rate, self.examples = started, 0.0, 0.0, 0
        self._replace_task(started.model, total=1.0)

    def _replace_task(self, description: str, total: float | None) -> None:
        if self.task is not None:
            self.bar.remove_task(self.task)
        self.task = self.bar.add_task(description, total=total, figures="")

    def _step(self, step: Step) -> None:
        if self.task is None or self.started is None:
            return
        self.seconds += step.seconds
        self.examples += step.examples
        rate = step.examples / max(step.seconds, 1e-9)
        self.rate = rate if not self.rate else (1 - _SMOOTHING) * self.rate + _SMOOTHING * rate
        if not self.bar.disable:
            part = min(1.0, self.examples / self.started.examples) if self.started.examples else 0.0
            share = self._share(step.epoch - 1 + part, step.step)
            self.bar.update(self.task, completed=share, figures=self._figures(step))

    def _share(self, epochs: float, steps: int) -> float:
        assert self.started is not None
        return min(1.0, self.started.limit.share(epochs, steps, self.seconds))

    def _figures(self, step: Step) -> str:
        parts = [self._epoch_text(step.epoch)]
        parts += [f"loss {step.loss:.3f}"] if step.loss is not None else []
        parts += [f"acc {step.accuracy:.0%}"] if step.accuracy is not None else []
        parts.append(f"{self.rate:,.0f}/s")
        memory = _memory()
        return " ".join([*parts, *([format_bytes(memory)] if memory else [])])

    def _epoch_text(self, epoch: int) -> str:
        most = self.started.limit.epochs if self.started is not None else None
        return f"epoch {epoch}/{most}" if most else f"epoch {epoch}"

    def _epoch(self, epoch: Epoch) -> None:
        """Without a terminal, a plain line for each epoch."""
        self.examples = 0
        if self.started is None or not self.bar.disable:
            return
        parts = [f"{self.started.model}: {self._epoch_text(epoch.epoch)}"]
        for name in ("train", "test"):
            loss, accuracy = (getattr(epoch, f"{name}_{what}") for what in ("loss", "accuracy"))
            parts += [f"{name} loss {loss:.4f}"] if loss is not None else []
            parts += [f"{name} acc {100 * accuracy:.1f} %"] if accuracy is not None else []
        parts.append(f"{self.rate:,.0f} examples/s")
        share = self._share(epoch.epoch, epoch.step)
        if share < 1:
            parts.append(_time_left(self.seconds * (1 - share) / share))
        echo(", ".join(parts))


def _time_left(seconds: float) -> str:
    return f"{seconds:.0f} s left" if seconds < 100 else f"{seconds / 60:.0f} min left"


def _memory() -> int | None:
    from ..bench.machine import memory_in_use  # imports torch

    return memory_in_use()


def watched(call: Callable[[Callable[[Any], None]], T]) -> T:
    """Call a function that runs models, and show its progress. Models print to standard error."""
    with running_models(), fast_torch_import(postponing=False):
        from ..bench.fabric import is_first_process

        if not is_first_process():
            return call(lambda event: None)
        from ..bench.live_plot import live_plot

        plot = live_plot()
        with Progress() as progress:
            if plot is None:
                return call(progress.watch)

            def in_notebook(event: Any) -> None:
                plot.watch(event)
                if isinstance(event, str | Stage):
                    progress.watch(event)

            return call(in_notebook)
