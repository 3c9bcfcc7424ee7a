"""Models trained one after the other by one protocol, and what was measured."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from msgspec import structs

from ..analysis.results import Tool
from ..inputs import as_input, parse_input
from ..version import __version__
from .building import Subject, subject
from .checks import check
from .fitting import largest_batch
from .folder import RunFolder
from .placing import environment, is_first_process, placed, processes
from .prediction import peaks_of
from .results import Benchmark, DataFacts, Epoch, Job, Protocol, Run, Step
from .timing import comparison_notes
from .work import Started, Watch, Work


def measure_models(
    models: tuple[str, ...],
    input: str | tuple[int, ...] | None,
    arguments: Mapping[str, Any] | None,
    output: str | Path | None,
    watch: Watch | None,
    protocol: Mapping[str, Any],
) -> Benchmark:
    """Train models one after the other; `protocol` has fields of `Protocol`."""
    fitted = protocol.get("batch_size") == "auto"
    chosen = Protocol(**{**protocol, **({"batch_size": 1} if fitted else {})})
    sizes = () if input is None else (str(as_input(input)),)
    job = Job(models=models, inputs=sizes, arguments=dict(arguments or {}), protocol=chosen)
    check(job)
    peaks_of(chosen, None)  # refused here if they cannot be read
    folder = None if output is None else RunFolder(Path(output))
    if folder is not None and is_first_process():
        folder.check_new()
    return _done(job, folder, watch or _unwatched, resumed=False, fitted=fitted)


def resume_run(output: str | Path, watch: Watch | None) -> Benchmark:
    """Go on with the run in a folder."""
    folder = RunFolder(Path(output))
    return _done(folder.job(), folder, watch or _unwatched, resumed=True)


def _fitted(job: Job, fabric: Any, watch: Watch) -> Job:
    """The job with the largest batch: the first process tries, and tells the others."""
    found = largest_batch(job, processes()) if is_first_process() else 0
    size: int = fabric.broadcast(found)
    watch(f"batches of {size} are the largest that fit")
    return structs.replace(job, protocol=structs.replace(job.protocol, batch_size=size))


def _unwatched(event: Started | Step | Epoch | str) -> None:
    pass


def _done(
    job: Job, folder: RunFolder | None, watch: Watch, resumed: bool, fitted: bool = False
) -> Benchmark:
    with placed(job.protocol) as fabric:
        if fitted:
            job = _fitted(job, fabric, watch)
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
        for number, spec in enumerate(job.models, start=1):
            kept = _finished(earlier, spec)
            with fabric.rank_zero_first(local=True):  # one process of a machine downloads
                made = subject(spec, inputs, job.arguments, job.protocol)
            if folder is not None and first and not resumed and number == 1:
                folder.begin(job, where)  # not before: a name that is misspelt leaves no folder
            work = Work(number, made, job.protocol, fabric, folder, first, watch, resumed)
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
    tested = len(data.test) if data.test else 0
    return DataFacts(data.name, len(data.train), tested, data.classes)
