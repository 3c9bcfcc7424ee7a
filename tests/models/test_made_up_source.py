"""A source of models is added by the recipe of CONTRIBUTING.md, and every feature knows it."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

import cnnstat
from cnnstat.cli import completion
from cnnstat.cli.main import run
from cnnstat.models.model_sources import SOURCES, Source

MODULE = """
from torch import nn

from cnnstat.inputs import InputSpec
from cnnstat.models.construction import builders, construct
from cnnstat.models.loaded import Loaded, inputs_or_default
from cnnstat.models.results import Listed
from cnnstat.models.name_cache import remember

CHANNELS = {"small": 4, "wide": 64}


def conv(out):
    return nn.Sequential(nn.Conv2d(3, out, 3))


def load(spec, inputs, named, arguments):
    remember("made_up", CHANNELS)
    chosen = {"out": CHANNELS[spec.partition(":")[2]], **arguments}
    inputs, named = inputs_or_default([InputSpec((1, 3, 8, 8))], inputs, named, spec)
    build = builders(conv, chosen)
    return Loaded(spec, "made_up", construct(conv, chosen), build, inputs, named, dict(arguments))


def listed(select):
    for name in select(CHANNELS):
        yield Listed(f"made_up:{name}", "made_up.models", (1, 3, 8, 8), None, "", "made_up")
"""
ROW = Source("made_up_source", commands=("shapes", "memory"), other_spec="a file")


@pytest.fixture(autouse=True)
def made_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "made_up_source.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(metadata, "version", lambda source: "1.0")
    monkeypatch.setitem(SOURCES, "made_up", ROW)
    monkeypatch.delitem(sys.modules, "made_up_source", raising=False)


def test_shapes(capsys) -> None:
    assert run(["shapes", "made_up:small"]) == 0
    assert "4×6×6" in capsys.readouterr().out
    analysis = cnnstat.analyze("made_up:small", arguments={"out": 5})
    assert analysis.totals.params == 5 * 3 * 3 * 3 + 5
    assert analysis.model.source == "made_up"


def test_list(capsys) -> None:
    assert run(["list", "made_up:", "--filter", "w*"]) == 0
    title, out = capsys.readouterr().out.split("\n", 1)
    assert title == "models of made_up"
    assert "made_up:wide" in out
    assert "made_up:small" not in out


def test_messages(capsys) -> None:
    assert run(["list", "made_upp:"]) == 2
    assert "did you mean made_up:?" in capsys.readouterr().err
    assert run(["shapes", "made_upp:small"]) == 2
    assert "did you mean made_up:small?" in capsys.readouterr().err
    cnnstat.list_models("made_up")
    assert run(["shapes", "wide"]) == 2
    assert "did you mean made_up:wide" in capsys.readouterr().err


def test_completion() -> None:
    assert [name for name, _ in completion.complete_source("ma")] == ["made_up:"]
    assert completion.complete_model("made_up:") == []  # its package was never imported
    cnnstat.list_models("made_up")
    assert [name for name, _ in completion.complete_model("made_up:w")] == ["made_up:wide"]


@pytest.mark.parametrize(
    ("command", "text"),
    [
        ("list", "timm:, transformers: or made_up:"),
        ("shapes", "made_up:NAME or a file, your own"),
        ("memory", "torchvision:NAME, made_up:NAME, or your own"),
        ("compare", None),
    ],
)
def test_help(command: str, text: str | None) -> None:
    """In a process of its own: the texts are made when the commands are imported."""
    code = (
        "import sys; from cnnstat.models.model_sources import SOURCES, Source\n"
        f"SOURCES['made_up'] = {ROW!r}\n"
        "from cnnstat.cli.main import run; run([sys.argv[1], '--help'])"
    )
    process = subprocess.run(
        [sys.executable, "-c", code, command], env={**os.environ, "COLUMNS": "300"}, text=True,
        capture_output=True, check=True,
    )  # fmt: skip
    assert (text or "NAME") in process.stdout
    assert ("made_up" in process.stdout) == (text is not None)
