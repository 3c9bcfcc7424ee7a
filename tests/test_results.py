"""The methods that every kind of result has."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest

import cnnstat
from cnnstat.public_calls import shown_in_python
from cnnstat.render import render
from cnnstat.render.data import data_of
from cnnstat.render.options import EXTENSIONS, KIND_OPTIONS
from cnnstat.results import KINDS, Result, record_of
from tests.kinds import result

ALL = sorted(set(KINDS) - {"ranking"})  # which is an example of tests/recipes
VALUES: dict[str, Any] = {
    "depth": 1, "columns": "output", "sort": "params", "top": 2, "ops": "all", "totals": True,
    "units": "M",
}  # fmt: skip


@pytest.mark.parametrize("kind", ALL)
def test_texts_and_frames(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    one = result(kind)
    assert one.to_dict() == json.loads(one.to_json())
    assert one.to_dict()["kind"] == kind
    with shown_in_python():
        assert one.to_markdown() == render(one, "markdown").text
        assert one.to_html() == render(one, "html").text
        assert one.to_latex() == render(one, "latex").text
    in_python = re.sub("cnnstat .* on the command line", "", one.to_markdown())
    assert not re.search("(?<![-<])--[a-z]", in_python), "options in Python"
    data = data_of(one)
    for frame in (one.to_pandas(), one.to_polars()):
        assert tuple(frame.columns) == data.columns
        assert len(frame) == len(data.rows)
    assert type(one.to_pandas()).__module__.startswith("pandas")
    assert type(one.to_polars()).__module__.startswith("polars")
    assert one.show() is None
    assert capsys.readouterr().out == repr(one) + "\n"


@pytest.mark.parametrize("kind", ALL)
def test_options_of_other_kinds_are_refused(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    one = result(kind)
    for option in KIND_OPTIONS:
        chosen = {option: "time" if (kind, option) == ("roofline", "sort") else VALUES[option]}
        if option in KINDS[kind].options:
            one.show(**chosen)
        else:
            with pytest.raises(cnnstat.UsageError, match=f"show of the kind {kind} takes no"):
                one.show(**chosen)
    with pytest.raises(cnnstat.UsageError, match="takes no depht"):
        one.to_markdown(depht=1)
    shown = capsys.readouterr().out
    assert bool(shown) == bool(KINDS[kind].options)


def test_no_record_hides_a_method() -> None:
    methods = {name for name in vars(Result) if not name.startswith("_")} - {"kind"}
    for kind in ALL:
        assert not methods - {"schema_version"} & set(record_of(kind).__struct_fields__)


@pytest.mark.parametrize("extension", sorted(EXTENSIONS))
def test_save(extension: str, tmp_path: Path) -> None:
    comparison = result("comparison")
    file = tmp_path / f"run{extension.upper()}"
    assert comparison.save(file) is None
    assert [path for path in tmp_path.iterdir() if path.suffix == extension.upper()] == [file]
    assert os.path.getsize(file) > 100
    comparison.save(str(file))  # again, over the first


def test_saved_options_and_saved_json(tmp_path: Path) -> None:
    analysis = result("analysis")
    analysis.save(tmp_path / "top.csv", top=2, columns=["macs"])
    assert len((tmp_path / "top.csv").read_text().splitlines()) == 3
    analysis.save(tmp_path / "run.json")
    assert cnnstat.read_analysis(tmp_path / "run.json") == analysis


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    lenet = result("parameters")
    with pytest.raises(cnnstat.UsageError, match=r"cannot choose the format .*\n.*\.json") as error:
        lenet.save(tmp_path / "run.xyz")
    assert "run.json" in str(error.value)
    with pytest.raises(cnnstat.CnnstatError, match="there is no directory"):
        lenet.save(tmp_path / "missing" / "run.json")
    with pytest.raises(cnnstat.CnnstatError, match="it is a directory"):
        lenet.save(tmp_path)
    with pytest.raises(cnnstat.UsageError, match="picture"):
        result("listing").save(tmp_path / "run.svg")
    (tmp_path / "run.md").write_text("old")
    with pytest.raises(cnnstat.UsageError):
        lenet.save(tmp_path / "run.md", sort="macs")
    assert (tmp_path / "run.md").read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run.md"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"depth": -1}, "depth is a whole number from 0 on, not -1"),
        ({"depth": "2"}, "depth is a whole number or None, not '2'\n  try: depth=2"),
        ({"top": 0}, "top is a whole number from 1 on, not 0"),
        ({"columns": 3}, "columns is a text or a list of texts, not 3"),
        ({"columns": ["output", "mcas"]}, "unknown column 'mcas'"),
        ({"sort": "size"}, "unknown sort key 'size'"),
        ({"ops": "some"}, "unknown ops 'some'"),
    ],
)
def test_values_of_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(cnnstat.UsageError, match=message):
        result("analysis").show(**options)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_a_library_that_is_missing(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(cnnstat.UsageError, match=f"to_{library} needs {library}") as error:
        getattr(result("analysis"), f"to_{library}")()
    assert f"try: pip install {library}" in str(error.value)


@pytest.mark.parametrize(("name", "instead"), [
    ("flops", "; it is .totals.flops"), ("total_params", "; it is .totals.params"),
    ("summary", "; try: .show()"), ("nothing_like_it", ""), ("_private", ""),
])  # fmt: skip
def test_attributes_of_other_tools(name: str, instead: str) -> None:
    analysis = cnnstat.analyze("lenet")
    with pytest.raises(AttributeError) as caught:
        getattr(analysis, name)
    assert str(caught.value) == f"'Analysis' object has no attribute {name!r}{instead}"
