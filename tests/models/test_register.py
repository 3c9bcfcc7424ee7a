"""Names of the user's own: in pyproject.toml, by `@cnnstat.register`, and what each stands for."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import pytest
from torch import nn

import cnnstat
from cnnstat.cli.main import run
from cnnstat.errors import UsageError
from cnnstat.models import user_names as own

needs_torchvision = pytest.mark.skipif(find_spec("torchvision") is None, reason="not installed")

MODEL = """
from torch import nn

example_input = (1, 3, 12, 12)


class Net(nn.Sequential):
    def __init__(self, width=8, classes=10):
        super().__init__(nn.Conv2d(3, width, 3), nn.Flatten(), nn.LazyLinear(classes))
"""
REGISTERING = """
import cnnstat
from torch import nn


@cnnstat.register("tiny", input=(1, 3, 8, 8), arguments={"width": 2}, summary="one convolution")
class Tiny(nn.Sequential):
    def __init__(self, width=4):
        super().__init__(nn.Conv2d(3, width, 3))
"""
PYPROJECT = """
[tool.cnnstat]
import = ["nets.registered", "extra.py"]

[tool.cnnstat.models]
mynet = "my_model.py:Net"
wide = {spec = "my_model.py:Net", input = "1,3,32,32", arguments = {width = 64}, summary = "wider"}
packed = {spec = "nets.plain:build", input = [2, 3, 16, 16]}
nin100 = {spec = "nin", arguments = {num_classes = 100}}
resnet-small = {spec = "torchvision:resnet18", input = "1,3,64,64", arguments = {num_classes = 10}}
"""


@pytest.fixture(autouse=True)
def nothing_registered(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(own, "_registered", {})
    monkeypatch.setattr(own, "_definitions", {})
    monkeypatch.setattr(own, "_imported", set())
    yield
    for name in [n for n in sys.modules if n.split(".")[0] == "nets" or n.startswith("_cnnstat_")]:
        del sys.modules[name]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "pyproject.toml").write_text(PYPROJECT)
    (tmp_path / "my_model.py").write_text(MODEL)
    (tmp_path / "nets").mkdir()
    (tmp_path / "nets" / "__init__.py").write_text("")
    (tmp_path / "nets" / "plain.py").write_text(f"{MODEL}\nbuild = Net\n")
    (tmp_path / "nets" / "registered.py").write_text(REGISTERING)
    (tmp_path / "extra.py").write_text(
        "import cnnstat\nfrom torch import nn\n\n\n"
        "@cnnstat.register('line')\ndef line(width=3):\n    return nn.Linear(7, width)\n"
    )
    (tmp_path / "below" / "deeper").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    importlib.invalidate_caches()
    return tmp_path


def net(width: int, side: int, classes: int = 10) -> int:
    """Parameters of `Net`: a 3×3 convolution, a linear layer on its (side-2)² positions."""
    return (3 * 9 * width + width) + (width * (side - 2) ** 2 * classes + classes)


NAMES = [  # (name, arguments, input, parameters, source)
    ("mynet", {}, (1, 3, 12, 12), net(8, 12), "python"),  # the file's example_input
    ("wide", {}, (1, 3, 32, 32), net(64, 32), "python"),
    ("wide", {"classes": 5}, (1, 3, 32, 32), net(64, 32, 5), "python"),  # beside the own ones
    ("wide", {"width": 1}, (1, 3, 32, 32), net(1, 32), "python"),  # instead of the own one
    ("packed", {}, (2, 3, 16, 16), net(8, 16), "python"),
    # the last of the four blocks: 3×3 on 384 channels, then two 1×1 on as many as classes
    ("nin100", {}, (1, 1, 224, 224),
     1_992_166 + 90 * (384 * 9 + 1) + 2 * (100 * 101 - 10 * 11), "zoo"),
    ("tiny", {}, (1, 3, 8, 8), 3 * 9 * 2 + 2, "python"),
    ("tiny", {"width": 5}, (1, 3, 8, 8), 3 * 9 * 5 + 5, "python"),
    ("line", {}, (1, 7), 7 * 3 + 3, "python"),  # the first layer implies the input
]  # fmt: skip


@pytest.mark.parametrize("where", [".", "below/deeper"])
@pytest.mark.parametrize(("name", "arguments", "shape", "params", "source"), NAMES)
def test_what_a_name_stands_for(
    folder: Path, monkeypatch, where: str, name: str, arguments: dict, shape: tuple[int, ...],
    params: int, source: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(folder / where)
    path = list(sys.path)
    analysis = cnnstat.analyze(name, arguments=arguments)
    assert analysis.inputs[0].shape == shape
    assert analysis.totals.params == params
    assert (analysis.model.spec, analysis.model.source) == (name, source)
    assert sys.path == path


@needs_torchvision
def test_a_name_for_a_model_of_another_source(folder: Path) -> None:
    analysis = cnnstat.analyze("resnet-small")
    assert analysis.totals.params == 11_689_512 - (512 * 990 + 990)
    assert analysis.inputs[0].shape == (1, 3, 64, 64)


def test_given_input_goes_before_the_own_one(folder: Path) -> None:
    assert cnnstat.analyze("wide", "1,3,9,9").totals.params == net(64, 9)
    assert cnnstat.analyze("tiny", (1, 3, 5, 5)).layers[-1].outputs == ((1, 2, 3, 3),)


def test_command_line(folder: Path, capsys) -> None:
    assert run(["shapes", "wide", "--arg", "width=2", "--format", "json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["model"] == {
        "spec": "wide", "source": "python", "class": "Net", "arguments": {"width": 2},
    }  # fmt: skip
    assert run(["compare", "tiny", "wide", "--format", "json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["names"] == ["tiny", "wide"]
    assert [a["inputs"][0]["shape"] for a in result["analyses"]] == [[1, 3, 8, 8]] * 2


def test_nearest_table_holds(folder: Path, monkeypatch) -> None:
    (folder / "below" / "pyproject.toml").write_text("[project]\nname = 'uses-cnnstat'\n")
    monkeypatch.chdir(folder / "below" / "deeper")
    assert "wide" in own.known_names()  # a pyproject.toml without the table is passed by
    (folder / "below" / "pyproject.toml").write_text(
        "[tool.cnnstat.models]\nother = 'nets/plain.py:Net'\n"
    )
    assert own.known_names() == ["other"]


BROKEN = [  # (pyproject.toml, what is said of it)
    ("[tool.cnnstat", ["pyproject.toml is no TOML", "Expected ']'"]),
    ("[tool]\ncnnstat = 3", ["tool.cnnstat is 3", "a table"]),
    ("[tool.cnnstat.modles]", ["has no key 'modles'", "did you mean models?"]),
    ("[tool.cnnstat]\nmodels = ['a']", ["tool.cnnstat.models is ['a']", "a table"]),
    ("[tool.cnnstat]\nimport = 'nets'", ["tool.cnnstat.import is 'nets'", "a list of modules"]),
    ("[tool.cnnstat]\nimport = [3]", ["tool.cnnstat.import is 3", "a list of modules"]),
    ("[tool.cnnstat.models]\na = 3", ["tool.cnnstat.models.a is 3", "my_model.py:Net"]),
    ("[tool.cnnstat.models.a]\nspce = 'm.py:N'", ["models.a has no key 'spce'", "mean spec?"]),
    ("[tool.cnnstat.models.a]\nsummary = 's'", ["models.a has no spec", "spec = "]),
    ("[tool.cnnstat.models]\na = ''", ["models.a has no spec"]),
    ("[tool.cnnstat.models.a]\nspec = 3", ["models.a.spec is 3", "a text"]),
    ("[tool.cnnstat.models]\na = {spec = 'm:N', summary = 1}", ["models.a.summary is 1"]),
    ("[tool.cnnstat.models]\na = {spec = 'm:N', arguments = 1}", ["models.a.arguments is 1"]),
    ("[tool.cnnstat.models]\na = {spec = 'm:N', input = '1,3,x'}",
     ["models.a.input: '1,3,x'", "a size is missing", "at position 5"]),
    ("[tool.cnnstat.models]\na = {spec = 'm:N', input = [1, 0]}", ["models.a.input", "positive"]),
    ("[tool.cnnstat.models]\na = {spec = 'm:N', input = true}", ["models.a.input: True"]),
    ("[tool.cnnstat.models]\n'my net' = 'm:N'", ["'my net' is no name", "letters, digits"]),
    ("[tool.cnnstat.models]\n'net.json' = 'm:N'", ["'net.json' is no name"]),
    ("[tool.cnnstat.models]\nnin = 'm:N'", ["nin is a built-in network already"]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "says"), BROKEN, ids=[text for text, _ in BROKEN])
@pytest.mark.parametrize("line", ["list", "shapes a", "shapes nin"])
def test_pyproject_that_cannot_be_understood(
    folder: Path, capsys, line: str, text: str, says: list[str]
) -> None:
    (folder / "pyproject.toml").write_text(text)
    assert run(line.split()) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: pyproject.toml")
    for part in says:
        assert part in err
    assert own.known_names() == []  # completion goes on


def test_not_utf8(folder: Path, capsys) -> None:
    (folder / "pyproject.toml").write_bytes(b"[tool.cnnstat]\n# \xff\n")
    assert run(["list"]) == 2
    assert "pyproject.toml is no TOML" in capsys.readouterr().err


REFUSED = [  # (what the model's line in pyproject.toml says, command, status, what is said)
    ("a = 'my_modle.py:Net'", "shapes a", 2, ["there is no file my_modle.py", "my_model.py"]),
    ("a = 'my_model.py:Nett'", "shapes a", 2, ["my_model.py has no 'Nett'", "did you mean Net"]),
    ("a = 'my_model.py:Net'", "shapes a --arg wdth=3", 2, ["'wdth'", "it takes (width=8"]),
    ("a = 'no_such_module:Net'", "shapes a", 2, ["there is no module 'no_such_module'"]),
    ("a = 'b'\nb = 'my_model.py:Net'", "shapes a", 2, ["unknown model 'b'"]),  # no chains
]


@pytest.mark.parametrize(("models", "line", "status", "says"), REFUSED)
def test_model_that_does_not_work(
    folder: Path, capsys, models: str, line: str, status: int, says: list[str]
) -> None:
    (folder / "pyproject.toml").write_text(f"[tool.cnnstat.models]\n{models}\n")
    assert run(line.split()) == status
    err = capsys.readouterr().err
    for part in [*says, "a is named in pyproject.toml: tool.cnnstat.models.a"]:
        assert part in err


def test_module_that_cannot_be_imported(folder: Path, capsys) -> None:
    (folder / "nets" / "registered.py").write_text("import nothing_of_this_name\n")
    for _ in range(2):  # it is tried again, and says it again
        assert run(["list"]) == 1
        err = capsys.readouterr().err
        assert "nets.registered cannot be imported" in err
        assert "it is listed in pyproject.toml: tool.cnnstat.import" in err
    assert run(["shapes", "wide"]) == 1  # it may register rules that its figures depend on
    assert run(["shapes", "nin"]) == 0


def test_name_near_by(folder: Path, capsys) -> None:
    assert run(["shapes", "wied"]) == 2
    assert "did you mean wide" in capsys.readouterr().err
    assert run(["shapes", "tinny"]) == 2  # asked for, so that what registers it was imported
    assert "did you mean tiny" in capsys.readouterr().err


# ---------------------------------------------------------------- in code


class Small(nn.Linear):
    def __init__(self, width: int = 2) -> None:
        super().__init__(4, width)


class Other(Small):
    pass


def test_decorator_returns_what_it_decorates() -> None:
    assert cnnstat.register("small")(Small) is Small
    assert cnnstat.analyze("small").totals.params == 4 * 2 + 2
    assert [m.name for m in cnnstat.list_models().models if m.origin == "own"] == ["small"]


def test_names_are_taken_once() -> None:
    cnnstat.register("small")(Small)
    with pytest.raises(UsageError, match=r"the name small is taken\n  by .*test_register.py:\d+"):
        cnnstat.register("small")(Other)
    cnnstat.register("small", summary="again")(Small)  # the same one: a cell that is run again
    (listed,) = [m for m in cnnstat.list_models().models if m.origin == "own"]
    assert listed.summary == "again"
    assert listed.source.startswith("test_register.py:")


def test_name_in_code_and_in_pyproject(folder: Path) -> None:
    cnnstat.register("wide")(Small)
    with pytest.raises(UsageError, match=r"models.wide: the name wide is taken\n  by .*\.py:\d+"):
        cnnstat.analyze("wide")


def test_a_file_imported_under_two_names(folder: Path) -> None:
    assert cnnstat.analyze("nets/registered.py:Tiny", "1,3,8,8").totals.params == 3 * 9 * 4 + 4
    assert cnnstat.analyze("tiny").totals.params == 3 * 9 * 2 + 2


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"name": "nin"}, "nin is a built-in network already"),
        ({"name": "a b"}, "'a b' is no name"),
        ({"name": Small}, "is no name for a model"),  # @register without a name
        ({"name": "a", "input": "1,3,?"}, r"input: '1,3,\?'"),
        ({"name": "a", "input": (1, -3)}, "no positive size"),
        ({"name": "a", "input": 3.5}, "3.5 is no input"),
    ],
)
def test_refused_registration(arguments: dict, says: str) -> None:
    with pytest.raises(UsageError, match=says) as caught:
        cnnstat.register(**arguments)
    assert "test_register.py:" in str(caught.value)


def test_only_what_makes_a_model_is_registered() -> None:
    with pytest.raises(UsageError, match="3 is neither a class nor a function"):
        cnnstat.register("three")(3)


INPUTS = [  # (input=, what the model runs on)
    ((2, 4), [(None, (2, 4))]),
    ("2,4", [(None, (2, 4))]),
    ([2, 4], [(None, (2, 4))]),
    (["input=3,4"], [("input", (3, 4))]),
]


@pytest.mark.parametrize(("value", "inputs"), INPUTS)
def test_input_of_a_registered_model(value: object, inputs: list) -> None:
    cnnstat.register("small", input=value)(partial(Small, width=3))
    analysis = cnnstat.analyze("small")
    assert [(i.name, i.shape) for i in analysis.inputs] == inputs
    assert analysis.totals.params == 4 * 3 + 3


def test_arguments_that_json_does_not_know(capsys) -> None:
    def build(activation: type[nn.Module]) -> nn.Module:
        return nn.Sequential(nn.Linear(4, 2), activation())

    cnnstat.register("active", arguments={"activation": nn.GELU})(build)
    assert run(["shapes", "active", "--format", "json"]) == 0
    arguments = json.loads(capsys.readouterr().out)["model"]["arguments"]
    assert arguments == {"activation": repr(nn.GELU)}


def test_constructor_that_fails_is_shown_with_its_line() -> None:
    cnnstat.register("small", arguments={"width": -1})(Small)
    with pytest.raises(cnnstat.ModelError) as caught:
        cnnstat.analyze("small")
    assert "small cannot be built with width=-1" in str(caught.value)
    assert "super().__init__(4, width)" in str(caught.value)
    assert "small is named in" in str(caught.value)


# ---------------------------------------------------------------- torch, and torchvision beside it

WITHOUT_TORCH = """
import sys
import cnnstat
from cnnstat.cli.completion import complete_model
from cnnstat.cli.main import run

@cnnstat.register("mine")
def mine(): ...

assert run(["list"]) == 0
assert [name for name, _ in complete_model("wi")] == ["wide"]
assert "torch" not in sys.modules
"""


def test_own_names_cost_no_torch(folder: Path) -> None:
    names = PYPROJECT[PYPROJECT.index("[tool.cnnstat.models]") :]  # and nothing to import
    (folder / "pyproject.toml").write_text(names)
    process = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH], capture_output=True, text=True, check=False
    )
    assert process.returncode == 0, process.stderr
    assert "my_model.py:Net" in process.stdout
    assert "mine" in process.stdout


def test_without_a_table_no_toml_is_read(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.other]\n")
    code = "import sys; from cnnstat.models.user_names import all_user_models; "
    code += "assert all_user_models() == {}; "
    code += "assert 'tomllib' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)


@needs_torchvision
@pytest.mark.parametrize("spec", ["uses.py:net", "uses:net", "uses-vision"])
def test_own_file_may_import_torchvision(folder: Path, spec: str) -> None:
    """Also beside a torch without CUDA, where torchvision's own import fails."""
    (folder / "uses.py").write_text(
        "import torchvision\n\n\ndef net():\n    return torchvision.models.resnet18()\n"
    )
    (folder / "pyproject.toml").write_text("[tool.cnnstat.models]\nuses-vision = 'uses.py:net'\n")
    process = subprocess.run(
        [sys.executable, "-m", "cnnstat", "shapes", spec, "-i", "1,3,64,64", "-f", "json"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert process.returncode == 0, process.stderr
    assert json.loads(process.stdout)["totals"]["params"] == 11_689_512


@needs_torchvision
def test_own_file_brings_no_torchvision(folder: Path) -> None:
    code = "import sys, cnnstat; cnnstat.analyze('mynet'); assert 'torchvision' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
