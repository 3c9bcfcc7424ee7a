"""Running cnnstat and the other counters in processes of their own, with limits."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from peers import OURS, Counter, Model, count_program, import_program

GIB = 2**30
_NO_MEMORY = "can't allocate memory", "Cannot allocate memory", "MemoryError", "bad_alloc"


@dataclass(frozen=True)
class Limits:
    seconds: float
    memory: int


@dataclass(frozen=True)
class Run:
    """One process: CPU seconds (user + system), wall seconds, peak resident bytes.

    `answer` is the JSON that it printed; `failure` says why there is none.
    """

    cpu: float
    wall: float
    peak: int
    answer: dict[str, Any] | None = None
    failure: str | None = None


def run(command: Sequence[str], limits: Limits, extra_path: str = "") -> Run:
    """Run a command to its end or to a limit, whichever comes first."""
    paths = filter(None, (extra_path, os.environ.get("PYTHONPATH")))
    environment = os.environ | {"OMP_WAIT_POLICY": "PASSIVE", "HF_HUB_OFFLINE": "1",
                                "PYTHONPATH": os.pathsep.join(paths)}  # fmt: skip
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        began = time.perf_counter()
        process = subprocess.Popen(
            command, stdout=out, stderr=err, env=environment,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limits.memory,) * 2),
        )  # fmt: skip
        timer = threading.Timer(limits.seconds, process.kill)
        timer.start()
        _, status, usage = os.wait4(process.pid, 0)
        timer.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        wall = time.perf_counter() - began
        out.seek(0), err.seek(0)
        failure = failure_of(process.returncode, err.read().decode(errors="replace"), wall, limits)
        answer = None if failure else answer_in(out.read().decode(errors="replace"))
    peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return Run(usage.ru_utime + usage.ru_stime, wall, peak, answer, failure)


def failure_of(returncode: int, errors: str, wall: float, limits: Limits) -> str | None:
    if returncode == 0:
        return None
    if wall >= limits.seconds:
        return f"not done after {limits.seconds:g} s"
    lines = [line for line in errors.splitlines() if line.strip()] or [f"status {returncode}"]
    if any(mark in errors for mark in _NO_MEMORY):
        return f"needs more than {limits.memory / GIB:g} GiB"
    if "No module named" in lines[-1]:
        return f"{lines[-1]} (pip install -r benchmarks/requirements.txt)"
    # The exception's line, or ours: what follows a cnnstat error is indented.
    reasons = [line for line in lines if not line.startswith(" ")]
    return (reasons or lines)[-1][:120]


def answer_in(output: str) -> dict[str, Any] | None:
    """What a counting program printed last, or `cnnstat … --format json` in all."""
    lines = output.strip().splitlines()
    if not lines:
        return None
    answer: dict[str, Any] = json.loads(output if lines[0].startswith("{") else lines[-1])
    totals: dict[str, Any] = answer.get("totals", answer)
    return totals


@dataclass(frozen=True)
class Pairs:
    """The runs of one counter on one model, and those of cnnstat beside them.

    `counted` are cnnstat's runs as a library, on a built model.
    """

    ours: tuple[Run, ...] = ()
    counted: tuple[Run, ...] = ()
    theirs: tuple[Run, ...] = ()
    failure: str | None = None

    def ratios(self) -> list[float]:
        """How many times cnnstat's CPU seconds the other took, whole processes."""
        return [t.cpu / o.cpu for o, t in zip(self.ours, self.theirs, strict=True)]

    def count_ratios(self) -> list[float]:
        """The same from the built model to the answer."""
        return [seconds(t) / seconds(o) for o, t in zip(self.counted, self.theirs, strict=True)]


def seconds(run: Run) -> float:
    assert run.answer is not None
    return max(float(run.answer["seconds"]), 1e-4)  # the clock may not tick in a short one


@dataclass(frozen=True)
class Bench:
    runs: int
    limits: Limits
    peer_path: str
    before: str
    imported: dict[tuple[str, str], str | None] = field(default_factory=dict)

    def cnnstat(self, model: Model) -> Run:
        command = ["shapes", model.spec, *model.options, "--format", "json"]
        return run([sys.executable, "-m", "cnnstat", *command], self.limits)

    def program(self, make: Callable[..., str], model: Model, counter: Counter) -> Run:
        path = "" if counter is OURS else self.peer_path
        code = make(model, counter, self.before)
        return run([sys.executable, "-c", code], self.limits, path)

    def pairs(self, model: Model, counter: Counter) -> Pairs:
        """`runs` pairs, or the reason why the counter gives no answer."""
        key = model.library, counter.load
        if key not in self.imported:  # once, which fills the file cache too
            self.imported[key] = self.program(import_program, model, counter).failure
        if self.imported[key]:
            return Pairs(failure=self.imported[key])
        rows = []
        for _ in range(self.runs):
            row = (
                self.cnnstat(model),
                self.program(count_program, model, OURS),
                self.program(count_program, model, counter),
            )
            for place, result in zip(("cnnstat: ", "cnnstat.analyze: ", ""), row, strict=True):
                if result.failure:
                    return Pairs(failure=place + result.failure)
            assert row[2].answer is not None
            if row[2].answer["macs"] is None:
                return Pairs(failure="gives no figure")
            rows.append(row)
        ours, counted, theirs = zip(*rows, strict=True)
        return Pairs(ours, counted, theirs)
