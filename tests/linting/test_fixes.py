"""What `--fix` writes, and which fixes are marked as verified."""

from __future__ import annotations

import ast
import textwrap
from pathlib import Path

import pytest

import cnnstat
from cnnstat.cli.main import run
from cnnstat.diagnosis.syntax import code_of, name_of_called, nodes
from cnnstat.linting.edits.views import permuted

Capture = pytest.CaptureFixture[str]

NET = """\
import torch
from torch import nn

example_input = (2, 3, 16, 16)


class Block(nn.Module):
    def __init__(self, norm):
        super().__init__()
        self.conv = nn.Conv2d(8, 8, 3, padding=1)
        self.norm = norm

    def forward(self, x):
        return self.norm(self.conv(x)).relu()


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3)
        self.norm = nn.BatchNorm2d(8, 0.8)
        self.a = Block(nn.BatchNorm2d(8))
        self.b = Block(nn.Identity())
        self.heads = [nn.Linear(8, 10)]

    def forward(self, x):
        x = self.b(self.a(self.norm(self.stem(x)).relu()))
        return self.heads[0](x.mean((2, 3))).softmax(0)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text(NET, encoding="utf-8")
    return tmp_path


def test_all_fixes_are_written_after_the_difference(folder: Path, capsys: Capture) -> None:
    assert run(["lint", "net.py:Net"]) == 3
    assert "--fix mends 4" in capsys.readouterr().out
    assert (folder / "net.py").read_text(encoding="utf-8") == NET
    assert run(["lint", "net.py:Net", "--fix"]) == 0  # what remains is a hint
    shown = capsys.readouterr().err
    assert "-        self.heads = [nn.Linear(8, 10)]" in shown
    text = (folder / "net.py").read_text(encoding="utf-8")
    changed = [line.strip() for line in text.splitlines() if line not in NET.splitlines()]
    assert changed == [
        "self.stem = nn.Conv2d(3, 8, 3, bias=False)",
        "self.norm = nn.BatchNorm2d(8)",
        "self.heads = nn.ModuleList([nn.Linear(8, 10)])",
        "return self.heads[0](x.mean((2, 3))).softmax(1)",
    ]
    assert (folder / "net.py.orig").read_text(encoding="utf-8") == NET
    assert [f.code for f in cnnstat.lint("net.py:Net").findings] == ["CN301"]


def test_a_call_that_creates_other_layers_too_is_not_edited(folder: Path) -> None:
    """The convolution of the second block has no norm behind it: it needs its bias."""
    found = cnnstat.lint("net.py:Net", select=["CN301"]).findings
    assert {f.paths: f.fix is not None and f.fix.verified for f in found} == {
        ("stem",): True, ("a.conv",): False,
    }  # fmt: skip


def test_a_fix_after_which_the_model_does_not_run_is_left_out(folder: Path) -> None:
    text = NET.replace("self.heads[0](x", "(self.heads * 1)[0](x")  # no ModuleList can do that
    (folder / "net.py").write_text(text, encoding="utf-8")
    found = cnnstat.lint("net.py:Net", select=["CN101", "CN202"]).findings
    assert {f.code: f.fix is not None and f.fix.verified for f in found} == {
        "CN101": False, "CN202": True,
    }  # fmt: skip


def test_options_that_do_not_go_together(folder: Path, capsys: Capture) -> None:
    assert run(["lint", "net.py:Net", "lenet", "--fix"]) == 2
    assert run(["lint", "lenet", "--fix"]) == 0
    assert capsys.readouterr().err.endswith("note: nothing to fix: no findings\n")
    assert run(["lint", "lenet", "--fix", "2"]) == 2
    err = capsys.readouterr().err
    assert "takes no number" in err
    assert "try: cnnstat lint lenet --fix\n" in err


def test_findings_without_a_fix_are_no_silence(folder: Path, capsys: Capture) -> None:
    text = NET.replace("self.heads[0](x", "(self.heads * 1)[0](x")
    (folder / "net.py").write_text(text, encoding="utf-8")
    run(["lint", "net.py:Net", "--select", "CN101", "--fix"])
    note = "note: nothing to fix: no finding has a fix that changes a file\n"
    assert capsys.readouterr().err.endswith(note)


def test_a_comment_that_silences_nothing_is_shortened(folder: Path) -> None:
    text = NET.replace("nn.Conv2d(3, 8, 3)", "nn.Conv2d(3, 8, 3)  # cnnstat: ignore[CN301, CN105]")
    (folder / "net.py").write_text(text, encoding="utf-8")
    assert run(["lint", "net.py:Net", "--fix", "--select", "CN001,CN105,CN301"]) == 0
    assert "3)  # cnnstat: ignore[CN301]\n" in (folder / "net.py").read_text(encoding="utf-8")


def test_layers_of_a_live_model_are_replaced() -> None:
    from torch import nn

    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8))
    (found,) = cnnstat.lint(net, (2, 3, 8, 8)).findings
    assert found.fix is not None
    assert (found.fix.verified, found.fix.edits) == (True, ())


@pytest.mark.parametrize(
    ("old", "new", "call", "expected"),
    [
        ((2, 49, 96), (2, 96, 7, 7), "x.view(b, 96, 7, 7)",
         "x.transpose(1, 2).reshape(b, 96, 7, 7)"),
        ((2, 96, 7, 7), (2, 49, 96), "(x + y).view(b, 49, -1)",
         "(x + y).permute(0, 2, 3, 1).reshape(b, 49, -1)"),
        ((2, 4, 15, 6), (2, 15, 24), "x.reshape(b, 15, 24)",
         "x.transpose(1, 2).reshape(b, 15, 24)"),
        ((2, 15, 24), (2, 4, 15, 6), "x.view(b, 4, -1, 6)",
         "x.reshape(b, -1, 4, 6).transpose(1, 2)"),
        ((2, 15, 24), (2, 24, 15), "x.view(b, 24, 15)", "x.transpose(1, 2)"),
        ((2, 15, 24), (2, 4, 15, 6), "x.view(*sizes)", None),
        ((2, 15, 24), (2, 4, 15, 6), "torch.reshape(x, (b, 4, 15, 6))", None),
    ],
)  # fmt: skip
def test_permutations(
    old: tuple[int, ...], new: tuple[int, ...], call: str, expected: str | None
) -> None:
    code = code_of("net.py", textwrap.dedent(f"import torch\ny = {call}\n"))
    node = next(n for n in nodes(code.tree, ast.Call) if name_of_called(n) in ("view", "reshape"))
    replacement = permuted(old, new)(code, node)
    assert (None if replacement is None else replacement.text) == expected
