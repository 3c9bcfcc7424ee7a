"""What the README says of make; its commands are run by test_console_blocks.py."""

import re
import subprocess
from pathlib import Path

import pytest

import cnnstat
from cnnstat.cli.main import run
from cnnstat.linting.rules import RULES
from cnnstat.models.zoo.catalog import CATALOG

ROOT = Path(__file__).parent.parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_it_is_short() -> None:
    assert len(README.splitlines()) <= 160


def test_what_it_counts() -> None:
    assert f"{len(CATALOG)} built-in networks" in README
    assert f"{len(RULES)} rules" in README
    devices = (ROOT / "docs" / "commands" / "devices.md").read_text(encoding="utf-8")
    assert f"of {len(cnnstat.list_devices().devices)} GPUs" in devices


@pytest.mark.parametrize("target", ["demo", "test", "docs"])
def test_make_targets_exist(target: str) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert f"make {target}" in README
    assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE)


def test_make_demo_is_the_comparison(capsys) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (recipe,) = re.findall(r"^demo:.*\n\t\$\(BIN\)/cnnstat (.*)$", makefile, flags=re.MULTILINE)
    assert run(recipe.split()) == 0
    assert "58,299,082" in capsys.readouterr().out


@pytest.mark.parametrize(("status", "says"), [(0, ""), (1, "note: import torchvision fails in ")])
def test_make_reports_a_torchvision_for_another_torch(status: int, says: str, tmp_path) -> None:
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.write_text(f"#!/bin/sh\nexit {status}\n")
    python.chmod(0o755)
    command = ["make", "--no-print-directory", "torchvision", f"VENV={tmp_path}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.partition(str(tmp_path))[0] == says


def test_ci_calls_make_test() -> None:
    assert "make test" in (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
