"""Every command in every format that its help offers: what is written is what it claims to be."""

from __future__ import annotations

import csv
import json
import xml.etree.ElementTree as ET
from collections.abc import Callable
from functools import cache
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path
from typing import get_args

import jsonschema
import pytest

from cnnstat.cli.main import run
from cnnstat.render.json import schema
from cnnstat.render.options import EXTENSIONS, Picture

COMMANDS = {
    "shapes lenet": True, "shapes lenet --totals": True, "shapes lenet -i N,1,28,28": True,
    "shapes lenet -n 2 -s params": True, "compare lenet lenet": True, "memory lenet": True,
    "roofline lenet --device h100": True, "scale lenet --over N=1,2": True,
    "explain lenet conv1": False, "list": False, "devices": False, "lint lenet": False,
}  # fmt: skip
"""Whether there is a picture."""


class _Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)


def _is_csv(content: bytes) -> None:
    header, *rows = csv.reader(StringIO(content.decode()))
    assert header == [name.lower() for name in header]
    assert {len(row) for row in rows} <= {len(header)}


@cache
def _validator() -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(schema())


def _is_html(content: bytes) -> None:
    assert {"html", "body"} <= set(_Page(content.decode()).tags)


def _is_latex(content: bytes) -> None:
    text = content.decode()
    for name in ("table", "tabular", "longtable", "align*"):
        assert text.count(rf"\begin{{{name}}}") == text.count(rf"\end{{{name}}}")


def _is_text(content: bytes) -> None:
    assert len(content.decode().splitlines()) > 0


CHECKS: dict[str, Callable[[bytes], object]] = {
    "csv": _is_csv, "html": _is_html, "latex": _is_latex, "markdown": _is_text, "table": _is_text,
    "json": lambda content: _validator().validate(json.loads(content)), "svg": ET.fromstring,
    "png": lambda content: content.startswith(b"\x89PNG") or pytest.fail("no PNG"),
    "pdf": lambda content: b"FontFile2" in content or pytest.fail("fonts are missing"),
}  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_every_extension(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    for extension, format in EXTENSIONS.items():
        drawn_elsewhere = COMMANDS[command] and command not in ("shapes lenet", "memory lenet")
        if extension == ".htm" or (format in ("png", "pdf") and drawn_elsewhere):
            continue
        file = Path(f"out{extension}")
        status = run([*command.split(), "--output", str(file)])
        out, err = capsys.readouterr()
        if format in get_args(Picture) and not COMMANDS[command]:
            assert (status, file.exists()) == (2, False)
            assert "there is no picture" in err
            assert ".html" in err
            continue
        assert (status, out) == (0, ""), err
        assert f"wrote {file}" in err
        CHECKS[format](file.read_bytes())


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_offers_pictures_where_there_are_any(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([command.split()[0], "--help"]) == 0
    assert ("png" in capsys.readouterr().out) == COMMANDS[command]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("shapes lenet -f png", "--format png is for a file"),
        ("shapes lenet -f pdf", "--format pdf is for a file"),
        ("list -f svg", "unknown --format 'svg'"),
        ("explain lenet conv1 -o x.png", "there is no picture of this"),
        ("list --caption x", "--caption is for tables in LaTeX"),
        ("compare nin lenet --label x -o a.md", "--label is for tables in LaTeX"),
        ("shapes lenet -f latex --label a{b", "characters that a label"),
        ("shapes lenet -f latex --label=", "characters that a label"),
        ("shapes lenet -o x.jpg", "extension"),
        ("shapes lenet --totals=1", "--totals"),
    ],
)
def test_what_is_refused(
    line: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert run(line.split()) == 2
    out, err = capsys.readouterr()
    assert message in err
    assert "Traceback" not in err
    assert (out, list(tmp_path.iterdir())) == ("", [])


def test_a_table_as_a_picture_is_aligned_and_readable(tmp_path: Path) -> None:
    file = tmp_path / "table.svg"
    assert run(["shapes", "lenet", "-o", str(file)]) == 0
    root = ET.parse(file).getroot()
    name = "{http://www.w3.org/2000/svg}"
    assert root.find(f"{name}rect").attrib["fill"] == "#ffffff"  # type: ignore[union-attr]
    texts = {text.text: text.attrib for text in root.iter(f"{name}text")}
    assert {"conv1", "Conv2d 5×5", "1×6×28×28", "61,706"} <= set(texts)
    ends = [float(texts[n]["x"]) + float(texts[n]["textLength"]) for n in ("48,120", "2,416")]
    assert ends[0] == pytest.approx(ends[1], abs=0.2)  # numbers end below one another
    width = float(root.attrib["viewBox"].split()[2])
    assert max(float(a["x"]) + float(a["textLength"]) for a in texts.values()) < width
