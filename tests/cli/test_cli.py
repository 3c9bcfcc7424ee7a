"""The command line: exit statuses and messages, files, terminals, options, and what it imports."""

from __future__ import annotations

import csv
import json
import math
import os
import re
import stat
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from cnnstat.analysis.layer_table import COLUMNS
from cnnstat.cli.main import run
from cnnstat.models.zoo.catalog import CATALOG
from cnnstat.operators import registry
from cnnstat.render import Options, render

Capture = pytest.CaptureFixture[str]
LINES = re.compile("[\u2500-\u259f]")  # box drawing and block elements
ESCAPE = "\x1b"


# ---------------------------------------------------------------- messages and exit statuses


@pytest.mark.parametrize(
    ("line", "status", "says"),
    [
        # 2: what was typed cannot be understood
        (
            "shapes alexnett",
            2,
            ["unknown model 'alexnett'", "did you mean alexnet", "cnnstat list"],
        ),
        ("shapes resnet", 2, ["unknown model 'resnet'", "transformers:resnet", "resnet18"]),
        ("shapes VGG", 2, ["unknown model 'VGG'", "did you mean vgg11"]),
        ("shapes nin_mnits", 2, ["did you mean nin-mnist"]),
        ("shapes zzz", 2, ["unknown model 'zzz'", "cnnstat list"]),
        ("shapes nin --input 1,1,ab,224", 2, ["'ab' is no positive whole number", "at position 5"]),
        ("shapes nin --input image=1,1,224,224", 2, ["leave out image="]),
        ("shapes nin -i 1,1,9,9 -i 1,1,9,9", 2, ["nin takes one input, 2 were given"]),
        ("shapes nin --format xml", 2, ["unknown --format 'xml'", "known: table, markdown"]),
        ("shapes nin --mode test", 2, ["unknown --mode 'test'", "known: eval, train"]),
        ("shapes nin --columns params,wight", 2, ["unknown column 'wight'", "known: type, role"]),
        ("shapes nin --columns +mac", 2, ["unknown column 'mac'", "did you mean macs"]),
        ("shapes nin --sort parms", 2, ["unknown sort key 'parms'", "did you mean params"]),
        ("compare nin alexnet -c foo", 2, ["unknown column 'foo'"]),
        ("shapes nin --depth -1", 2, ["--depth"]),
        ("shapes nin --top 0", 2, ["--top"]),
        ("shapes nin --arg classes=3", 2, ["no argument 'classes'", "in_channels, num_classes"]),
        ("shapes nin --arg num_classes=ten", 2, ["'ten' is no Python literal"]),
        ("shapes nin --arg num_classes", 2, ["is not NAME=VALUE"]),
        ("compare nin", 2, ["takes two or more models, 1 was given", "cnnstat compare nin"]),
        ("compare nin alexnet -i 1,1,9,9 -i 1,1,9,9", 2, ["one --input"]),
        ("shapes", 2, ["shapes takes MODEL, which is missing", "try: cnnstat shapes nin"]),
        ("shape nin", 2, ["unknown command 'shape'", "try: cnnstat shapes nin"]),
        ("shapes missing.json", 2, ["there is no file missing.json"]),
        ("compare nin missing.json", 2, ["there is no file missing.json"]),
        ("shapes missing.py:Net", 2, ["there is no file missing.py"]),
        ("shapes missing.onnx", 2, ["there is no file missing.onnx"]),
        ("shapes no_such_package.net:Net", 2, ["there is no module 'no_such_package.net'"]),
        ("explain lenet linear9", 2, ["lenet has no layer 'linear9'"]),
        ("roofline nin --device h1000", 2, ["h1000"]),
        ("lint lenet --baseline missing.json", 2, ["there is no file missing.json"]),
        ("list --filter zzz*", 2, ["no model matches 'zzz*'"]),
        # 1: it is found, and the model or its input does not work
        ("shapes nin --input 1,1,224", 1, ["input 1×1×224 has 3 dimensions", "nin takes 4"]),
        ("shapes nin --input 224", 1, ["input 224 has 1 dimension\n"]),
        (
            "shapes alexnet --input 1,3,64,64",
            1,
            ["linear6 (Linear 9216→4096)", "input is 1×256, the layer takes 9216 features"],
        ),
        ("shapes nin --input 1,1,20,20", 1, ["pool2 (MaxPool2d 3×3)", "1×256×1×1"]),
        (
            "shapes nin --input 1,3,224,224 --arg in_channels=1",
            1,
            ["block1.conv1 (Conv2d 1→96 11×11)", "input is 1×3×224×224, the layer takes 1 channel"],
        ),
        (
            "compare nin lenet",
            1,
            ["lenet does not run on 1,1,224,224, the default input of nin", "linear1", "46656"],
        ),
        ("compare nin lenet -i 1,1,64,64", 1, ["does not run on 1,1,64,64, the given input"]),
        ("shapes nin --arg num_classes=-1", 1, ["nin cannot be built with num_classes=-1"]),
    ],
)
def test_refusal(line: str, status: int, says: list[str], capsys: Capture) -> None:
    assert run(line.split()) == status
    out, err = capsys.readouterr()
    assert out == "" or "shapes don't fit" in err  # then it is the table up to there
    for part in says:
        assert part in err
    assert "Traceback" not in err
    assert "fault of cnnstat" not in err
    assert len(re.findall(r"^error: ", err, re.MULTILINE)) == 1


@pytest.mark.parametrize(
    "size",
    ["9" * 12, "9" * 30, "9" * 5000],
    ids=["more bytes than exist", "no 64-bit number", "no number for Python"],
)
def test_absurd_size(size: str, capsys: Capture) -> None:
    assert run(["shapes", "nin", "--input", f"1,1,{size},{size}"]) in (1, 2)
    assert "fault of cnnstat" not in capsys.readouterr().err


def test_keys_that_a_message_names_are_taken(capsys: Capture) -> None:
    for option in ("--columns", "--sort"):
        run(["shapes", "lenet", option, "?"])
        known = capsys.readouterr().err.partition("known: ")[2].strip().split(", ")
        assert len(known) >= len(COLUMNS)
        refused = [key for key in known if run(["shapes", "lenet", option, key])]
        capsys.readouterr()
        assert refused == [], f"{option} says that it knows these"


GARBLED = {
    "empty": b"",
    "cut off": b'{"kind": "analysis"',
    "binary": b"\x80\x04\x95\x00",
    "not UTF-8": b'{"kind": "\xff\xfe"}',
    "nested beyond reason": b"[" * 100_000,
    "a list": b"[1, 2]",
    "a number": b"3",
    "another kind": b'{"kind": "comparison", "schema_version": 1}',
    "no kind": b'{"schema_version": 1}',
    "no figures": b'{"kind": "analysis", "schema_version": 1}',
}


@pytest.mark.parametrize("content", GARBLED.values(), ids=GARBLED.keys())
def test_garbled_analysis(content: bytes, tmp_path: Path, capsys: Capture) -> None:
    file = tmp_path / "run.json"
    file.write_bytes(content)
    assert run(["shapes", str(file)]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"error: {file} ")
    assert "fault of cnnstat" not in err


def test_newer_analysis(tmp_path: Path, capsys: Capture) -> None:
    file = tmp_path / "run.json"
    file.write_text('{"kind": "analysis", "schema_version": 2, "layers": "of another shape"}')
    assert run(["shapes", str(file)]) == 1
    err = capsys.readouterr().err
    assert "written by a newer cnnstat: schema version 2" in err
    assert "reads up to 1" in err
    assert "pip install --upgrade cnnstat" in err


def test_saved_analysis_takes_no_options_of_a_run(tmp_path: Path, capsys: Capture) -> None:
    file = str(tmp_path / "run.json")
    assert run(["shapes", "lenet", "--output", file]) == 0
    for given in (["--input", "1,1,32,32"], ["--arg", "num_classes=3"], ["--mode", "train"]):
        assert run(["shapes", file, *given]) == 2, given
        assert "is a saved analysis" in capsys.readouterr().err


# ---------------------------------------------------------------- --strict and --debug


@pytest.fixture
def unknown_relu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(registry.DEFINITIONS, "aten.relu")


@pytest.mark.usefixtures("unknown_relu")
@pytest.mark.parametrize("line", ["shapes nin", "compare nin-cifar10 nin-cifar10"])
def test_strict_ends_with_3(line: str, capsys: Capture) -> None:
    assert run(line.split()) == 0
    shown = capsys.readouterr().out
    assert "lower bound" in shown
    assert run([*line.split(), "--strict"]) == 3
    out, err = capsys.readouterr()
    assert out == shown  # the result is shown all the same
    assert err.startswith("error: nin")
    assert "aten.relu" in err


def test_strict_of_a_saved_analysis(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = str(tmp_path / "run.json")
    with monkeypatch.context() as changed:
        changed.delitem(registry.DEFINITIONS, "aten.relu")
        assert run(["shapes", "nin", "--output", file]) == 0
    assert run(["shapes", file, "--strict"]) == 3  # the file remembers what was not counted
    out, err = capsys.readouterr()
    assert "aten.relu (12×)" in out
    assert "aten.relu" in err


def test_strict_is_silent_where_all_is_counted(capsys: Capture) -> None:
    assert run(["shapes", "lenet", "--strict"]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("line", ["shapes nin --arg x=1 --debug", "--debug shapes nin --arg x=1"])
def test_debug_shows_the_traceback(line: str, capsys: Capture) -> None:
    assert run(line.split()) == 2
    err = capsys.readouterr().err
    assert err.startswith("Traceback (most recent call last):")
    assert err.rstrip().endswith("it takes in_channels, num_classes")


def test_fault_of_our_own(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("cnnstat.cli.emit.render", fail)
    assert run(["list"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "this is a fault of cnnstat: ZeroDivisionError: a bug" in err
    assert "--debug" in err
    assert "Traceback" not in err


# ---------------------------------------------------------------- files


@pytest.mark.parametrize(
    ("output", "says"),
    [
        ("nowhere/run.md", ["there is no directory", "mkdir -p"]),
        ("folder", ["it is a directory"]),
        ("folder.md", ["it is a directory"]),
        ("run.docx", ["its extension tells no format", ".md", "--format"]),
        ("run", ["its extension tells no format"]),
        ("run.md/deeper.md", ["there is no directory"]),
        ("/proc/run.md", ["cannot write /proc/run.md"]),  # not even root may
        ("x" * 300 + ".md", ["cannot write xxx", "File name too long"]),
        ("loop.md", ["cannot write loop.md", "symbolic links"]),
    ],
)
def test_unwritable_output(
    output: str, says: list[str], tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder.md").mkdir()
    (tmp_path / "run.md").write_text("mine")
    (tmp_path / "loop.md").symlink_to("loop.md")
    before = _tree(tmp_path)
    assert run(["shapes", "lenet", "--output", output]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    for part in says:
        assert part in err
    assert _tree(tmp_path) == before


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("shapes nin --input 1,1,20,20", 1),
        ("compare nin lenet", 1),
        ("shapes nin --columns foo", 2),
    ],
)
def test_nothing_is_written_on_failure(line: str, status: int, tmp_path: Path) -> None:
    file = tmp_path / "report.md"
    file.write_text("before")
    assert run([*line.split(), "--output", str(file)]) == status
    assert _tree(tmp_path) == {"report.md": "before"}


def test_pictures_and_report_are_written_together_or_not_at_all(
    tmp_path: Path, capsys: Capture
) -> None:
    (tmp_path / "report-macs-by-stage.svg").mkdir()  # the place of one picture is taken
    before = _tree(tmp_path)
    assert run(["compare", "lenet", "residual-mnist", "-o", str(tmp_path / "report.md")]) == 2
    assert "report-macs-by-stage.svg" in capsys.readouterr().err
    assert _tree(tmp_path) == before


def test_a_file_keeps_its_mode(tmp_path: Path) -> None:
    file = tmp_path / "list.md"
    file.touch(mode=0o600)
    assert run(["list", "--output", str(file)]) == 0
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("failure", "status"), [(OSError(28, "No space left on device"), 2), (KeyboardInterrupt(), 130)]
)
def test_no_temporary_file_is_left(
    failure: BaseException, status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise failure

    monkeypatch.setattr(os, "replace", fail)
    assert run(["list", "--output", str(tmp_path / "list.md")]) == status
    assert _tree(tmp_path) == {}


def test_file_appears_complete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever reads the file sees the old text or the new one, never a part."""
    file, replace = tmp_path / "list.csv", os.replace
    file.write_text("before")
    seen: list[tuple[str, str, Path]] = []

    def observed(draft: str, target: Path) -> None:
        seen.append((Path(draft).read_text(), Path(target).read_text(), Path(draft).parent))
        replace(draft, target)

    monkeypatch.setattr(os, "replace", observed)
    assert run(["list", "--output", str(file)]) == 0
    # The draft is in the same directory, so that the step is one rename on one file system.
    assert seen == [(file.read_text(), "before", tmp_path)]
    assert len(file.read_text().splitlines()) == 1 + len(CATALOG)


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o027, 0o640), (0o077, 0o600)])
def test_umask_is_respected(mask: int, mode: int, tmp_path: Path) -> None:
    before = os.umask(mask)
    try:
        assert run(["list", "--output", str(tmp_path / "list.html")]) == 0
        assert os.umask(mask) == mask  # and left as it was
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "list.html").stat().st_mode) == mode


def test_link_is_written_through(tmp_path: Path) -> None:
    (tmp_path / "real.md").write_text("before")
    (tmp_path / "link.md").symlink_to("real.md")
    assert run(["list", "--output", str(tmp_path / "link.md")]) == 0
    assert (tmp_path / "link.md").is_symlink()
    assert (tmp_path / "real.md").read_text() != "before"


def test_device_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    """As /dev/stdout and /dev/null are: for root, a rename over them would ruin the system."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        assert run(["list", "--format", "csv", "--output", str(pipe)]) == 0
        assert stat.S_ISFIFO(pipe.stat().st_mode)
        assert os.read(reader, 100).startswith(b"name,")
    finally:
        os.close(reader)


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("a.txt", "lenet on 1×1×28×28\n"),
        ("a.md", "# lenet on 1×1×28×28\n"),
        ("a.csv", "layer,depth,type,"),
        ("a.json", '{\n  "schema_version": 1,\n  "kind": "analysis"'),
        ("a.tex", "% lenet on"),
        ("a.html", "<!doctype html>"),
        ("a.HTM", "<!doctype html>"),
    ],
)
def test_format_follows_the_extension(
    name: str, start: str, tmp_path: Path, capsys: Capture
) -> None:
    assert run(["shapes", "lenet", "--output", str(tmp_path / name)]) == 0
    assert (tmp_path / name).read_text(encoding="utf-8").lstrip().startswith(start)
    assert capsys.readouterr() == ("", f"wrote {tmp_path / name}\n")


def test_format_goes_before_extension(tmp_path: Path) -> None:
    assert run(["shapes", "lenet", "-f", "csv", "-o", str(tmp_path / "a.md")]) == 0
    assert (tmp_path / "a.md").read_text().startswith("layer,depth,type")


def _tree(folder: Path) -> dict[str, str | None]:
    """Everything in `folder`, hidden files too: the text of a file, None for a directory."""
    return {p.name: p.read_text() if p.is_file() else None for p in folder.iterdir()}


# ---------------------------------------------------------------- a real process


def _process(*arguments: str, options: tuple[str, ...] = (), **kwargs: Any) -> Any:
    start = "import sys; sys.argv[0] = 'cnnstat'; from cnnstat.cli.main import main; main()"
    return subprocess.run(
        [sys.executable, *options, "-c", start, *arguments],
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **kwargs},
        text=True, encoding="utf-8", check=False, timeout=120,
    )  # fmt: skip


@pytest.mark.parametrize("arguments", ["--help", "--version", "shapes --help"])
def test_help_on_a_full_disk(arguments: str) -> None:
    with open("/dev/full", "w") as full:
        process = _process(*arguments.split(), stdout=full)
    assert process.stderr == "error: cannot write to standard output\n  No space left on device\n"
    assert process.returncode == 2


@pytest.mark.parametrize(
    ("format", "start"),
    [("html", "lenet on 1&#215;1&#215;28&#215;28"), ("json", "{"), ("table", "lenet on 1x1x28x28")],
)
def test_standard_output_in_ascii(format: str, start: str) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    process = _process("shapes", "lenet", "--format", format, env=environment)
    assert process.returncode == 0
    assert process.stdout.isascii()
    assert start in process.stdout
    if format == "json":
        assert json.loads(process.stdout)["inputs"][0]["shape"] == [1, 1, 28, 28]


def test_a_range_without_end_is_refused_at_once() -> None:
    assert run(["scale", "lenet", "--over", "H=1:1000000000:1"]) == 2
    assert run(["scale", "lenet", "--over", "H=1:10**9:1"]) == 2
    assert run(["scale", "lenet", "--over", "N=1:" + "9" * 5000]) == 2


def test_process_ends_with_the_status() -> None:
    process = _process("shapes", "nni")
    assert process.returncode == 2
    assert process.stdout == ""
    assert process.stderr.startswith("error: unknown model 'nni'")


@pytest.mark.parametrize("arguments", ["list", "list --format json", "compare --help"])
def test_reader_that_leaves_early(arguments: str) -> None:
    """As in `cnnstat list | head -1`: the reader has what it wants, and nothing is wrong."""
    reader, writer = os.pipe()
    os.close(reader)  # before anything is written, so that every write fails
    try:
        process = _process(*arguments.split(), stdout=writer)
    finally:
        os.close(writer)
    assert process.stderr == ""
    assert process.returncode == 0


def test_head() -> None:
    program = "from cnnstat.cli.main import main; main()"
    process = subprocess.run(
        ["bash", "-o", "pipefail", "-c", f"{sys.executable} -c '{program}' list | head -1"],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert process.stdout == "built-in networks\n"
    assert process.stderr == ""
    assert process.returncode == 0


@pytest.mark.parametrize(
    "redirection", ["> /dev/full", ">&-"], ids=["the disk is full", "stdout is closed"]
)
def test_output_that_takes_nothing(redirection: str) -> None:
    program = "from cnnstat.cli.main import main; main()"
    process = subprocess.run(
        ["bash", "-c", f"{sys.executable} -c '{program}' list {redirection}"],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert process.returncode == 2
    assert process.stderr.startswith("error: cannot write")
    assert "Traceback" not in process.stderr
    assert "fault of cnnstat" not in process.stderr


def test_terminal_that_knows_no_multiplication_sign() -> None:
    process = _process("list", env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert process.returncode == 0
    assert "1x1x28x28" in process.stdout


COMPLETION = {
    "_CNNSTAT_COMPLETE": "complete_bash",
    "COMP_WORDS": "cnnstat shapes nin",
    "COMP_CWORD": "2",
}


@pytest.mark.parametrize(
    ("arguments", "environment"),
    [
        ("--help", {}),
        ("--version", {}),
        ("list", {}),
        ("list --format json", {}),
        ("shapes --help", {}),
        ("compare --help", {}),
        ("", COMPLETION),
        ("shapes nin --columns foo", {}),  # refused before the second that torch takes
        ("shapes nin --output /nowhere/run.md", {}),
    ],
)
def test_torch_is_not_imported(arguments: str, environment: dict[str, str]) -> None:
    process = _process(
        *arguments.split(), options=("-X", "importtime"), env={**os.environ, **environment}
    )
    imported = re.findall(r"import time:.*\| +(\S+)", process.stderr)
    assert "cnnstat.cli.main" in imported
    assert [name for name in imported if name.split(".")[0] in ("torch", "matplotlib")] == []
    assert "fault of cnnstat" not in process.stderr


def test_completion_of_model_names() -> None:
    process = _process(env={**os.environ, **COMPLETION})
    assert process.returncode == 0
    expected = {"nin", "nin-mnist", "nin-stride3", "nin-cifar10"}
    assert set(process.stdout.split()) == expected


def test_version(capsys: Capture) -> None:
    import cnnstat

    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"cnnstat {cnnstat.__version__}\n"


def test_list(capsys: Capture) -> None:
    assert run(["list", "--format", "csv"]) == 0
    header, *rows = csv.reader(StringIO(capsys.readouterr().out))
    assert set(header) == {"name", "source", "input", "params", "summary"}
    assert [row[0] for row in rows] == list(CATALOG)
    assert all(len(row) == 5 and all(row) for row in rows)
    nin = dict(zip(header, rows[list(CATALOG).index("nin")], strict=True))
    assert (nin["input"], nin["params"]) == ("1x1x224x224", "1992166")


# ---------------------------------------------------------------- terminals

# Runs commands one after the other in one process, which saves importing torch for each.
_SESSION = """
import sys
from cnnstat.cli.main import run
for line in sys.argv[1:]:
    assert run(line.split()) == 0, line
    print("\\x1e", end="", flush=True)
"""


@cache
def _on_terminal(*lines: str, columns: int = 80, no_color: bool = False) -> tuple[str, ...]:
    """What each command prints on a terminal of so many columns."""
    pty = pytest.importorskip("pty")
    import fcntl
    import struct
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
    for name in ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "CI"):
        environment.pop(name, None)
    if no_color:
        environment["NO_COLOR"] = "1"
    process = subprocess.Popen(
        [sys.executable, "-c", _SESSION, *lines], stdout=theirs, stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL, env=environment,
    )  # fmt: skip
    os.close(theirs)
    written = b""
    try:
        while chunk := os.read(ours, 1 << 16):
            written += chunk
    except OSError:  # how Linux says that the other side is gone
        pass
    os.close(ours)
    errors = process.communicate(timeout=60)[1]
    assert process.returncode == 0, errors.decode()
    return tuple(written.decode().replace("\r\n", "\n").split("\x1e")[:-1])


COMPARISONS = ("compare nin alexnet", "compare nin alexnet vgg11")
EVERYTHING = (*(f"shapes {name}" for name in CATALOG), *COMPARISONS, "list")


def _plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", text)


@pytest.mark.parametrize("line", EVERYTHING)
def test_terminal_of_80_columns(line: str) -> None:
    printed = _on_terminal(*EVERYTHING)[EVERYTHING.index(line)]
    assert ESCAPE in printed
    assert LINES.search(printed)
    text = _plain(printed)
    assert [row for row in text.split("\n") if len(row) > 80] == []
    assert re.findall(r"\d[\d.,×]*…", text) == []  # a number is shown whole or not at all
    assert not re.search(r"not shown at 80 characters:\s*$", text, re.MULTILINE)


def test_colours_are_in_the_bars() -> None:
    printed = _on_terminal(*EVERYTHING)[EVERYTHING.index("compare nin alexnet")]
    assert re.search("\x1b\\[3[0-9]m█", printed)


@pytest.mark.parametrize("line", COMPARISONS)
def test_no_color(line: str) -> None:
    printed = _on_terminal(*COMPARISONS, no_color=True)[COMPARISONS.index(line)]
    assert ESCAPE not in printed
    assert LINES.findall(printed) == []
    assert "58.3 M" in printed


@pytest.mark.parametrize("line", ["shapes nin", "compare nin alexnet", "list"])
def test_pipe_gets_plain_text(line: str, capsys: Capture) -> None:
    assert run(line.split()) == 0
    out = capsys.readouterr().out
    assert ESCAPE not in out
    assert LINES.findall(out) == []
    assert "not shown" not in out  # a pipe has no width: nothing is left out
    assert [row for row in out.split("\n") if row != row.rstrip()] == []


@cache
def _analysis(name: str) -> Any:
    import cnnstat

    return cnnstat.analyze(name)


# What the help of `shapes` promises, by the names in the note under the table.
DROPPED = (
    "MACs %", "Params %", "Activation", "Other ops", "Eff. stride", "Padding", "Kernel", "Role",
    "Receptive field", "Input", "Type", "Output", "Backward MACs",
    "MACs",
)  # fmt: skip


@pytest.mark.parametrize("name", ["nin", "vgg11", "densenet121"])
def test_columns_are_dropped_in_the_stated_order(name: str) -> None:
    options = Options(columns=tuple(COLUMNS))
    counts = []
    for width in range(220, 29, -5):
        text = render(_analysis(name), "table", options, width=width).text
        note = re.search(r"not shown at\s+\d+\s+characters:(.*?)\n\n", text, re.DOTALL)
        dropped = " ".join(note[1].split()).split(", ") if note else []
        assert set(dropped) == set(DROPPED[: len(dropped)]), f"at {width} characters"
        counts.append(len(dropped))
    assert counts == sorted(counts)
    assert (counts[0], counts[-1]) == (0, len(DROPPED))


@pytest.mark.parametrize(
    ("names", "width"),
    [
        (("nin", "alexnet"), 80),
        (("nin", "alexnet"), 40),
        (("alexnet", "vgg11", "densenet121"), 80),
    ],
)
def test_resolution_is_never_cut(names: tuple[str, ...], width: int) -> None:
    """`54×54 | 55×5…` is a number cut in two."""
    from cnnstat.comparison.side_by_side import compare

    comparison = compare([_analysis(name) for name in names], [None] * len(names))
    text = render(comparison, "table", width=width).text
    table = text.partition("By spatial resolution\n")[2].partition("\n\n")[0]
    assert "1×1" in table
    assert "…" not in table


# ---------------------------------------------------------------- options of `shapes`


@pytest.fixture
def rows(capsys: Capture) -> Callable[[str], list[dict[str, str]]]:
    """Run a command with `--format csv` and read its rows."""

    def of(line: str) -> list[dict[str, str]]:
        assert run([*line.split(), "--format", "csv"]) == 0
        return list(csv.DictReader(StringIO(capsys.readouterr().out)))

    return of


Rows = Callable[[str], list[dict[str, str]]]


def test_depth_1_is_the_view_of_d2l(rows: Rows) -> None:
    """Dive into Deep Learning, section 8.3, prints these shapes."""
    assert [row["output"] for row in rows("shapes nin --depth 1")] == [
        "1x96x54x54", "1x96x26x26", "1x256x26x26", "1x256x12x12", "1x384x12x12", "1x384x5x5",
        "1x384x5x5", "1x10x5x5", "1x10x1x1", "1x10",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("depth", "layers"),
    [
        (0, ["ResidualMnist"]),
        (1, ["conv1", "pool1", "relu", "residual1", "conv2", "pool2", "relu#2", "residual2",
             "view", "linear"]),
        (9, ["conv1", "pool1", "relu", "residual1", "residual1.conv1", "residual1.relu",
             "residual1.conv2", "residual1.add", "residual1.relu#2", "conv2", "pool2", "relu#2",
             "residual2", "residual2.conv1", "residual2.relu", "residual2.conv2", "residual2.add",
             "residual2.relu#2", "view", "linear"]),
    ],
)  # fmt: skip
def test_depth(depth: int, layers: list[str], rows: Rows) -> None:
    shown = rows(f"shapes residual-mnist --depth {depth}")
    assert [row["layer"] for row in shown] == layers


def test_rows_of_one_depth_add_up(rows: Rows) -> None:
    for depth in (0, 1):
        shown = rows(f"shapes residual-mnist --depth {depth}")
        assert sum(int(row["params"]) for row in shown) == 41_514
        assert sum(int(row["macs"]) for row in shown) == 2_013_184


@pytest.fixture
def permuting(tmp_path: Path) -> str:
    """A saved analysis of a model that calls two functions of pure layout and two others."""
    import torch
    from torch import nn

    import cnnstat

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 8, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.relu(self.conv(x).permute(0, 2, 3, 1).contiguous()).view(-1)

    file = tmp_path / "net.json"
    file.write_text(render(cnnstat.analyze(Net(), (1, 3, 8, 8)), "json").text)
    return str(file)


@pytest.mark.parametrize(
    ("ops", "layers"),
    [
        # the row of the model has the figures of functions without a row
        ("auto", ["Net", "conv", "relu", "view"]),
        ("all", ["conv", "permute", "contiguous", "relu", "view"]),
        ("none", ["Net", "conv"]),
    ],
)
def test_ops(ops: str, layers: list[str], permuting: str, rows: Rows) -> None:
    assert [row["layer"] for row in rows(f"shapes {permuting} --ops {ops}")] == layers


EVERY = [
    "depth", "type", "config", "role", "input", "output", "kernel", "padding", "receptive_field",
    "stride", "params", "params_share", "macs", "macs_share", "other_ops", "activation_bytes",
    "total_params", "total_macs",
]  # fmt: skip


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("", EVERY),
        ("-c params", ["params"]),
        ("-c macs,type", ["macs", "type", "config"]),  # in the order asked for
        ("-c layer,macs", ["macs"]),  # the layer is there anyhow
        ("-c layer", []),
        ("-c +input", EVERY),  # there anyhow
        ("-c +backward-macs", [*EVERY[:14], "backward_macs", *EVERY[14:]]),  # at its usual place
        ("-c params,params", ["params"]),  # asked for twice, shown once
        ("-c activation,receptive-field", ["activation_bytes", "receptive_field"]),
        ("-c activation_bytes,receptive_field", ["activation_bytes", "receptive_field"]),
    ],
)
def test_columns(given: str, shown: list[str], rows: Rows) -> None:
    assert list(rows(f"shapes lenet {given}")[0]) == ["layer", *shown]


def test_cells_of_every_column(rows: Rows) -> None:
    row = next(
        r
        for r in rows(f"shapes nin --training -c {','.join(COLUMNS)}")
        if r["layer"] == "block2.conv1"
    )
    macs, outputs = 5 * 5 * 96 * 256 * 26 * 26, 256 * 26 * 26
    params = 5 * 5 * 96 * 256 + 256
    assert row == {
        "layer": "block2.conv1", "type": "Conv2d", "config": "5×5", "role": "conv",
        "input": "1x96x26x26", "output": "1x256x26x26", "kernel": "5x5", "padding": "2x2",
        "receptive_field": "51x51",  # 19 at the pool, and 4 more steps of 8
        "stride": "8x8",
        "params": str(params), "params_share": repr(params / 1_992_166),
        "macs": str(macs), "macs_share": repr(macs / 762_297_352),
        "backward_macs": str(2 * macs),  # of its weight and of its input
        "other_ops": str(outputs),  # the bias, added once to each
        "activation_bytes": str(outputs * 4),
    }  # fmt: skip


@pytest.mark.parametrize("key", ["params", "macs", "params-share", "other-ops", "activation"])
def test_sort_is_flat_by_own_figures_largest_first(key: str, rows: Rows) -> None:
    shown = rows(f"shapes resnet18 --sort {key} -c {key}")
    name = {"activation": "activation_bytes"}.get(key, key.replace("-", "_"))
    figures = [float(row[name]) for row in shown]
    assert figures == sorted(figures, reverse=True)
    assert 0 not in figures
    # The figures are a row's own: containers do not count what their children do.
    whole = {"params": 11_689_512, "macs": 1_814_073_344, "params-share": 1.0}
    if key in whole:
        assert sum(figures) == pytest.approx(whole[key])


def test_sort_by_text_is_alphabetical(rows: Rows) -> None:
    types = [row["type"] for row in rows("shapes lenet --sort type")]
    assert types == sorted(types)
    assert len(types) == len(rows("shapes lenet"))


@pytest.mark.parametrize(
    ("given", "layers"),
    [
        # by MACs unless sorted otherwise
        ("--top 2", ["block2.conv1", "block3.conv1"]),
        ("--top 2 --sort params", ["block3.conv1", "block2.conv1"]),
    ],
)
def test_top(given: str, layers: list[str], rows: Rows) -> None:
    assert [row["layer"] for row in rows(f"shapes nin {given}")] == layers


def test_sort_by_shape_is_by_size(rows: Rows) -> None:
    shapes = [row["output"] for row in rows("shapes nin --sort output")]
    sizes = [math.prod(map(int, shape.split("x"))) for shape in shapes]
    assert sizes == sorted(sizes, reverse=True)
    assert shapes[0] == "1x96x54x54"


def test_top_beyond_the_end(rows: Rows) -> None:
    assert len(rows("shapes nin --top 999 --sort params")) == 12  # the convolutions


@pytest.mark.parametrize(
    ("line", "params", "macs"),
    [
        ("shapes alexnet", 58_322_314, 1_131_201_056),
        # in_channels follows the input …
        ("shapes alexnet --input 1,1,224,224", 58_299_082, 1_060_924_256),
        ("shapes alexnet --input 1x1x224x224", 58_299_082, 1_060_924_256),
        # … a batch of two costs twice the MACs …
        ("shapes nin --input 2,1,224,224", 1_992_166, 2 * 762_297_352),
        # … and 990 classes more: 3×3 and two 1×1 convolutions on 5×5 positions.
        (
            "shapes nin --arg num_classes=1000",
            1_992_166 - (9 * 384 * 10 + 2 * 10 * 10 + 30) + 9 * 384 * 1000 + 2 * 10**6 + 3000,
            762_297_352 + 25 * (9 * 384 * 990 + 2 * (10**6 - 10**2)),
        ),
    ],
)
def test_input_and_arguments(line: str, params: int, macs: int, rows: Rows) -> None:
    (whole,) = rows(f"{line} --depth 0")
    assert (int(whole["params"]), int(whole["macs"])) == (params, macs)


def test_mode(capsys: Capture) -> None:
    assert run(["shapes", "lenet", "--mode", "train"]) == 0
    assert "train mode" in capsys.readouterr().out
