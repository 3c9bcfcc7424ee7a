"""Comparisons of four models and more: a row for each, and those that do not run are named."""

from __future__ import annotations

import csv
from io import StringIO

import pytest

import cnnstat
from cnnstat.cli.main import run
from cnnstat.errors import ShapeError
from cnnstat.render import Options, render

Capture = pytest.CaptureFixture[str]
FOUR = ["lenet", "residual-mnist", "inception-mnist", "lenet"]


@pytest.fixture(scope="module")
def four() -> cnnstat.Comparison:
    return cnnstat.compare(*FOUR)


def test_each_model_has_a_row_in_the_order_given(four: cnnstat.Comparison) -> None:
    text = render(four, "table").text
    assert text.startswith("4 models on 1×1×28×28\n")
    rows = text.partition("Totals (× is relative to lenet)\n")[2].splitlines()
    assert rows[0].split() == [
        "Model", "Params", "×", "MACs", "×", "Param", "memory", "Peak", "memory", "×", "Depth"
    ]  # fmt: skip
    assert [row.split("  ")[0] for row in rows[1:5]] == [
        "lenet", "residual-mnist", "inception-mnist", "lenet (2)"
    ]  # fmt: skip
    assert rows[2].split()[1:4] == ["41.5", "K", "0.67×"]  # 41,514 of 61,706 parameters
    assert "all: exact; eval mode, meta lane" in rows
    assert "By role" not in text
    assert "Layers of" not in text


def test_layers_are_shown_on_request(four: cnnstat.Comparison) -> None:
    assert render(four, "table", Options(depth=1)).text.count("Layers of ") == 4
    two = cnnstat.compare("lenet", "residual-mnist")
    assert "Layers of" not in render(two, "table").text
    assert "Layers of lenet" in render(two, "table", Options(depth=1)).text


@pytest.mark.parametrize("width", [40, 60, 80])
def test_columns_are_left_out_and_digits_never(four: cnnstat.Comparison, width: int) -> None:
    text = render(four, "table", width=width).text
    table = text.partition("Totals")[2].partition("\n\n")[0]
    assert max(map(len, text.splitlines())) <= width
    assert "41.5 K" in table
    assert "61.7 K" in table


def test_a_model_that_does_not_run_is_named_after_the_others(capsys: Capture) -> None:
    line = "compare lenet alexnet residual-mnist inception-mnist --format csv"
    assert run(line.split()) == 1
    out, err = capsys.readouterr()
    rows = list(csv.DictReader(StringIO(out)))
    assert [row["model"] for row in rows] == ["lenet", "residual-mnist", "inception-mnist"]
    assert err.startswith("error: alexnet does not run on 1,1,28,28, the default input of lenet\n")


def test_a_name_that_does_not_exist_ends_the_comparison(capsys: Capture) -> None:
    assert run(["compare", "lenet", "lenett", "residual-mnist", "inception-mnist"]) == 2
    assert capsys.readouterr().out == ""


def test_in_python_the_first_failure_is_raised() -> None:
    with pytest.raises(ShapeError):
        cnnstat.compare("lenet", "alexnet", "residual-mnist", "inception-mnist")
    with pytest.raises(ShapeError):  # one model alone is no comparison
        cnnstat.compare("lenet", "alexnet", "nin", "vgg11", failures=[])


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("compare alexnet", "cnnstat compare alexnet vgg11"),
        ("compare lenet", "cnnstat compare lenet inception-mnist"),
        ("compare torchvision:vit_b_16", "cnnstat compare torchvision:vit_b_16 resnet18"),
    ],
)
def test_another_model_is_suggested(line: str, hint: str, capsys: Capture) -> None:
    assert run(line.split()) == 2
    assert f"try: {hint}\n" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("units", "shown"),
    [
        ("auto", ["61,706\n", "1,180,800", "1,992,166 (1.99 M)", "762,297,352 (762 M)"]),
        ("raw", ["1,180,800", "1,992,166\n", "762,297,352\n"]),
        ("M", ["1.18 M", "1.99 M\n", "762.30 M\n", "0.03 M"]),
        ("G", ["0.76 G\n", "<0.01 G"]),
    ],
)
def test_units(units: str, shown: list[str], capsys: Capture) -> None:
    for name in ("nin", "lenet"):
        assert run(["shapes", name, "--depth", "1", "--units", units]) == 0
    out = capsys.readouterr().out
    assert [text for text in shown if text not in out] == []


def test_files_for_programs_are_exact(capsys: Capture) -> None:
    for format in ("csv", "json"):
        assert run(["shapes", "nin", "--depth", "1", "--units", "M", "--format", format]) == 0
        assert "1180800" in capsys.readouterr().out
