"""No line is wider than the terminal; in a pipe, tables and code alone are wider than 80."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from importlib.util import find_spec
from typing import Any

import pytest

import cnnstat
from cnnstat.render import report_of, text
from cnnstat.render.blocks import Cell, Column, Derivation, Facts, Line, Report, Table, Text, table
from cnnstat.render.options import Options
from cnnstat.render.wrapping import cells
from cnnstat.results import KINDS
from tests.kinds import result

MODELS = ("torchvision:resnet50", "timm:vit_tiny_patch16_224")


@cache
def _reports() -> dict[str, Report]:
    """A report of every kind, and those of two models with long names and many layers."""
    for package in ("torchvision", "timm"):
        if find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    resnet, vit = (cnnstat.analyze(model) for model in MODELS)
    results: list[tuple[str, Any, Options]] = [
        *((kind, result(kind), Options()) for kind in KINDS),
        ("resnet50", resnet, Options()),
        ("vit", vit, Options(ops="all")),
        ("every column", vit, Options(columns=("+role", "kernel", "receptive-field"), sort="macs")),
        ("vit and resnet50", cnnstat.compare(*MODELS), Options()),
        ("three", cnnstat.compare("alexnet", "nin", "vgg11"), Options()),
        ("many", cnnstat.compare("alexnet", "nin", "vgg11", "vgg16", "vgg11"), Options()),
        ("attention", cnnstat.explain(MODELS[1], "blocks.0.attn"), Options()),
        ("window", cnnstat.explain("alexnet", "conv2"), Options()),
        ("training", cnnstat.analyze("nin", training=True), Options()),
    ]
    return {name: report_of(one, options) for name, one, options in results}


def _lines(report: Report, width: int | None, decorated: bool = False) -> list[str]:
    shown = text.render(report, width, decorated)
    return re.sub(r"\x1b\[[0-9;]*m", "", shown).splitlines()


@pytest.mark.parametrize("decorated", [True, False])
@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_no_line_is_wider_than_the_terminal(width: int, decorated: bool) -> None:
    wide = {
        name: [line for line in _lines(report, width, decorated) if cells(line) > width][:3]
        for name, report in _reports().items()
    }
    assert {name: lines for name, lines in wide.items() if lines} == {}


def test_in_a_pipe_text_is_80_wide() -> None:
    wide = {}
    for name, report in _reports().items():
        prose = replace(report, blocks=tuple(b for b in report.blocks if not isinstance(b, Table)))
        wide[name] = [line for line in _lines(prose, None) if cells(line) > 80 and "|" not in line]
    assert {name: lines for name, lines in wide.items() if lines} == {}


def test_in_a_pipe_tables_have_all_their_columns() -> None:
    report = _reports()["training"]
    (header,) = (line for line in _lines(report, None) if line.startswith("Layer "))
    assert len(header) > 80
    assert header.endswith("Backward MACs")


def test_narrow_lines_lose_no_words() -> None:
    report = Report(
        "my_model.py:Encoder and its head",
        (
            Facts((("Peak memory of the step", Cell("12 MiB")), ("MACs", Cell(3, "count")))),
            Derivation("Output", Cell("1×4"), (Line("height, width", "n + 1", None, Cell(7)),)),
            Text(("note: a sentence that is longer than the line",), "note"),
        ),
    )
    lines = _lines(report, 20)
    assert max(map(cells, lines)) <= 20
    assert " ".join(" ".join(lines).split()) == (
        "my_model.py:Encoder and its head Peak memory of the step 12 MiB MACs 3 Output 1×4 "
        "height, width n + 1 = 7 note: a sentence that is longer than the line"
    )


def test_text_in_a_table_folds_and_figures_do_not() -> None:
    columns = (Column("what", "What", False), Column("macs", "Multiplications", True))
    rows = ([Cell("adaptive average pooling"), Cell(1_000_000, "count")],)
    assert _lines(Report("", (table(columns, rows),)), 24) == [
        "What           Multipli…",
        "adaptive       1,000,000",
        "average",
        "pooling",
    ]


@pytest.mark.parametrize("width", [1, 5])
def test_a_terminal_of_no_use_is_no_fault(width: int) -> None:
    for kind in ("memory", "comparison", "explanation", "diagnosis"):
        assert text.render(report_of(result(kind)), width, coloured=True)
