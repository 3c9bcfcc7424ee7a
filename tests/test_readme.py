"""Everything in the README is run: console blocks are compared, Python blocks executed."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest

import cnnstat
from cnnstat.cli.main import run

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```console\n(.*?)```", README, flags=re.DOTALL)


def commands(block: str) -> list[tuple[str, str]]:
    """The commands of a block, each with the output printed below it."""
    parts = re.split(r"^\$ (.*)\n", block, flags=re.MULTILINE)[1:]
    return list(zip(parts[::2], parts[1::2], strict=True))


def pattern(expected: str) -> str:
    """A line of three dots stands for any lines."""
    return "".join(
        "(?:.*\n)*" if line == "...\n" else re.escape(line)
        for line in expected.splitlines(keepends=True)
    )


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.splitlines()[0])
def test_console_block(block: str, tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    above = README[: README.index(block)]  # the files that a reader has made by then
    for name, code in re.findall(r"```\w+\n# (\w+\.\w+)\n(.*?)```", above, flags=re.DOTALL):
        (tmp_path / name).write_text(code)
    for command, expected in commands(block):
        program, *arguments = shlex.split(command)
        assert program == "cnnstat"
        status = run(arguments)
        out, err = capsys.readouterr()
        fails = "error: " in expected  # then the message is shown below what is printed
        assert status == (1 if fails else 3 if "error[" in expected else 0)
        printed = out + err if fails or "wrote " in expected else out
        assert re.fullmatch(pattern(expected), printed), f"$ {command}\n{printed}"


def test_python_blocks() -> None:
    for block in re.findall(r"```python\n(import.*?)```", README, flags=re.DOTALL):
        names: dict[str, object] = {}
        for line in block.splitlines():
            code, _, comment = line.partition("#")
            if code.strip() and not comment:
                exec(code, names)
            elif comment and re.match(r"[\d(]", comment.strip()):
                assert eval(code, names) == eval(comment), line
        assert isinstance(names["a"], cnnstat.Analysis)


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / target).exists(), target


@pytest.mark.parametrize("target", ["demo", "test"])
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
