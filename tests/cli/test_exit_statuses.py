"""What was typed and cannot be found is a usage error, exit status 2, in every command."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.main import get_command

from cnnstat.cli.main import app, run

OF_A_MODEL = {  # with the options and arguments that the command needs beside the model
    "shapes": "", "memory": "", "roofline": "--device h100", "lint": "", "scale": "--over N=1,2",
    "verify": "", "latency": "", "bench": "", "compare": "lenet", "explain": "conv1",
}  # fmt: skip
WITHOUT_A_MODEL = {"list", "devices"}
SPECS = [
    "nosuch", "nosuch.py:Net", "nosuch.py", "net.py:Nope", "nosuch.pkg:Net", "nosuch.json",
    "nosuch.onnx", "nosuch/", "nosource:resnet", "nosuch.pth", "nosuch.ipynb", "lenet,nosuch",
    "transformers:nosuch/config.json", "owner/nosuch",
]  # fmt: skip
OTHERS = [
    "list nosuch", "list nosource:", "list --filter zzz*", "help nosuch", "nosuch", "nosuch lenet",
    "explain lenet nosuch", "shapes lenet --columns nosuch", "shapes lenet --sort nosuch",
    "shapes lenet --arg nosuch=1", "shapes lenet --input nosuch.py:f",
    "shapes lenet --input net.py:f", "shapes lenet -o nosuch/x.html", "shapes lenet -o x.nosuch",
    "memory lenet --device nosuch", "memory lenet --checkpoint nosuch*",
    "roofline lenet --device nosuch", "roofline lenet --device nosuch.json",
    "lint lenet --select CN999", "lint --explain CN999", "lint lenet --baseline nosuch.json",
    "lint --all", "lint lenet nosuch", "bench lenet --data nosuch",
    "bench lenet --data nosuch.py:f", "bench --resume nosuch", "bench lenet --schedule Nosuch",
    "bench lenet --loss net.py:f", "scale lenet --over nosuch=1,2", "compare lenet alexnet nosuch",
    "compare nin alexnet net.py:Nope",
]  # fmt: skip


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text("from torch import nn\n\nclass Net(nn.Linear):\n    pass\n")


def test_every_command_is_walked() -> None:
    commands = set(get_command(app).commands)  # type: ignore[attr-defined]
    assert commands == {*OF_A_MODEL, *WITHOUT_A_MODEL}


@pytest.mark.parametrize("command", OF_A_MODEL)
def test_a_model_that_cannot_be_found(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    statuses = {}
    for spec in SPECS:
        statuses[spec] = run([command, spec, *OF_A_MODEL[command].split()])
        out, err = capsys.readouterr()
        assert out == ""
        assert "error: " in err
        assert "fault of cnnstat" not in err
    assert set(statuses.values()) == {2}, statuses


@pytest.mark.parametrize("line", OTHERS)
def test_other_names_that_cannot_be_found(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(line.split()) == 2
    assert "error: " in capsys.readouterr().err
