"""The command line as people type it at first."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command

from cnnstat.cli import first_words
from cnnstat.cli.first_words import in_words_of_cnnstat
from cnnstat.cli.main import app, run
from cnnstat.errors import UsageError

COMMANDS = tuple(get_command(app).commands)  # type: ignore[attr-defined]

NET = "from torch import nn\n\nclass Net(nn.Module):\n    def forward(self, x):\n        return x\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_model.py").write_text(NET)
    return tmp_path


REWRITTEN = [  # (typed, as cnnstat has it)
    ("", ""),
    ("--version", "--version"),
    ("shapes nin", "shapes nin"),
    ("lenet", "shapes lenet"),
    ("lenet --input 1,1,28,28 --depth 1", "shapes lenet --input 1,1,28,28 --depth 1"),
    ("--input 1,1,28,28 lenet", "shapes --input 1,1,28,28 lenet"),
    ("my_model.py:Net", "shapes my_model.py:Net"),
    ("my_model.py Net", "shapes my_model.py:Net"),
    ("explain my_model.py Net conv1", "explain my_model.py:Net conv1"),
    ("my_model.py conv1", "shapes my_model.py conv1"),  # it has no such model
    ("torchvision:resnet18", "shapes torchvision:resnet18"),
    ("ResNet50", "shapes ResNet50"),
    ("vit", "shapes vit"),
    ("facebook/opt-125m", "shapes facebook/opt-125m"),
    ("missing.py:Net", "shapes missing.py:Net"),
    ("nosuchthing", "shapes nosuchthing"),  # its error is that of a model
    ("lenet5", "shapes lenet5"),  # more like a model than like lint
    ("shapes lenet --bs 8", "shapes lenet --batch-size 8"),
    ("shaps nin", "shaps nin"),  # a command, misspelt
    ("help", "--help"),
    ("help compare", "compare --help"),
    ("version", "--version"),
    ("-V", "--version"),
    ("summary lenet", "shapes lenet"),
    ("info lenet", "shapes lenet"),
    ("flops my_model.py:Net -i 1,3", "shapes my_model.py:Net -i 1,3"),
    ("search vit", "list vit"),
    ("--model lenet", "shapes lenet"),
    ("shapes -m lenet", "shapes lenet"),
    ("memory --model=lenet", "memory lenet"),
    ("shapes lenet --input_size 1,1,28,28", "shapes lenet --input 1,1,28,28"),
    ("shapes lenet --input-size=1,1,28,28", "shapes lenet --input=1,1,28,28"),
    ("memory lenet --batch_size 8", "memory lenet --batch-size 8"),
    ("lenet --input 1 1 28 28", "shapes lenet --input 1,1,28,28"),
    ("shapes --input 1 1 28 28 lenet", "shapes --input 1,1,28,28 lenet"),
    ("shapes lenet -i 1 1 28 28 -d 1", "shapes lenet -i 1,1,28,28 -d 1"),
    ("shapes net --input 1,3 --input 1,4", "shapes net --input 1,3 --input 1,4"),
    ("shapes lenet 1,1,28,28", "shapes lenet --input=1,1,28,28"),
    ("shapes lenet 1x1x28x28", "shapes lenet --input=1x1x28x28"),
    ("latency lenet --batch-size 1,8", "latency lenet --batch-size 1,8"),
    ("scale lenet --over H,W 28,32", "scale lenet --over H,W 28,32"),
    ("shapes lenet --format md", "shapes lenet --format markdown"),
    ("shapes lenet -f tex", "shapes lenet -f latex"),
    ("shapes lenet --format=HTM", "shapes lenet --format=html"),
    ("shapes lenet --format txt", "shapes lenet --format table"),
    ("shapes lenet --format yaml", "shapes lenet --format yaml"),
]


@pytest.mark.parametrize(("typed", "words"), REWRITTEN, ids=[typed for typed, _ in REWRITTEN])
def test_rewritten(typed: str, words: str) -> None:
    notes: list[str] = []
    assert in_words_of_cnnstat(typed.split(), COMMANDS, notes.append) == words.split()
    assert bool(notes) == (typed.partition(" ")[0] in ("summary", "info", "flops", "search"))


SUGGESTED = [
    ("sumary lenet", ["unknown command 'sumary'", "try: cnnstat shapes lenet"]),
    ("diff nin alexnet", ["did you mean compare?", "try: cnnstat compare nin alexnet"]),
    ("train lenet", ["did you mean bench?", "try: cnnstat bench lenet"]),
    ("gpus", ["try: cnnstat devices"]),
    ("plot lenet", ["every command writes files", "try: cnnstat shapes lenet --output lenet.svg"]),
    (
        "export timm:resnet18 -d 1",
        ["try: cnnstat shapes timm:resnet18 -d 1 --output resnet18.json"],
    ),
    ("fix my_model.py:Net", ["try: cnnstat shapes my_model.py:Net --fix"]),
    ("check lenet --max-params 5M", ["try: cnnstat shapes lenet --totals --format=json"]),
    ("csv", ["try: cnnstat shapes MODEL --output model.csv"]),
]


@pytest.mark.parametrize(("typed", "says"), SUGGESTED)
def test_suggested(typed: str, says: list[str]) -> None:
    with pytest.raises(UsageError) as caught:
        in_words_of_cnnstat(typed.split(), COMMANDS, lambda note: None)
    for part in says:
        assert part in str(caught.value)


def test_no_command_has_what_is_renamed() -> None:
    options = {
        option for command in get_command(app).commands.values()  # type: ignore[attr-defined]
        for param in command.params for option in param.opts
    }  # fmt: skip
    assert not options & {*first_words.RENAMED_OPTIONS, *first_words._MODEL_OPTIONS}
    assert not set(COMMANDS) & {*first_words._COMMANDS, *first_words._OTHER_COMMANDS}
    assert not set(COMMANDS) & set(first_words._OUTPUTS)
    targets = {*first_words._COMMANDS.values(), *first_words._OTHER_COMMANDS.values()}
    assert targets <= set(COMMANDS)
    assert set(first_words.RENAMED_OPTIONS.values()) <= options


def test_a_command_wins(folder: Path, capsys) -> None:
    """A folder named as a command is reached by `cnnstat shapes`."""
    (folder / "list").mkdir()
    (folder / "list" / "model.py").write_text(NET)
    assert run(["list", "nin-mnist"]) == 0
    assert "built-in networks" in capsys.readouterr().out
    assert run(["shapes", "list", "-i", "1,3"]) == 0
    assert "list is read as list/model.py:Net" in capsys.readouterr().err


def test_as_a_program(folder: Path) -> None:
    process = subprocess.run(
        [sys.executable, "-m", "cnnstat", "lenet", "1x1x28x28", "--format", "md"],
        text=True, capture_output=True,
    )  # fmt: skip
    assert process.returncode == 0
    assert "61,706" in process.stdout
    assert process.stderr == ""
