"""The outputs of cnnstat over many models, written into a folder: the safety net of a refactoring.

    python benchmarks/freeze.py DIR [--jobs 2] [--only PATTERN] [--sample]
    python benchmarks/freeze.py --compare DIR1 DIR2 [--only PATTERN] [--sample] [--lines 20]
    python benchmarks/freeze.py --list

Freeze before a change and after it, then compare: what only moves or renames code leaves every byte
as it was. The cnnstat that Python imports is used, by its commands and public functions alone, so
set PYTHONPATH to the `src` of the tree that is to be frozen. All takes about six minutes on two
cores, `--sample` half a minute. `--only` is a pattern of case paths, as in a shell, and repeatable:
'zoo/nin/*'.

A case (`frozen_cases.py`) is run in a process of its own, forked from one that has imported the
libraries, so no case influences another. Its standard output is kept in DIR/GROUP/MODEL/CASE.json
(or .txt, .md, …); the exit status and standard error beside it, in CASE.err, unless the status is 0
and nothing was said. Replaced are absolute paths, memory addresses, the seconds that `verify`
measures, and the place inside cnnstat that a warning names. DIR/seconds.tsv has the time of every
case; it is not compared.
"""

from __future__ import annotations

import argparse
import ast
import atexit
import contextlib
import difflib
import gc
import os
import re
import runpy
import shutil
import signal
import sys
import tempfile
import termios
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from importlib import import_module
from pathlib import Path
from typing import NoReturn

import frozen_files
from frozen_cases import SAMPLE, Case, all_cases

LIMIT = 600.0  # seconds that a case may take, on a machine that others use too
FAULT = 70  # the exit status of a case that this script could not run
SECONDS = "seconds.tsv"
ENVIRONMENT = {"COLUMNS": "80", "LINES": "24", "OMP_NUM_THREADS": "1", "PYTHONIOENCODING": "utf-8",
               "TERM": "xterm-256color", "TQDM_DISABLE": "1"}  # fmt: skip
UNSET = ("NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE", "PYTHONWARNINGS")


# Running one case, in its own process


def run_command(words: Sequence[str]) -> int:
    """Run one command line as `python -m cnnstat` does. It may end the process by itself."""
    sys.argv = ["cnnstat", *words]
    try:
        runpy.run_module("cnnstat", run_name="__main__")
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
    return 0


def run_process(words: Sequence[str]) -> NoReturn:
    os.execv(sys.executable, [sys.executable, "-m", "cnnstat", *words])


def run_in_terminal(words: Sequence[str]) -> int:
    """Run the command on a terminal of 80 columns, and print what it wrote there."""
    master, slave = os.openpty()
    termios.tcsetwinsize(slave, (24, 80))

    def on_terminal() -> int:
        os.close(master)
        redirect(slave, slave)
        return run_command(words)

    pid = forked(on_terminal)
    os.close(slave)
    while text := _read(master):
        os.write(1, text)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # Linux says so when the other end is closed
        return b""


def run_for_files(words: Sequence[str]) -> int:
    """Run the command in an empty folder, and print the files that it wrote there."""
    folder = Path(tempfile.mkdtemp(dir="."))
    os.chdir(folder)
    status = os.waitpid(forked(lambda: run_command(words)), 0)[1]
    for file in sorted(Path().iterdir()):
        print(f"=== {file.name}\n{file.read_text()}")
    return os.waitstatus_to_exitcode(status)


def explain_rows(case: Case) -> int:
    """Print the explanations of a model's rows, each as a report and as JSON."""
    import msgspec

    import cnnstat

    model = case.model
    assert model is not None
    given = (text.split("=", 1) for text in model.arguments)
    arguments = {name: ast.literal_eval(value) for name, value in given}
    try:
        layers = cnnstat.analyze(model.spec, *model.inputs, arguments=arguments).layers
    except cnnstat.CnnstatError as error:
        print(error)
        return error.exit_status
    for layer in layers[:: -(-len(layers) // case.rows)]:
        row = f"{layer.path}#{layer.call + 1}" if layer.call else layer.path
        print(f"=== {row}")
        try:
            found = cnnstat.explain(model.spec, row, *model.inputs, arguments=arguments)
        except cnnstat.CnnstatError as error:
            print(error)
            continue
        text = msgspec.json.format(msgspec.json.encode(found, enc_hook=repr), indent=1)
        print(f"{found!r}\n{text.decode()}")
    return 0


def use_object(case: Case) -> int:
    """Print what the public functions tell of a module that was built, as text and as HTML."""
    import cnnstat

    model = case.model
    assert model is not None
    file, _, name = model.spec.partition(":")
    network = runpy.run_path(file)[name]()
    calls = {cnnstat.analyze: {}, cnnstat.memory: {}, cnnstat.roofline: {"device": "h100"}}
    for function, settings in calls.items():
        print(f"=== {function.__name__}")
        try:
            result = function(network, *model.inputs, **settings)
        except cnnstat.CnnstatError as error:
            print(error)
            continue
        print(f"{result!r}\n{result._repr_html_()}")
    return 0


def perform(case: Case) -> int:
    if case.kind in ("rows", "object"):
        return explain_rows(case) if case.kind == "rows" else use_object(case)
    runs = {"command": run_command, "process": run_process, "terminal": run_in_terminal,
            "files": run_for_files}  # fmt: skip
    return runs[case.kind](case.words)


def forked(action: Callable[[], int]) -> int:
    """Start a process that does `action` and ends with its status; return the process id."""
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        return pid
    status = FAULT
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    atexit._clear()  # what libraries do at exit takes as long as a small case
    try:
        status = action()
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:  # a case may raise anything; it is printed
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(status)


def redirect(out: int, err: int) -> None:
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(out, 1)
    os.dup2(err, 2)
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115  # for the whole case
    sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115  # for the whole case


# Running all


@dataclass(frozen=True)
class Frozen:
    """What came of a case; `status` is None if it did not end in time."""

    case: Case
    out: str
    err: str
    status: int | None
    seconds: float


def run_all(cases: Sequence[Case], scratch: Path, jobs: int) -> Iterator[Frozen]:
    """Run the cases, so many at a time, each in a process forked from this one."""
    waiting = list(reversed(cases))
    running: dict[int, tuple[Case, float]] = {}
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                case = waiting.pop()
                running[start(case, scratch)] = (case, time.monotonic())
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid in running:
                case, begun = running.pop(pid)
                yield collect(case, scratch, os.waitstatus_to_exitcode(status), begun)
                continue
            for pid, (case, begun) in list(running.items()):
                if time.monotonic() - begun > LIMIT:
                    del running[pid]
                    end(pid)
                    yield collect(case, scratch, None, begun)
            time.sleep(0.002)
    finally:  # stopped, by Ctrl-C for one
        for pid in running:
            end(pid)


def end(pid: int) -> None:
    """End a case, with the processes that it started itself."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def start(case: Case, scratch: Path) -> int:
    def action() -> int:
        os.setpgid(0, 0)
        files = [os.open(file, os.O_WRONLY | os.O_CREAT) for file in outputs(case, scratch)]
        redirect(*files)
        os.chdir(scratch / case.folder)
        return perform(case)

    return forked(action)


def outputs(case: Case, scratch: Path) -> tuple[Path, Path]:
    name = case.path.replace("/", " ")
    return scratch / f"{name}.out", scratch / f"{name}.err"


def collect(case: Case, scratch: Path, status: int | None, begun: float) -> Frozen:
    seconds = time.monotonic() - begun
    out, err = (masked(file.read_text(errors="replace"), case, scratch)
                for file in outputs(case, scratch))  # fmt: skip
    for file in outputs(case, scratch):
        file.unlink()
    return Frozen(case, out, err, status, seconds)


def masked(text: str, case: Case, scratch: Path) -> str:
    """The text without what differs between machines, trees and runs."""
    for path, name in places(scratch):
        text = text.replace(path, name)
    text = re.sub(r"<cnnstat>/\S+\.py:\d+: (\w*Warning: .*)\n  .*", r"<cnnstat>: \1", text)
    text = re.sub(r"\b0x[0-9a-f]{6,}\b", "0x…", text)
    if "verify" in case.words:
        text = re.sub(r'("seconds": ?)[0-9.e+-]+', r"\g<1>0", text)
    return text


def places(scratch: Path) -> list[tuple[str, str]]:
    """Absolute paths and what stands for them, those inside others first."""
    import cnnstat

    named = {
        scratch: "<scratch>",
        Path(cnnstat.__file__).parent: "<cnnstat>",
        Path(__file__).resolve().parent.parent: "<repository>",
        Path(sys.prefix): "<prefix>",
        Path(os.__file__).parent: "<python>",
        Path.home(): "<home>",
    }
    known = {str(form): name for path, name in named.items() for form in (path, path.resolve())}
    return sorted(((p, n) for p, n in known.items() if len(p) > 1), key=lambda p: -len(p[0]))


def keep(frozen: Frozen, folder: Path) -> None:
    """Write the files of a case in the place of those it had."""
    file = folder / (frozen.case.path + frozen.case.suffix)
    file.parent.mkdir(parents=True, exist_ok=True)
    for old in file.parent.glob(f"{file.stem}.*"):
        old.unlink()
    file.write_text(frozen.out)
    if frozen.err or frozen.status != 0:
        ended = f"exit status {frozen.status}" if frozen.status is not None else "not in time"
        file.with_suffix(".err").write_text(f"{ended}\n{frozen.err}")


def import_what_is_used(cases: Sequence[Case]) -> None:
    """Import once what the cases need, by way of cnnstat where that matters."""
    import torch

    import cnnstat

    torch.set_num_threads(1)
    everything = "\n".join(case.line for case in cases if case.kind != "process")
    for spec, arguments in {
        "torchvision:squeezenet1_1": {},
        "timm:resnet18": {},
        "transformers:bert": {"num_hidden_layers": 1},
    }.items():
        if spec.partition(":")[0] + ":" in everything:
            cnnstat.analyze(spec, arguments=arguments)
    needed = {"onnx": "onnx", "verify": "fvcore.nn torchinfo",
              "": "jinja2 matplotlib.font_manager tabulate typer"}  # fmt: skip
    for word, modules in needed.items():
        for module in modules.split() if word in everything else ():
            import_module(module)
    cnnstat.formulas("lenet", "N,1,28,28")
    for result in (
        cnnstat.analyze("lenet", training=True), cnnstat.explain("lenet", "conv1"),
        cnnstat.memory("lenet", fsdp=2), cnnstat.roofline("lenet", device="h100"),
    ):  # fmt: skip
        repr(result)
    gc.collect()
    gc.freeze()  # so that no case copies what collecting would mark


def freeze(cases: Sequence[Case], folder: Path, jobs: int) -> int:
    """Run the cases and write their outputs; return how many this script could not run."""
    scratch = Path(tempfile.mkdtemp(prefix="freeze-")).resolve()  # removed by this process alone
    faults: list[str] = []
    seconds: dict[str, float] = {}
    try:
        os.environ["XDG_CACHE_HOME"] = str(scratch / "cache")
        for name in sorted({case.folder for case in cases}):
            lay_out(name, scratch)
        import_what_is_used(cases)
        for frozen in run_all(cases, scratch, jobs):
            keep(frozen, folder)
            seconds[frozen.case.path] = frozen.seconds
            if frozen.status is None or frozen.status < 0 or frozen.status == FAULT:
                faults.append(frozen.case.path)
    finally:
        shutil.rmtree(scratch)
        note_seconds(folder / SECONDS, seconds)
    for path in faults:
        print(f"could not be run: {path}", file=sys.stderr)
    return len(faults)


def lay_out(name: str, scratch: Path) -> None:
    """In a process of its own: exporting a program imports much that no case should find."""

    def action() -> int:
        frozen_files.lay_out(name, scratch)
        return 0

    if os.waitpid(forked(action), 0)[1]:
        raise SystemExit(f"the files of {name} could not be written")


def note_seconds(file: Path, seconds: dict[str, float]) -> None:
    """Add the times to those of other runs."""
    lines = file.read_text().splitlines() if file.exists() else []
    known = dict(line.split("\t") for line in lines)
    known |= {path: f"{value:.2f}" for path, value in seconds.items()}
    file.write_text("".join(f"{path}\t{known[path]}\n" for path in sorted(known)))


# Comparing


def compare(one: Path, two: Path, patterns: Sequence[str], lines: int) -> int:
    """Print what differs between two folders; return in how many files."""
    found = [frozen_in(folder, patterns) for folder in (one, two)]
    count = 0
    for name in sorted(found[0] | found[1]):
        if name not in found[0] or name not in found[1]:
            print(f"only in {one if name in found[0] else two}: {name}\n")
        elif (one / name).read_bytes() == (two / name).read_bytes():
            continue
        else:
            print("\n".join(short_diff(one / name, two / name, lines)) + "\n")
        count += 1
    print(f"{count} of {len(found[0] | found[1])} files differ")
    return count


def frozen_in(folder: Path, patterns: Sequence[str]) -> set[str]:
    files = (file.relative_to(folder).as_posix() for file in folder.glob("*/*/*"))
    return {name for name in files if matches(name.partition(".")[0], patterns)}


def short_diff(one: Path, two: Path, lines: int) -> Iterator[str]:
    """A unified diff that begins at the first line that differs, at most so many lines of it."""
    texts = [file.read_text().split("\n") for file in (one, two)]
    first = next((i for i, (a, b) in enumerate(zip(*texts, strict=False)) if a != b),
                 min(map(len, texts)))  # fmt: skip
    # the rest of a large file is left out: comparing it line by line takes minutes
    start = max(0, first - 3)
    parts = [text[start : first + 400] for text in texts]
    diff = list(difflib.unified_diff(*parts, str(one), str(two), lineterm="", n=2))
    yield f"{diff[0]}\n{diff[1]}\nfrom line {start + 1} on:"
    yield from diff[2 : 2 + lines]
    if len(diff) > 2 + lines:
        yield f"… {len(diff) - 2 - lines} more lines"


# The command line


def matches(path: str, patterns: Sequence[str]) -> bool:
    return not patterns or any(fnmatch(path, pattern) for pattern in patterns)


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", nargs="?", type=Path, metavar="DIR", help="where to write")
    parser.add_argument("--compare", nargs=2, type=Path, metavar=("DIR1", "DIR2"))
    parser.add_argument("--list", action="store_true", help="print the cases and their commands")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="cases at a time [2]")
    parser.add_argument("--only", action="append", default=[], metavar="PATTERN")
    parser.add_argument("--sample", action="store_true", help="a small fixed part")
    parser.add_argument("--lines", type=int, default=20, metavar="N", help="of each diff [20]")
    given = parser.parse_args()
    if not (given.compare or given.list or given.folder):
        parser.error("name the folder to write to, --compare or --list")
    return given


def main() -> int:
    given = options()
    patterns = [*given.only, *(SAMPLE if given.sample else ())]
    if given.compare:
        return int(compare(*given.compare, patterns, given.lines) > 0)
    for name in UNSET:
        os.environ.pop(name, None)
    os.environ |= ENVIRONMENT
    cases = [case for case in all_cases() if matches(case.path, patterns)]
    if given.list:
        for case in cases:
            print(f"{case.path}\t{case.line}")
        return 0
    folder = given.folder
    if not patterns and folder.is_dir() and any(folder.iterdir()):
        raise SystemExit(f"{folder} is not empty: name a new folder, or cases with --only")
    folder.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the scratch folder goes
    import cnnstat

    print(f"{len(cases)} cases of {Path(cnnstat.__file__).parent}", file=sys.stderr, flush=True)
    begun = time.monotonic()
    faults = freeze(cases, folder.resolve(), max(1, given.jobs))
    print(f"{len(cases)} cases in {time.monotonic() - begun:.0f} seconds", file=sys.stderr)
    return int(faults > 0)


if __name__ == "__main__":
    sys.exit(main())
