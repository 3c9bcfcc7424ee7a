"""The recipes of CONTRIBUTING.md for a kind of report and for an option, followed step by step.

`tests/recipes/` has the files that they ask for: `rankings/` is the folder of a subject,
`commands/ranking.py` its command, `--by` an option with a closed set of values.
`test_made_up_operator.py` and `test_choices.py` follow those for an operator and an optimizer.
"""

from __future__ import annotations

import csv
import inspect
import json
import sys
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any, Literal, get_args

import jsonschema
import msgspec
import pytest
import typer
from torch import nn

import cnnstat
from cnnstat import api, choices, results
from cnnstat.bench.results import Protocol
from cnnstat.cli.main import app, run
from cnnstat.render import render, report_of
from cnnstat.render.json import schema
from cnnstat.render.options import EXTENSIONS, Format, Options
from tests import test_architecture

RECIPES = Path(__file__).parent / "recipes"
Capture = pytest.CaptureFixture[str]
LENET = [
    ("linear1", 400 * 120 + 120),
    ("linear2", 120 * 84 + 84),
    ("conv2", 5 * 5 * 6 * 16 + 16),
]


def ranking(model: str | nn.Module, *inputs: Any, by: str = "params") -> Any:
    """Rank the layers of a model by one figure.

    Args:
        model, inputs: as `analyze` has them.
        by: "params" or "macs".

    Raises:
        UsageError: there is no such figure, or what `analyze` raises.
    """
    choices.check_choice("figure", by, get_args(choices.RankedBy))  # type: ignore[attr-defined]
    from cnnstat.rankings.rank import rank  # type: ignore[import-not-found]

    return rank(api.analyze(model, *inputs), by)


@pytest.fixture(autouse=True)
def recipe(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The lines that the recipe adds to existing files; afterwards nothing of it is left."""
    before = set(sys.modules)
    monkeypatch.setattr(cnnstat, "__path__", [*cnnstat.__path__, str(RECIPES)])
    package = sys.modules["cnnstat.cli"]
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(RECIPES / "commands")])
    # choices.py: the closed set
    monkeypatch.setattr(choices, "RankedBy", Literal["params", "macs"], raising=False)
    # results.py: the row
    row = results.Kind("rankings.results:Ranking", "rankings.view:view")
    monkeypatch.setitem(results.KINDS, "ranking", row)
    # api.py and __init__.py: the function and the record
    monkeypatch.setattr(api, "ranking", ranking, raising=False)
    monkeypatch.setattr(cnnstat, "__all__", [*cnnstat.__all__, "ranking", "Ranking"])
    monkeypatch.setitem(cnnstat._HOMES, "Ranking", "rankings.results")
    # cli/main.py: the line
    monkeypatch.setattr(app, "registered_commands", [*app.registered_commands])
    from cnnstat.cli.ranking import command  # type: ignore[import-not-found]

    app.command("ranking", short_help="The layers with the largest figures.")(command)
    yield
    for name in set(sys.modules) - before:
        if name.startswith(("cnnstat.rankings", "cnnstat.cli.ranking")):
            del sys.modules[name]
    vars(cnnstat).pop("rankings", None)
    vars(package).pop("ranking", None)


# ---------------------------------------------------------------- a kind of report


def test_the_public_function_returns_the_record() -> None:
    result = cnnstat.ranking("lenet")  # type: ignore[attr-defined]
    assert isinstance(result, cnnstat.Ranking)  # type: ignore[attr-defined]
    assert [(layer.path, layer.value) for layer in result.layers[:3]] == LENET
    assert {"ranking", "Ranking"} <= set(dir(cnnstat))
    assert repr(result) == render(result, "table").text.rstrip("\n")
    assert "48,120" in result._repr_html_()


@pytest.mark.parametrize("format", get_args(Format))
def test_every_format_shows_it(format: Format) -> None:
    result = ranking("lenet")
    text = render(result, format).text
    number = "48120" if format in ("csv", "json") else "48,120"
    if format == "github":  # annotations, of results with findings
        assert text == ""
        return
    assert format == "svg" or number in text
    assert "linear1" in text
    if format == "csv":
        header, first, *_ = csv.reader(StringIO(text))
        assert (header, first) == (["layer", "params"], ["linear1", "48120"])


def test_its_json_is_read_back_and_fits_the_schema() -> None:
    result = ranking("lenet")
    text = render(result, "json").text
    assert msgspec.json.decode(text, type=results.record_of("ranking")) == result
    assert "Ranking" in schema()["$defs"]
    jsonschema.validate(json.loads(text), schema())


def test_the_options_of_a_report_reach_the_view() -> None:
    rows = [
        row for block in report_of(ranking("lenet"), Options(top=2)).blocks
        for row in getattr(block, "rows", ())
    ]  # fmt: skip
    assert len(rows) == 2


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_the_command_writes_it(extension: str, tmp_path: Path, capsys: Capture) -> None:
    file = tmp_path / f"lenet{extension}"
    assert run(["ranking", "lenet", "--top", "3", "--output", str(file)]) == 0
    if extension in (".png", ".pdf"):
        assert file.read_bytes()[1:4] in (b"PNG", b"PDF")
        return
    written = file.read_text(encoding="utf-8")
    assert all(path in written for path, _ in LENET)
    assert capsys.readouterr().out == ""
    if extension == ".json":  # other commands say which kind of result a file has
        assert run(["shapes", str(file)]) == 1
        assert "its kind is 'ranking'" in capsys.readouterr().err


def test_the_command_is_in_the_help(capsys: Capture) -> None:
    assert run(["--help"]) == 0
    assert "ranking" in capsys.readouterr().out


def test_a_folder_without_a_floor_is_refused() -> None:
    with pytest.raises(AssertionError, match="add it to FLOORS"):
        test_architecture.floor_of("rankings.view")


@pytest.mark.parametrize("name", ["results", "view"])
def test_records_and_view_import_no_torch(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(test_architecture, "SOURCE", RECIPES)
    test_architecture.test_torch_stays_where_it_belongs(RECIPES / "rankings" / f"{name}.py")


# ---------------------------------------------------------------- an option


def test_an_option_is_an_argument_of_the_public_function(capsys: Capture) -> None:
    assert ranking("lenet", by="macs").layers[0].value == 10 * 10 * 5 * 5 * 6 * 16
    assert run(["ranking", "lenet", "--by", "macs", "--top", "1"]) == 0
    assert "240,000" in capsys.readouterr().out


def test_other_values_than_those_of_the_set_are_refused(capsys: Capture) -> None:
    assert run(["ranking", "lenet", "--by", "bytes"]) == 2
    assert "bytes" in capsys.readouterr().err
    with pytest.raises(cnnstat.UsageError, match=r"unknown figure 'bytes'\n.*params, macs"):
        ranking("lenet", by="bytes")


FUNCTIONS: dict[str, Callable[..., object]] = {
    "list": cnnstat.list_models, "shapes": cnnstat.analyze, "compare": cnnstat.compare,
    "explain": cnnstat.explain, "lint": cnnstat.lint, "scale": cnnstat.scale,
    "memory": cnnstat.memory, "roofline": cnnstat.roofline, "devices": cnnstat.measure_device,
    "latency": cnnstat.latency, "bench": cnnstat.measure, "verify": cnnstat.verify,
}  # fmt: skip
RENAMED = {"model": {"model"}, "models": {"models"}, "input": {"input", "inputs"},
           "arg": {"arguments"}, "fsdp_unit": {"fsdp_units"}, "on": {"device"},
           "words": {"search"}}  # fmt: skip
REPORT = {"format", "output", "strict", "fix"}
"""They decide where the result goes, the exit status, and what becomes of a diagnosis."""
OTHER_FUNCTIONS = {"shapes": {"object"}, "devices": {"measure"},
                   "bench": {"resume"},
                   "lint": {"fail_on", "all", "explain", "models"}}  # fmt: skip
"""They add notes to the result, or choose another public function."""


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_option_is_an_argument_of_its_function_or_of_the_report(name: str) -> None:
    (command,) = (c.callback for c in app.registered_commands if c.name == name)
    assert command is not None
    accepted = set(inspect.signature(FUNCTIONS[name]).parameters)
    accepted |= set(Protocol.__struct_fields__) if name == "bench" else set()
    accepted |= set(Options.__dataclass_fields__)
    for option, parameter in inspect.signature(command).parameters.items():
        if parameter.annotation is typer.Context or parameter.annotation == "typer.Context":
            continue
        known = RENAMED.get(option, {option}) & accepted
        assert known or option in REPORT | OTHER_FUNCTIONS.get(name, set()), option
