"""`measure`: models trained one after the other by one protocol, and what was measured."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from msgspec import structs

from ..analysis.benchmark.records import (
    Benchmark,
    DataFacts,
    Epoch,
    Job,
    Protocol,
    Run,
    Status,
    Step,
)
from ..analysis.benchmark.timing import comparison_notes, learning_notes, timing, timing_notes
from ..analysis.records import Tool
from ..errors import ModelError
from ..shapes import as_input, parse_input
from ..version import __version__
from .building import Subject, subject
from .checks import check
from .folder import Checkpoint, RunFolder
from .placing import environment, is_first_process, placed
from .readings import DivergedError
from .schedule import Limit, Position, base_rate, limit_of
from .session import Session


@dataclass(frozen=True)
class Started:
    """A model is about to be trained."""

    model: str
    limit: Limit
    batch_size: int
    examples: int


Watch = Callable[[Started | Step | Epoch | str], None]
"""Is told everything as it happens; a text is a note."""


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
        protocol: the fields of `Protocol`: `data="fashion-mnist"`, `epochs=10`, `lr=0.1`, …

    Raises:
        UsageError: an argument cannot be understood.
        ModelError: a model does not fit the data or cannot be trained; DivergedError if its loss
            is no number any more.
        OutputError: the folder cannot be written.
    """
    chosen = Protocol(**protocol)
    sizes = () if input is None else (str(as_input(input)),)
    job = Job(models=models, inputs=sizes, arguments=dict(arguments or {}), protocol=chosen)
    folder = None if output is None else RunFolder(Path(output))
    return _done(job, folder, watch or _unwatched, resumed=False)


def resume(output: str | Path, watch: Watch | None = None) -> Benchmark:
    """Go on with a run that was interrupted, from the end of its last whole epoch.

    Raises:
        ModelError: the folder holds no run.
    """
    folder = RunFolder(Path(output))
    return _done(folder.job(), folder, watch or _unwatched, resumed=True)


def _unwatched(event: Started | Step | Epoch | str) -> None:
    pass


def _done(job: Job, folder: RunFolder | None, watch: Watch, resumed: bool) -> Benchmark:
    check(job)
    with placed(job.protocol) as fabric:
        where = environment(fabric.device, fabric.world_size)
        first = is_first_process()
        earlier = folder.result() if folder is not None and resumed else None
        if folder is not None and first and not resumed:
            folder.begin(job, where)
        result = Benchmark(
            tool=Tool(__version__, str(torch.__version__), platform.python_version()),
            protocol=job.protocol,
            environment=where,
            data=DataFacts(job.protocol.data, 0, 0, 0, None),
            runs=(),
            notes=(),
        )
        for number, spec in enumerate(job.models, start=1):
            kept = _finished(earlier, spec)
            made = subject(spec, [parse_input(text) for text in job.inputs], job.arguments,
                           job.protocol)  # fmt: skip
            work = _Work(number, made, job.protocol, fabric, folder, first, watch, resumed)
            run, failure = (kept, None) if kept else work.run()
            runs = (*result.runs, run)
            result = structs.replace(result, runs=runs, data=_facts(made),
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


def _facts(made: Subject) -> DataFacts:
    data = made.data
    return DataFacts(
        data.name, len(data.train), len(data.test) if data.test else 0, data.classes, made.image
    )


@dataclass
class _Work:
    """The training of one model: what it needs, and what it has seen."""

    number: int
    subject: Subject
    protocol: Protocol
    fabric: Any
    folder: RunFolder | None
    first: bool
    watch: Watch
    resumed: bool

    def run(self) -> tuple[Run, ModelError | None]:
        """Train; where memory does not suffice, again with half the batch.

        The error is that of a loss that diverged: what was measured until then is in the run.
        """
        self.notes: list[str] = []
        while True:
            try:
                return self._attempt()
            except Exception as error:
                size = self.protocol.batch_size
                if not _is_out_of_memory(error) or size == 1:
                    raise
                if self.fabric.world_size > 1:
                    raise ModelError(
                        f"batches of {size} do not fit into memory",
                        hint=f"--batch-size {size // 2}",
                    ) from error
            self.resumed = False
            self.protocol = structs.replace(self.protocol, batch_size=size // 2)
            self._note(f"batches of {size} did not fit into memory: {size // 2} are taken")
            if self.fabric.device.type == "cuda":
                torch.cuda.empty_cache()

    def _note(self, text: str) -> None:
        self.notes.append(text)
        self.watch(text)

    def _attempt(self) -> tuple[Run, ModelError | None]:
        spec, limit = self.subject.loaded.spec, limit_of(self.protocol)
        steps, epochs, session = self._prepared(limit)
        self.watch(Started(spec, limit, self.protocol.batch_size, len(self.subject.data.train)))
        status: Status = "finished"
        failure: ModelError | None = None
        try:
            for record in session.records():
                self.watch(record)
                if isinstance(record, Step):
                    steps.append(record)
                    if self.folder is not None and self.first:
                        self.folder.add(record)
                    session.readings.check(record)
                else:
                    epochs.append(record)
                    self._save(session, epochs)
        except KeyboardInterrupt:
            status = "interrupted"
        except DivergedError as error:
            status, failure = "diverged", error
        return self._summary(session, steps, epochs, status), failure

    def _prepared(self, limit: Limit) -> tuple[list[Step], list[Epoch], Session]:
        """A session, with what was done before if the run is resumed."""
        known = None
        if self.folder is not None and self.resumed:
            known = self.folder.checkpoint(self.number)
        spec = self.subject.loaded.spec
        if known is None:
            if self.folder is not None and self.first:
                self.folder.steps(spec, until=0)
            return [], [], Session(self.subject, self.protocol, limit, self.fabric)
        self.protocol = structs.replace(self.protocol, batch_size=known.batch_size)
        session = Session(
            self.subject, self.protocol, limit, self.fabric, known.state, known.position
        )
        assert self.folder is not None
        steps = self.folder.steps(spec, until=known.position.step) if self.first else []
        return steps, list(known.epochs), session

    def _save(self, session: Session, epochs: Sequence[Epoch]) -> None:
        if self.folder is None or not self.first:
            return
        last = epochs[-1]
        position = Position(last.epoch, last.step, session.readings.seconds)
        batch_size = self.protocol.batch_size
        self.folder.save(
            self.number, Checkpoint(position, tuple(epochs), batch_size, session.state())
        )

    def _summary(
        self, session: Session, steps: Sequence[Step], epochs: Sequence[Epoch], status: Status
    ) -> Run:
        analysis, found = self.subject.analysis, timing(steps)
        memory, kind = session.peak_memory()
        notes = [*self.notes, *(timing_notes(found) if found else ())]
        if self.subject.data.test is not None:
            notes += learning_notes(epochs, self.subject.data.classes)
        return Run(
            model=analysis.model,
            input=self.subject.image,
            params=analysis.totals.params,
            macs=analysis.totals.macs // analysis.inputs[0].shape[0],
            batch_size=self.protocol.batch_size,
            learning_rate=None if self.protocol.inference else base_rate(self.protocol),
            status=status,
            steps=len(steps),
            epochs=tuple(epochs),
            timing=found,
            memory_bytes=memory,
            memory_kind=kind,
            notes=tuple(notes),
        )


def _is_out_of_memory(error: Exception) -> bool:
    if isinstance(error, torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
