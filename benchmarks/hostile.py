"""Hostile inputs from a seed: files, tables, command lines and user code that make no sense.

    python benchmarks/hostile.py [--cases 5000] [--seed 0] [--kind onnx …] [--keep DIR]
    python benchmarks/hostile.py --one onnx:17         # one case: its folder, command and output

Whatever a file or a line of user code contains, cnnstat answers with a result or with one clear
message, within seconds. Each case is a command line in a folder of its own. Counted are: a "fault
of cnnstat", a traceback, an exit status outside 0, 1, 2, 3 and 130, a success without output, a
failure without a message or with one too long to read, control characters in the output, a warning
of a library, a case that takes longer than `SECONDS` or more than `MEMORY`, a process that dies.

The cases run in one worker process, by the function that the command line calls, and in a process
of their own where the environment matters. A worker that hangs or dies is replaced.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import random
import re
import resource
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import hostile_code
import hostile_files
import hostile_onnx
from hostile_cases import Case

KINDS: dict[str, Callable[[random.Random], Case]] = {
    "onnx": hostile_onnx.onnx_case,
    "analysis": hostile_files.analysis_case,
    "exported": hostile_files.exported_case,
    "config": hostile_files.config_case,
    "pyproject": hostile_code.pyproject_case,
    "command": hostile_code.command_case,
    "code": hostile_code.code_case,
    "environment": hostile_code.environment_case,
}
SHARES = {"onnx": 8, "analysis": 6, "exported": 6, "config": 1, "pyproject": 3, "command": 5,
          "code": 4, "environment": 1}  # fmt: skip
"""How many of each kind in a run of all; one that needs a process of its own takes seconds."""

SECONDS = 10.0  # of the processor that a case may take, unless it says otherwise
PATIENCE = 180.0  # seconds until a process that neither answers nor ends is stopped
MEMORY = 2 << 30  # bytes that the peak of the process may grow by
LONGEST = 20_000  # bytes of a message on standard error
STATUSES = (0, 1, 2, 3, 130)
LIMIT = 8 << 30  # bytes of address space: beyond it, an allocation fails


@dataclass(frozen=True)
class Outcome:
    """What a case did; `status` is None if its process hung or died, `reason` then says how."""

    status: int | None
    out: str
    err: str
    seconds: float
    grown: int = 0
    reason: str = ""
    limit: float = SECONDS

    @property
    def fault(self) -> str:
        """What is amiss, or an empty string."""
        if self.status is None:
            return self.reason
        if "fault of cnnstat" in self.err:
            return "fault of cnnstat"
        if "Traceback (most recent call last)" in self.err:
            return "traceback"
        if self.status not in STATUSES:
            return f"exit status {self.status}"
        if self.status == 0 and not self.out.strip():
            return "no output"
        if self.status in (1, 2) and not self.err.strip():
            return "no message"
        if len(self.err) > LONGEST:
            return "long message"
        for text in (_STYLE.sub("", self.out), _STYLE.sub("", self.err)):
            if found := next(filter(is_control, text), None):
                return f"control character {found!r}"
        if re.search(r"site-packages.*Warning: |cnnstat/.*Warning: ", self.err):
            return "warning of a library"
        if self.seconds > self.limit:
            return "timeout"
        return "memory" if self.grown > MEMORY else ""


_STYLE = re.compile(r"\x1b\[[0-6;]+m")
"""A style or colour of cnnstat's; hostile texts have another, 7."""


def is_control(character: str) -> bool:
    """Whether a terminal or an editor may act on the character instead of showing it."""
    category = unicodedata.category(character)
    return (
        character != "\n" and category in ("Cc", "Cs", "Zl", "Zp")
    ) or character in BIDIRECTIONAL


BIDIRECTIONAL = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


def case_of(kind: str, number: int, seed: int = 0) -> Case:
    """The case `number` of a kind: the same for the same seed."""
    return KINDS[kind](random.Random(f"{kind} {seed} {number}"))


def chosen(cases: int, kinds: Sequence[str]) -> Iterator[tuple[str, int]]:
    """The kinds and numbers of `cases` cases, in proportion to `SHARES`."""
    total = sum(SHARES[kind] for kind in kinds)
    for kind in kinds:
        for number in range(max(1, round(cases * SHARES[kind] / total))):
            yield kind, number


# Running


def run_all(cases: Iterable[Case], folder: Path) -> Iterator[Outcome]:
    """The outcomes of the cases, in order; each runs in a folder of its own below `folder`."""
    worker = None
    try:
        for index, case in enumerate(cases):
            place = folder / str(index)
            write(case, place)
            if case.environment is not None:
                yield run_alone(case, place)
                continue
            worker = worker or Worker()
            outcome = worker.run(place)
            outcome = replace(outcome, out=outcome.out or _elsewhere(case), limit=case.seconds)
            if outcome.status is None:
                worker.stop()
                worker = None
            yield outcome
    finally:
        if worker is not None:
            worker.stop()


def write(case: Case, place: Path) -> None:
    (place / "files").mkdir(parents=True)
    for name, content in case.files.items():
        file = os.path.join(os.fsencode(place / "files"), os.fsencode(name))
        os.makedirs(os.path.dirname(file), exist_ok=True)
        with open(file, "wb") as out:
            out.write(content)
    for name, target in case.links.items():
        os.symlink(target, place / "files" / name)
    (place / "command.json").write_text(json.dumps(case.command), encoding="utf-8")


def run_alone(case: Case, place: Path) -> Outcome:
    begun = _processor_time(resource.RUSAGE_CHILDREN)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **(case.environment or {})}
    command = [sys.executable, "-m", "cnnstat", *case.command]
    with contextlib.ExitStack() as stack:
        out = stack.enter_context(open(case.stdout, "wb")) if case.stdout else subprocess.PIPE
        try:
            done = subprocess.run(
                [os.fsencode(word) for word in command], stdin=subprocess.DEVNULL, stdout=out,
                stderr=subprocess.PIPE, env=environment, cwd=place / "files", timeout=PATIENCE,
                preexec_fn=lambda: _limit_processor_time(3 * SECONDS),
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return Outcome(None, "", "", PATIENCE, reason="timeout")
    # starting the interpreter and importing torch is not the case's time
    seconds = max(0.0, _processor_time(resource.RUSAGE_CHILDREN) - begun - SECONDS)
    if done.returncode < 0:
        return Outcome(None, "", _text(done.stderr), seconds, reason=_death(done.returncode))
    shown = _text(done.stdout or b"") or _elsewhere(case)
    return Outcome(done.returncode, shown, _text(done.stderr), seconds)


class Worker:
    """A process that runs cases one after another, each named by its folder."""

    def __init__(self) -> None:
        program = [sys.executable, __file__, "--worker"]
        self.process = subprocess.Popen(
            program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            text=True, env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONIOENCODING": "utf-8"},
        )  # fmt: skip
        self._answer()  # it has imported torch

    def run(self, place: Path) -> Outcome:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{place}\n")
        self.process.stdin.flush()
        answer = self._answer()
        out, err = (
            _text((place / name).read_bytes()) if (place / name).exists() else ""
            for name in ("out", "err")
        )
        if answer is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(1)
            return Outcome(None, out, err, 3 * SECONDS, reason=_death(self.process.poll()))
        return Outcome(answer["status"], out, err, answer["seconds"], answer["grown"])

    def _answer(self) -> dict | None:
        assert self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], PATIENCE)
        line = self.process.stdout.readline() if ready else ""
        return json.loads(line) if line else None

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


def work() -> None:
    """Run the cases whose folders come on standard input, and answer on standard output."""
    resource.setrlimit(resource.RLIMIT_AS, (LIMIT, LIMIT))
    answers = os.fdopen(os.dup(1), "w")
    import torch  # noqa: F401  # before the limits of a case

    from cnnstat.cli.main import run

    print("{}", file=answers, flush=True)
    for line in sys.stdin:
        place = Path(line.rstrip("\n"))
        command = json.loads((place / "command.json").read_text(encoding="utf-8"))
        before, begun = _peak(), _processor_time(resource.RUSAGE_SELF)
        _limit_processor_time(begun + 3 * SECONDS)
        os.chdir(place / "files")
        for number, name in ((1, "out"), (2, "err")):
            file = os.open(place / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(file, number)
            os.close(file)
        sys.stdout, sys.stderr = (
            open(number, "w", encoding="utf-8", closefd=False, errors=errors)  # noqa: SIM115  # for the whole case
            for number, errors in ((1, "strict"), (2, "backslashreplace"))
        )
        try:
            status = run(command)
        except BaseException:  # what `run` lets through ends the command line with a traceback
            import traceback

            traceback.print_exc()
            status = 1
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        os.chdir("/")
        seconds = _processor_time(resource.RUSAGE_SELF) - begun
        answer = {"status": status, "seconds": seconds, "grown": _peak() - before}
        print(json.dumps(answer), file=answers, flush=True)


def _limit_processor_time(seconds: float) -> None:
    """End this process with SIGXCPU when it has used so much, in all."""
    _, most = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(seconds), most))


def _processor_time(whose: int) -> float:
    """In seconds: that of other programs on a busy machine does not count."""
    used = resource.getrusage(whose)
    return used.ru_utime + used.ru_stime


def _death(code: int | None) -> str:
    """Why a process gave no answer; `code` is that of `Popen.poll`."""
    return "timeout" if code in (None, -signal.SIGXCPU) else f"died with {code}"


def _elsewhere(case: Case) -> str:
    written = case.stdout or any(word.startswith(("--output", "-o")) for word in case.command)
    return "written to a file" if written else ""


def _peak() -> int:
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _text(content: bytes) -> str:
    return content.decode("utf-8", "surrogateescape")


# The command line


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--cases", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kind", action="append", choices=KINDS)
    parser.add_argument("--keep", type=Path, help="copy the folders of faulty cases to DIR")
    parser.add_argument("--one", metavar="KIND:NUMBER", help="run one case and show everything")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        work()
        return
    names = list(chosen(options.cases, options.kind or list(KINDS)))
    if options.one:
        kind, _, number = options.one.partition(":")
        names = [(kind, int(number))]
    cases = (case_of(kind, number, options.seed) for kind, number in names)
    faults: Counter[str] = Counter()
    ended: Counter[tuple[str, int | None]] = Counter()
    with tempfile.TemporaryDirectory(prefix="hostile-") as folder:
        for index, outcome in enumerate(run_all(cases, Path(folder))):
            kind, number = names[index]
            ended[kind, outcome.status] += 1
            if options.one:
                print(outcome, "fault:", outcome.fault or "none")
            if outcome.fault:
                faults[outcome.fault] += 1
                last = outcome.err.strip().splitlines()[:1]
                print(
                    f"{kind}:{number}  {outcome.fault}  {ascii(' '.join(last))[:200]}", flush=True
                )
            if (outcome.fault or options.one) and options.keep:
                target = options.keep / f"{kind}-{number}"
                shutil.copytree(Path(folder) / str(index), target, symlinks=True)
            shutil.rmtree(Path(folder) / str(index), ignore_errors=True)
    for kind in dict.fromkeys(kind for kind, _ in names):
        counts = {str(status): n for (k, status), n in sorted(ended.items(), key=str) if k == kind}
        print(f"{kind}: {sum(counts.values())} cases, by exit status {counts}")
    print(f"{sum(faults.values())} faults of {len(names)} cases", dict(faults) or "")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
