"""`cnnstat list`: what each source has, patterns for names, and names kept for completion."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from importlib import metadata
from importlib.util import find_spec
from io import StringIO
from pathlib import Path

import jsonschema
import pytest

import cnnstat
from cnnstat.cli import completion
from cnnstat.cli.main import run
from cnnstat.models import name_cache
from cnnstat.models.layer_names import layers_of
from cnnstat.models.model_sources import SOURCES
from cnnstat.models.zoo.catalog import CATALOG
from cnnstat.render.json import schema

FORMATS = ("table", "markdown", "csv", "json", "latex", "html")


def needs(package: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(find_spec(package) is None, reason=f"{package} is not installed")


@pytest.fixture(autouse=True)
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No cache and no pyproject.toml."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "cache" / "cnnstat"


LISTED = [  # (source, pattern, (name, input, parameters, source of it) of one row)
    ("", "nin", ("nin", "1x1x224x224", "1992166", "d2l 8.3")),
    ("", "VGG1?-bn", ("vgg16-bn", "1x3x224x224", "138365992", "arXiv 1409.1556, Table 1, D + BN")),
    # published: https://docs.pytorch.org/vision/stable/models.html
    pytest.param("torchvision:", "resnet*", ("torchvision:resnet18", "1x3x224x224", "11689512",
                 "torchvision.models.resnet"), marks=needs("torchvision")),
    pytest.param("torchvision", "*", ("torchvision:vit_h_14", "1x3x224x224", "632045800",
                 "torchvision.models.vision_transformer"), marks=needs("torchvision")),
    pytest.param("torchvision:", "torchvision:RAFT_s*", ("torchvision:raft_small", "1x3x512x512",
                 "990162",
                 "torchvision.models.optical_flow.raft"), marks=needs("torchvision")),
    pytest.param("timm:", "mobilenetv3_small_0*", ("timm:mobilenetv3_small_050", "1x3x224x224", "",
                 "timm.models.mobilenetv3"), marks=needs("timm")),
    pytest.param("transformers:", "*bert", ("transformers:bert", "", "",
                 "transformers.models.bert"), marks=needs("transformers")),
]  # fmt: skip


@pytest.mark.parametrize(("source", "pattern", "row"), LISTED)
def test_rows(capsys, source: str, pattern: str, row: tuple[str, ...]) -> None:
    given = [source] if source else []
    assert run(["list", *given, "--filter", pattern, "--format", "csv"]) == 0
    rows = {r["name"]: r for r in csv.DictReader(StringIO(capsys.readouterr().out))}
    found = rows[row[0]]
    assert (found["name"], found["input"], found["params"], found["source"]) == row


@needs("torchvision")
def test_listed_figures_are_those_of_the_analysis() -> None:
    listed = cnnstat.list_models("torchvision", "resnet18").models[0]
    analysis = cnnstat.analyze(listed.name)
    assert (analysis.inputs[0].shape, analysis.totals.params) == (listed.input, listed.params)


@needs("torchvision")
def test_everything_of_a_source() -> None:
    import torchvision

    listing = cnnstat.list_models("torchvision")
    known = [f"torchvision:{name}" for name in torchvision.models.list_models()]
    assert [model.name for model in listing.models] == known
    assert {model.origin for model in listing.models} == {"torchvision"}


@needs("transformers")
def test_model_types_have_a_config_and_a_model() -> None:
    import transformers

    listed = cnnstat.list_models("transformers", "funnel").models[0]
    assert listed.summary == "FunnelModel"
    config = transformers.AutoConfig.for_model(listed.name.partition(":")[2])
    assert config.model_type == "funnel"


@pytest.mark.parametrize("format", FORMATS)
def test_what_is_not_known_is_no_zero(format: str, capsys, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.cnnstat.models]\nmine = 'my_model.py:Net'\n")
    assert run(["list", "--filter", "mine", "--format", format]) == 0
    out = capsys.readouterr().out
    assert "mine" in out
    if format == "json":
        result = json.loads(out)
        jsonschema.validate(result, schema())
        assert result["models"] == [
            {"name": "mine", "source": "my_model.py:Net", "input": None, "params": None,
             "summary": "", "origin": "own", "needs": ""}
        ]  # fmt: skip
    elif format == "csv":
        assert out.splitlines()[1] == "mine,,,,my_model.py:Net"
    else:
        assert "your own models" in out
        assert ("\\textendash" if format == "latex" else "–") in out
    assert ">0<" not in out.replace(" ", "")


TITLES = [
    ("nin", "built-in networks"),
    ("mine", "your own models"),
    ("*in*", "built-in networks and your own models"),
]


@pytest.mark.parametrize(("pattern", "title"), TITLES)
def test_title(pattern: str, title: str, capsys, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.cnnstat.models]\nmine = 'my_model.py:Net'\n")
    assert run(["list", "--filter", pattern]) == 0
    assert capsys.readouterr().out.splitlines()[0] == title


REFUSALS = [  # (command, status, what is said)
    ("list --filter nni", 2, ["no model matches 'nni'", "the nearest are nin"]),
    ("list --filter zzz*", 2, ["no model matches 'zzz*'"]),
    ("list torchvison:", 2, ["unknown source 'torchvison:'", "did you mean torchvision:?"]),
    (
        "list nosuchname",
        2,
        [
            "no model matches 'nosuchname'",
            "searched: the built-in networks",
            "try: cnnstat list\n",
        ],
    ),
    ("list resnet vit nosuch", 2, ["try: cnnstat list resnet vit\n"]),
    ("list torchvison", 2, ["no model matches 'torchvison'", "the nearest are torchvision:"]),
    ("list resnt50", 2, ["the nearest are resnet50, torchvision:resnet50"]),
    ("list timm resnt50", 2, ["no model of timm matches 'resnt50'", "the nearest are resnet50,"]),
    (
        "shapes torchvison:resnet50",
        2,
        ["no module", "did you mean torchvision:resnet50?"],
    ),
    ("shapes Timm:resnet50", 2, ["did you mean timm:resnet50?"]),
    ("shapes package:Net", 2, ["there is no module 'package'"]),
    (
        "shapes resnext50_32x4d",
        2,
        ["is a model of several packages", "torchvision:resnext50_32x4d, timm:"],
    ),
]


@pytest.mark.parametrize(("line", "status", "says"), REFUSALS, ids=[r[0] for r in REFUSALS])
def test_refusals(capsys, line: str, status: int, says: list[str]) -> None:
    assert run(line.split()) == status
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    for part in says:
        assert part in err
    if "package" in line:
        assert "did you mean" not in err


@needs("torchvision")
def test_no_match_in_another_source(capsys) -> None:
    assert run(["list", "torchvision:", "--filter", "resnot*"]) == 2
    err = capsys.readouterr().err
    assert "no model of torchvision matches 'resnot*'" in err
    assert "the nearest are resnet" in err


@pytest.mark.parametrize("source", SOURCES)
def test_without_the_extra(source: str, capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    """The models are listed, to use them the package is needed."""
    with_it = cnnstat.list_models(source).models
    monkeypatch.setitem(sys.modules, source, None)  # as if it were not installed
    assert run(["list", f"{source}:"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert f"note: to use them: pip install 'cnnstat[{source}]'" in out
    listed = cnnstat.list_models(source).models
    assert {model.needs for model in listed} == {f"cnnstat[{source}]"}
    if find_spec(source) is not None:
        assert [(m.name, m.input, m.params) for m in listed] == [
            (m.name, m.input, m.params) for m in with_it
        ]
    assert run(["shapes", listed[0].name]) == 1
    assert f"pip install 'cnnstat[{source}]'" in capsys.readouterr().err


SEARCHES = [  # (words, names that are found, names that are not)
    ("nin mnist", ["nin-mnist"], ["nin", "residual-mnist"]),
    ("NIN_MNIST", ["nin-mnist"], []),
    ("vit", ["transformers:vit", "torchvision:vit_b_16", "timm:levit_128"], ["timm:resnet50"]),
    ("vit*16", ["torchvision:vit_b_16"], ["torchvision:maxvit_t", "transformers:vit"]),
    ("resnet 50", ["resnet50", "timm:resnet50d"], ["resnet18"]),
    ("timm resnet50", ["timm:resnet50d"], ["resnet50", "torchvision:resnet50"]),
    ("timm:resnet50", ["timm:resnet50d"], ["torchvision:resnet50"]),
    ("torchvision: resnet50", ["torchvision:resnet50"], ["timm:resnet50"]),
    ("gpt2", ["transformers:gpt2"], ["transformers:bert"]),
]


@pytest.mark.parametrize(("words", "found", "others"), SEARCHES)
def test_search(words: str, found: list[str], others: list[str], capsys) -> None:
    assert run(["list", *words.split(), "--format", "json"]) == 0
    names = [model["name"] for model in json.loads(capsys.readouterr().out)["models"]]
    assert set(found) <= set(names)
    assert not set(others) & set(names)


def test_the_nearest_names_are_first() -> None:
    names = [model.name for model in cnnstat.list_models(search="vit").models]
    assert names[:2] == ["transformers:vit", "torchvision:vit_b_16"]
    assert names.index("torchvision:maxvit_t") > names.index("timm:vit_base_patch16_224")


def test_a_search_needs_no_torch(tmp_path: Path) -> None:
    code = (
        "import sys; from cnnstat.cli.main import run; run(['list', 'resnet50'])\n"
        "assert not {'torch', 'timm', 'torchvision', 'transformers'} & set(sys.modules)"
    )
    process = subprocess.run([sys.executable, "-c", code], text=True, capture_output=True)
    assert process.stderr == ""
    assert "timm:resnet50d" in process.stdout


def test_another_version_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("timm")
    monkeypatch.setattr(metadata, "version", lambda source: "0.1")
    assert cnnstat.list_models("timm", "resnet50").models[0].needs == ""
    assert "resnet50" in name_cache.remembered("timm")


def test_in_python() -> None:
    listing = cnnstat.list_models()
    assert [model.name for model in listing.models] == list(CATALOG)
    assert repr(listing).startswith("built-in networks\n\nName")
    assert "<table" in listing._repr_html_()


# ---------------------------------------------------------------- the names that are kept


def test_names_are_kept_for_the_installed_version(empty: Path, monkeypatch) -> None:
    monkeypatch.setattr(metadata, "version", lambda source: "1.0")
    assert name_cache.remembered("timm") == ()
    name_cache.remember("timm", ["a_net", "b_net"])
    assert [file.name for file in empty.iterdir()] == ["timm-1.0.txt"]
    assert name_cache.remembered("timm") == ("a_net", "b_net")
    monkeypatch.setattr(metadata, "version", lambda source: "1.1")
    assert name_cache.remembered("timm") == ()


def test_a_cache_that_cannot_be_used_is_none(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(metadata, "version", lambda source: "1.0")
    (tmp_path / "cache").write_text("a file")
    name_cache.remember("timm", ["a_net"])
    assert name_cache.remembered("timm") == ()
    (tmp_path / "cache").unlink()
    (tmp_path / "cache" / "cnnstat").mkdir(parents=True)
    (tmp_path / "cache" / "cnnstat" / "timm-1.0.txt").write_bytes(b"\xff")
    assert name_cache.remembered("timm") == ()


def test_nothing_is_kept_of_what_is_not_installed(empty: Path, monkeypatch) -> None:
    def missing(source: str) -> str:
        raise metadata.PackageNotFoundError(source)

    monkeypatch.setattr(metadata, "version", missing)
    name_cache.remember("timm", ["a_net"])
    assert name_cache.remembered("timm") == ()
    assert not empty.exists()


# ---------------------------------------------------------------- completion


def test_layers_are_completed_after_the_model_was_shown(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    assert layers_of("torchvision:alexnet") == []
    assert run(["shapes", "torchvision:alexnet", "--depth", "0"]) == 0
    assert layers_of("torchvision:alexnet")[:3] == ["features", "features.0", "features.1"]
    name_cache.remember_layers("package.module:Net", ["conv"])
    assert layers_of("package.module:Net") == ["conv"]
    monkeypatch.chdir(tmp_path / "cache")  # a module of the same name may be another one
    assert layers_of("package.module:Net") == []
    assert layers_of("torchvision:alexnet") != []
    for number in range(name_cache._MOST_MODELS + 5):
        name_cache.remember_layers(f"timm:net{number}", ["conv"])
    files = list((tmp_path / "cache" / "cnnstat" / "layers").iterdir())
    assert len(files) == name_cache._MOST_MODELS
    capsys.readouterr()


COMPLETED = [  # (words as bash splits them, the last is completed; replies)
    (["shapes", "nin-m"], {"nin-mnist"}),
    (["shapes", "min"], {"mine"}),
    (["compare", "nin", "min"], {"mine"}),
    (["shapes", "torchvision", ":", "res"], {"resnet18", "resnet50"}),
    (["shapes", "torchvision", ":"], {"resnet18", "resnet50", "alexnet"}),
    (["compare", "torchvision", ":", "alexnet", "torchvision", ":", "r"], {"resnet18", "resnet50"}),
    (["compare", "torchvision", ":", "alexnet", "min"], {"mine"}),
    (["shapes", "nowhere", ":", "res"], set()),
    (["list", "t"], {"torchvision:", "timm:", "transformers:"}),
    (["list", "torchvision", ":"], set()),
]


@pytest.mark.parametrize(("words", "replies"), COMPLETED)
def test_completion_in_bash(tmp_path: Path, words: list[str], replies: set[str]) -> None:
    environment = {
        "_CNNSTAT_COMPLETE": "complete_bash",
        "COMP_WORDS": "\n".join(["cnnstat", *words]),
        "COMP_CWORD": str(len(words)),
    }
    assert set(_completed(tmp_path, environment)) == replies


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_completion_in_shells_that_split_at_spaces(tmp_path: Path, shell: str) -> None:
    environment = {
        "_CNNSTAT_COMPLETE": f"complete_{shell}",
        "_TYPER_COMPLETE_ARGS": "cnnstat shapes torchvision:res",
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    }
    printed = "\n".join(_completed(tmp_path, environment)).replace("\\", "")
    for name in ("resnet18", "resnet50"):
        assert f"torchvision:{name}" in printed
    assert "alexnet" not in printed


_COMPLETING = """
import sys
from importlib import metadata
metadata.version = lambda source: "1.0"
sys.argv = ["cnnstat"]
import atexit
from cnnstat.cli.main import main
@atexit.register
def light():
    heavy = {"torch", "torchvision", "msgspec", "jinja2"} & set(sys.modules)
    print(heavy or "", file=sys.stderr)
main()
"""


def _completed(folder: Path, environment: dict[str, str]) -> list[str]:
    """The replies; own names come from pyproject.toml, torchvision's from the cache."""
    (folder / "pyproject.toml").write_text(
        "[tool.cnnstat]\nimport = ['no_such_module']\n"
        "[tool.cnnstat.models]\nmine = 'my_model.py:Net'\n"
    )
    kept = folder / "cache" / "cnnstat" / "torchvision-1.0.txt"
    kept.parent.mkdir(parents=True)
    kept.write_text("alexnet\nresnet18\nresnet50")
    process = subprocess.run(
        [sys.executable, "-c", _COMPLETING], env={**os.environ, **environment}, text=True,
        capture_output=True, check=False,
    )  # fmt: skip
    assert process.stderr.strip() == ""
    return process.stdout.split("\n")[:-1] if process.stdout.strip() else []


def test_completion_of_a_broken_pyproject(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.cnnstat")
    assert [name for name, _ in completion.complete_model("nin-m")] == ["nin-mnist"]
