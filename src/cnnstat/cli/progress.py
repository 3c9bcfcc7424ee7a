"""The progress of a training on standard error: a bar on a terminal, and notes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from ..bench.results import Epoch, Step
from ..fast_meta import fast_torch_import
from ..inference.results import Stage
from ..units import format_bytes
from .model_code import running_models
from .terminal import echo_note

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

    def __enter__(self) -> Progress:
        self.bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self.bar.stop()

    def watch(self, event: Started | Step | Epoch | Stage | str) -> None:
        """Show an event of a training or measurement. A text is a note."""
        if isinstance(event, str):
            echo_note(str(event))
        elif isinstance(event, Stage):
            if self.task is None:
                self.task = self.bar.add_task("", total=1.0, figures="")
            self.bar.update(self.task, completed=event.share, figures=event.what)
        elif isinstance(event, Step):
            self._step(event)
        elif not isinstance(event, Epoch):
            self.started, self.seconds, self.rate = event, 0.0, 0.0
            if self.task is not None:
                self.bar.remove_task(self.task)
            self.task = self.bar.add_task(event.model, total=1.0, figures="")

    def _step(self, step: Step) -> None:
        if self.bar.disable or self.task is None or self.started is None:
            return
        self.seconds += step.seconds
        rate = step.examples / step.seconds
        self.rate = rate if not self.rate else (1 - _SMOOTHING) * self.rate + _SMOOTHING * rate
        begun = (step.epoch - 1) * self.started.examples
        done = begun + step.step * step.examples % max(1, self.started.examples)
        share = self.started.limit.share(
            done / max(1, self.started.examples), step.step, self.seconds
        )
        self.bar.update(self.task, completed=min(1.0, share), figures=self._figures(step))

    def _figures(self, step: Step) -> str:
        parts: list[Any] = [f"epoch {step.epoch}"]
        parts += [f"loss {step.loss:.3f}"] if step.loss is not None else []
        parts += [f"acc {step.accuracy:.0%}"] if step.accuracy is not None else []
        parts.append(f"{self.rate:,.0f}/s")
        memory = _memory()
        return " ".join([*parts, *([format_bytes(memory)] if memory else [])])


def _memory() -> int | None:
    from ..bench.machine import memory_in_use  # imports torch

    return memory_in_use()


def watched(call: Callable[[Callable[[Any], None]], T]) -> T:
    """Call a function that runs models, and show its progress. Models print to standard error."""
    with running_models(), fast_torch_import(postponing=False):
        from ..bench.fabric import is_first_process

        if not is_first_process():
            return call(lambda event: None)
        with Progress() as progress:
            return call(progress.watch)
