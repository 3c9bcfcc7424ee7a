"""Every command of `docs/first-minutes-team.md` is run, and what it prints is compared."""

import json
import re
import shlex
from pathlib import Path

import pytest

from cnnstat.cli.main import run
from tests.test_readme import commands, pattern

PAGE = (Path(__file__).parent.parent / "docs" / "first-minutes-team.md").read_text(encoding="utf-8")


def test_every_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for block in re.findall(r"```console\n(.*?)```", PAGE, flags=re.DOTALL):
        for command, expected in commands(block):
            assert run(shlex.split(command)[1:]) == 0, command
            out, err = capsys.readouterr()
            assert re.fullmatch(pattern(expected), out + err), f"$ {command}\n{out}{err}"
    assert json.loads((tmp_path / "before.json").read_text())["totals"]["params"] <= 100_000
