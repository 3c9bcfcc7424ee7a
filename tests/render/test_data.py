"""The data table of every kind of result: CSV and data frames with stable names and raw values."""

from __future__ import annotations

import csv
from io import StringIO
from typing import Any

import pytest
import torch
from torch import nn

import cnnstat
from cnnstat.cli.main import run
from cnnstat.render import Options, render
from cnnstat.render.blocks import Cell, Column, Report, table
from cnnstat.render.data import Data, comma_separated, data_of, data_of_report, data_table
from cnnstat.results import KINDS
from tests.kinds import result


class Tokens(nn.Module):
    """A parameter of the model itself, and a block that is called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens = nn.Parameter(torch.zeros(1, 5, 8))
        self.block = nn.Sequential(nn.Linear(8, 8), nn.ReLU())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.block(self.block(x + self.tokens).transpose(1, 2).transpose(1, 2))


# rows, and columns with their types; 0: it depends on what is installed
TABLES: dict[str, tuple[int, dict[str, type]]] = {
    "analysis": (20, {"layer": str, "depth": int, "params": int, "macs_share": float}),
    "benchmark": (1, {"model": str, "params": int, "step_seconds": float}),
    "comparison": (2, {"model": str, "input": str, "macs": int, "exact": bool}),
    "devices": (17, {"name": str, "fp16_flops": int, "bandwidth": int, "measured": bool}),
    "diagnosis": (2, {"layer": str, "output": str, "params": int}),
    "explanation": (18, {"figure": str, "step": int, "formula": str, "result": str}),
    "formulas": (12, {"layer": str, "output": str, "total_params": int}),
    "latency": (2, {"model": str, "batch_size": int, "seconds": float}),
    "lint": (1, {"severity": str, "code": str, "message": str, "verified": bool}),
    "listing": (23, {"name": str, "input": str, "params": int}),
    "memory": (1, {"batch_size": int, "peak_bytes": int, "training": bool}),
    "parameters": (12, {"layer": str, "params": int, "shared": bool}),
    "roofline": (12, {"layer": str, "bytes": int, "seconds": float}),
    "scaling": (4, {"model": str, "over": str, "value": int, "macs": int}),
    "verification": (0, {"counter": str, "macs": int, "macs_difference": int}),
}


def test_every_kind_has_a_data_table() -> None:
    assert set(KINDS) - {"ranking"} == set(TABLES)


@pytest.mark.parametrize("kind", TABLES)
def test_it_is_one_table_with_typed_columns(kind: str) -> None:
    rows, columns = TABLES[kind]
    data = data_of(result(kind))
    rows = rows or len(data.rows)
    assert len(data.rows) == rows
    assert len(set(data.columns)) == len(data.columns)
    assert all(name.isidentifier() and name.islower() for name in data.columns)
    by_column = data.by_column()
    for name, type_ in columns.items():
        assert {type(value) for value in by_column[name]} - {type(None)} == {type_}
    for values in by_column.values():
        assert len({type(value) for value in values if value is not None}) < 2
    lines = list(csv.reader(StringIO(render(result(kind), "csv").text)))
    assert tuple(lines[0]) == data.columns
    assert [len(line) for line in lines] == [len(data.columns)] * (rows + 1)
    assert lines[1:] == [["" if v is None else str(v) for v in row] for row in data.rows]


@pytest.mark.parametrize("kind", TABLES)
def test_pandas_and_polars_read_it_without_arguments(kind: str) -> None:
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    data, text = data_of(result(kind)), render(result(kind), "csv").text
    shape = (len(data.rows), len(data.columns))
    frames = [
        pandas.read_csv(StringIO(text)), polars.read_csv(StringIO(text)),
        pandas.DataFrame(data.by_column()), polars.DataFrame(data.by_column()),
    ]  # fmt: skip
    assert {frame.shape for frame in frames} == {shape}
    for name, type_ in TABLES[kind][1].items():
        if type_ in (int, float):
            assert pandas.api.types.is_numeric_dtype(frames[0][name]), name
            assert frames[1][name].dtype.is_numeric(), name


# ---------------------------------------------------------------- layers


@pytest.mark.parametrize(
    "options", [Options(), Options(depth=0), Options(depth=1), Options(ops="none")]
)
@pytest.mark.parametrize(
    ("model", "shape"), [("residual-mnist", None), ("inception-mnist", None), (Tokens, (1, 5, 8))]
)
def test_the_sum_of_a_column_is_the_total(model: Any, shape: Any, options: Options) -> None:
    inputs = () if shape is None else (shape,)
    analysis = cnnstat.analyze(model if shape is None else model(), *inputs)
    data = data_of(analysis, options).by_column()
    for figure in ("params", "macs", "other_ops", "activation_bytes"):
        assert sum(data[figure]) == getattr(analysis.totals, figure)  # type: ignore[arg-type]
    assert len(set(data["layer"])) == len(data["layer"])


def test_a_container_has_its_own_figures_and_those_of_all_inside() -> None:
    data = data_of(cnnstat.analyze(Tokens(), (1, 5, 8)), Options(ops="none"))
    rows = {row[0]: dict(zip(data.columns, row, strict=True)) for row in data.rows}
    assert list(rows) == ["Tokens", "block", "block.0", "block.1", "block#2", "block.0#2",
                          "block.1#2"]  # fmt: skip
    assert [(rows[name]["params"], rows[name]["total_params"]) for name in list(rows)[:4]] == [
        (40, 40 + 8 * 8 + 8), (0, 72), (72, 72), (0, 0),
    ]  # fmt: skip


def test_all_levels_unless_a_depth_is_given(capsys: pytest.CaptureFixture[str]) -> None:
    class Nested(nn.Module):
        def __init__(self, depth: int) -> None:
            super().__init__()
            self.inner = Nested(depth - 1) if depth else nn.Linear(4, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.inner(x)

    analysis = cnnstat.analyze(Nested(6), (1, 4))
    assert data_of(analysis).by_column()["depth"] == [1, 2, 3, 4, 5, 6, 7]
    assert len(data_of(analysis, Options(depth=3)).rows) == 3
    assert run(["shapes", "lenet", "-f", "csv", "--columns", "macs,params-share", "-n", "1"]) == 0
    assert capsys.readouterr().out == "layer,macs,params_share\nconv2,240000,0.039153404855281494\n"


@pytest.mark.parametrize(
    ("command", "columns"),
    [
        ("shapes lenet", {"model": "lenet", "input": "1x1x28x28", "params": "61706",
                          "macs": "416520", "receptive_field": "16x16", "exact": "True"}),
        ("shapes lenet --input N,1,28,28", {"input": "Nx1x28x28", "macs": "416520*N"}),
    ],
)  # fmt: skip
def test_totals_are_one_row(
    command: str, columns: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*command.split(), "--totals", "-f", "csv"]) == 0
    (row,) = csv.DictReader(StringIO(capsys.readouterr().out))
    assert columns.items() <= row.items()
    assert run([*command.split(), "--totals"]) == 0
    shown = capsys.readouterr().out
    assert "conv1" not in shown
    assert "61,706" in shown


# ---------------------------------------------------------------- values


def test_values_of_a_column_have_one_type() -> None:
    rows = [(1, True, (1, 2), ""), (0.5, "a", None, "-1"), (None, 2, [3], "=1"), (2, 1, (), "+a")]
    columns = {name: lambda row, i=i: row[i] for i, name in enumerate("abcd")}
    data = data_table(columns, rows)
    assert data.by_column() == {
        "a": [1.0, 0.5, None, 2.0], "b": ["True", "a", "2", "1"],
        "c": ["1x2", None, "3", "scalar"], "d": [None, "-1", "=1", "+a"],
    }  # fmt: skip
    assert comma_separated(data).splitlines()[1:] == [
        "1.0,True,1x2,", "0.5,a,,-1", ",2,3,'=1", "2.0,1,scalar,'+a",
    ]  # fmt: skip


def test_no_rows_are_a_header() -> None:
    assert comma_separated(Data(("a", "b"), ())) == "a,b\n"
    assert data_table({"a": len}, []).by_column() == {"a": []}


def test_a_report_without_a_designated_table_has_its_first() -> None:
    first = table(
        (Column("layer", "Layer", False), Column("params-share", "%")),
        [[Cell("a,\n"), Cell(0.5, "share")], [Cell("-2"), Cell(None, "share")]],
    )
    assert comma_separated(data_of_report(Report("", (first, table((), []))))) == (
        'layer,params_share\n"a,\\n",0.5\n-2,\n'
    )
