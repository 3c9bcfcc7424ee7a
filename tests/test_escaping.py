"""Texts from files and models: safe to print in every output."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import msgspec
import pytest

import cnnstat
from cnnstat.analysis.results import Analysis
from cnnstat.cli.main import run
from cnnstat.errors import ModelError
from cnnstat.escaping import described, message_text, visible, visible_json
from cnnstat.render import render
from cnnstat.render.blocks import Cell, Column, Report, Text, table, with_visible_texts
from cnnstat.render.data import comma_separated, data_of_report
from cnnstat.render.html import render as html
from cnnstat.render.latex import latex
from cnnstat.render.markup import markdown

VISIBLE = [
    ("conv1", "conv1"), ("3×3", "3×3"), ("名前 é", "名前 é"),
    ("\x1b[31m", r"\x1b[31m"), ("a\nb\tc\r", r"a\nb\tc\r"), ("\x9b", r"\x9b"), ("\0", r"\x00"),
    ("\u202egnp", r"\u202egnp"), ("\u2028", r"\u2028"), ("\ud800", r"\ud800"),
    ("caf\udce9.py", r"caf\xe9.py"),  # a byte of a file name that is not UTF-8
]  # fmt: skip


@pytest.mark.parametrize(("text", "shown"), VISIBLE)
def test_what_a_terminal_would_act_on_is_spelled_out(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_messages_keep_their_lines_and_their_length() -> None:
    error = ModelError("it fails\nerror: not a message", "x" * 10**6, hint="\x1b]0;t\x07")
    first, second, third, last = str(error).splitlines()
    assert (first, second) == ("it fails", "    error: not a message")  # no line of its own
    assert third.startswith("  xxx")
    assert third.endswith("… (1,000,002 characters)")
    assert last == r"  try: \x1b]0;t\x07"
    assert message_text("plain") == "plain"


def test_values_whose_repr_fails_are_described() -> None:
    class Bad:
        def __repr__(self) -> str:
            raise ValueError

    assert described([1, "a"]) == "[1, 'a']"
    assert described(Bad()) == "a Bad (ValueError in its repr)"
    assert described(16**5000) == "a int (ValueError in its repr)"


def test_json_stays_json() -> None:
    text = json.dumps(["\x9b\u202e", "é", "\U0001f600"], ensure_ascii=False)
    assert visible_json(text) == r'["\u009b\u202e", "é", "😀"]'
    assert visible_json(text, ascii_only=True).isascii()
    assert json.loads(visible_json(text, ascii_only=True)) == json.loads(text)


NAME = "=1+1\n\\write18{id}|<b>`$x$&\x1b[31m~_[a](b)"


def report() -> Report:
    columns = (Column("layer", "Layer", False), Column("macs", "MACs"))
    rows = [[Cell(NAME), Cell(-5, "number")], [Cell("@SUM(A1)"), Cell(None, reason="+1\n")]]
    return with_visible_texts(
        Report(NAME, (table(columns, rows, NAME), Text((NAME, "%\n\\write18{id}"))))
    )


def test_no_spreadsheet_runs_a_cell() -> None:
    rows = list(csv.reader(io.StringIO(comma_separated(data_of_report(report())))))
    assert rows[1] == [r"'=1+1\n\write18{id}|<b>`$x$&\x1b[31m~_[a](b)", "-5"]
    assert rows[2] == ["'@SUM(A1)", ""]


def test_a_line_break_ends_no_comment_in_latex() -> None:
    lines = latex(report()).splitlines()
    assert any(r"\write18" in line for line in lines)
    for line in lines:  # in a comment, or as text
        assert r"\write18" not in line or line.startswith("%")
    assert not any("\x1b" in line for line in lines)


def test_markdown_has_one_row_a_layer() -> None:
    lines = markdown(report()).splitlines()
    (row,) = (line for line in lines if line.startswith("|") and "1+1" in line)
    assert r"\|\<b>\`\$x\$\&" in row
    assert r"\[a](b)" in row


def test_html_has_text_only() -> None:
    text = html(report())
    assert "<b>" not in text
    assert "&lt;b&gt;" in text
    assert "\x1b" not in text


def hostile_analysis(**changes: str) -> Analysis:
    analysis = cnnstat.analyze("lenet")
    text = msgspec.json.encode(analysis).decode()
    for old, new in changes.items():
        text = text.replace(old, json.dumps(new)[1:-1])
    return msgspec.json.decode(text, type=Analysis)


@pytest.mark.parametrize("format", ["table", "markdown", "csv", "json", "latex", "html"])
def test_names_in_a_file_reach_no_output_as_they_are(format: str) -> None:
    analysis = hostile_analysis(conv1=NAME + "\u202e", lenet="\x1b]0;t\x07", Conv2d="\x9b31m")
    text = render(analysis, format, coloured=format == "table", width=60).text
    text = text.replace("\x1b[1m", "").replace("\x1b[0m", "").replace("\x1b[2m", "")  # our own
    assert not {"\x9b", "\x07", "\u202e", "\x1b]"} & set(text)
    assert "\x1b]" not in text


@pytest.mark.parametrize("width", [1, 2, 3, 4, 5])
def test_the_narrowest_terminals(width: int) -> None:
    for decorated in (True, False):
        assert render(cnnstat.analyze("lenet"), "table", width=width, coloured=decorated).text


def test_names_that_are_no_utf_8(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    code = "from torch import nn\nNet = lambda: nn.Conv2d(3, 4, 3)\n"
    Path("caf\udce9.py").write_text(code, encoding="utf-8")
    assert run(["shapes", "caf\udce9.py:Net", "--input", "1,3,8,8", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["model"]["spec"] == r"caf\xe9.py:Net"
    assert run(["shapes", "missing\udce9.py:Net"]) == 2
    assert r"missing\xe9.py" in capsys.readouterr().err
