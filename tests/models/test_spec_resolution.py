"""What a user types for a model: what has one meaning is understood, the rest leads on."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import cnnstat
from cnnstat.cli.main import run
from cnnstat.errors import CnnstatError
from cnnstat.models import hub, source_scan
from cnnstat.models.spec_resolution import resolve
from cnnstat.models.user_names import registrations_restored

NET = """
from torch import nn
from torch.nn import Module

class Block(nn.Sequential):
    pass

class Net(Module):
    def __init__(self, width=4):
        super().__init__()
        self.block = Block(nn.Conv2d(3, 4, 3))

    def forward(self, x):
        return self.block(x)

class Settings:
    width = 4
"""
ONE = (
    "from torch import nn\n\nclass Only(nn.Module):\n    def forward(self, x):\n        return x\n"
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's folder, in which no file may be run."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        monkeypatch.delenv(name, raising=False)
    files = {
        "my_model.py": NET, "one.py": ONE, "pkg/__init__.py": "", "pkg/net.py": NET,
        "single/model.py": ONE, "single/data.py": "x = 1\n", "outer/inner/net.py": ONE,
        "empty/notes.txt": "", "gpt/config.json": '{"model_type": "gpt2"}',
        "list.json": "[1]", "run.json": '{"kind": "analysis"}', "broken.py": "class Net(",
        "config.yaml": "nc: 80", "weights.h5": "", "weights.safetensors": "", "w.pth": "",
        "model.onnx": "", "readme.txt": "", "lesson.ipynb": json.dumps({"cells": [
            {"cell_type": "markdown", "source": ["# Net"]},
            {"cell_type": "code", "source": ["!pip install x\n", "%matplotlib inline\n", "x = 1"]},
            {"cell_type": "code", "source": ["class Net(nn.Module):\n", "    pass"]},
        ]}), "damaged.ipynb": "{",
    }  # fmt: skip
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text and f"{text}\n{_TRAP if name.endswith('.py') else ''}")
    return tmp_path


_TRAP = "import pathlib; pathlib.Path('was_run').touch()\n"

UNDERSTOOD = [  # (typed, the spec)
    ("nin", "nin"),
    ("ResNet50", "resnet50"),
    ("resnet-50", "resnet50"),
    ("VGG16_BN", "vgg16-bn"),
    ("bert", "transformers:bert"),
    ("GPT2", "transformers:gpt2"),
    ("mobilenetv3_small_050", "timm:mobilenetv3_small_050"),
    ("timm:ResNet50", "timm:resnet50"),
    ("torchvision:resnet-50", "torchvision:resnet50"),
    ("timm:resnet50.a1_in1k", "timm:resnet50.a1_in1k"),
    ("torchvision.models.resnet50", "torchvision:resnet50"),
    ("torchvision/resnet50", "torchvision:resnet50"),
    ("timm/resnet50.a1_in1k", "timm:resnet50.a1_in1k"),
    ("hf-hub:timm/resnet50.a1_in1k", "timm:resnet50.a1_in1k"),
    ("https://huggingface.co/timm/resnet50.a1_in1k", "timm:resnet50.a1_in1k"),
    ("my_model.py:Net", "my_model.py:Net"),
    ("my_model.py:Nett", "my_model.py:Nett"),  # an error of the file, with its names
    ("my_model.py:net", "my_model.py:Net"),
    ("my_model.py::Net", "my_model.py:Net"),
    ("my_model.py.Net", "my_model.py:Net"),
    ("my_model.py:Net()", "my_model.py:Net"),
    ("lenet()", "lenet"),
    ("one.py:", "one.py:Only"),
    ("my_model.Net", "my_model.py:Net"),
    ("my_model", "my_model.py"),  # two models: its error lists them
    ("pkg.net.Net", "pkg/net.py:Net"),
    ("one.py", "one.py:Only"),
    ("one", "one.py:Only"),
    ("single", "single/model.py:Only"),
    ("single/", "single/model.py:Only"),
    ("json.decoder.JSONDecoder", "json.decoder:JSONDecoder"),  # of an installed package
    ("json.JSONDecoder", "json:JSONDecoder"),
    ("package.module:build", "package.module:build"),
    ("gpt", "transformers:gpt"),
    ("gpt/config.json", "transformers:gpt/config.json"),
    ("run.json", "run.json"),
    ("list.json", "list.json"),
    ("model.onnx", "model.onnx"),
    ("broken.py", "broken.py"),
    ("transformers:llama", "transformers:llama"),
    ("transformers:no/such/folder", "transformers:no/such/folder"),
]


@pytest.mark.parametrize(("typed", "spec"), UNDERSTOOD)
def test_understood(typed: str, spec: str) -> None:
    resolved = resolve(typed)
    assert resolved.spec == spec
    assert resolved.note == ("" if typed == spec else f"{typed} is read as {spec}")
    assert not Path("was_run").exists()


LED_ON = [  # (typed, what the error has)
    ("vit", ["did you mean transformers:vit, torchvision:vit_b_16, timm:vit_", "list vit"]),
    ("efficientnet", ["transformers:efficientnet, torchvision:efficientnet_b0, timm:efficientne"]),
    ("efficientnet_b0", ["several packages", "try: cnnstat shapes torchvision:efficientnet_b0"]),
    ("yolov8", ["unknown model 'yolov8'", "a function that returns the model"]),
    ("resnt50", ["did you mean resnet50"]),
    ("Net", ["did you mean my_model.py:Net"]),
    ("", ["unknown model ''"]),
    ("facebook/opt-125m", ["nothing is downloaded", "hf download facebook/opt-125m config.json"]),
    ("https://huggingface.co/facebook/opt-125m", ["hf download facebook/opt-125m config.json"]),
    ("https://huggingface.co/facebook/opt-125m/tree/main", ["hf download facebook/opt-125m"]),
    ("transformers:facebook/opt-125m", ["hf download facebook/opt-125m config.json"]),
    ("microsoft/resnet-50", ["without the hub: resnet50, torchvision:resnet50"]),
    ("google/vit-base-patch16-224", ["without the hub: timm:vit_base_patch16_224"]),
    ("https://github.com/a/net/blob/main/x.py", ["git clone https://github.com/a/net"]),
    ("https://example.com/net.onnx", ["is an address, and nothing is downloaded"]),
    ("pkg", ["several models", "pkg/net.py:Net, pkg/net.py:Block", "shapes pkg/net.py:Net"]),
    ("outer", ["its folders have some", "cnnstat shapes outer/inner/net.py:Only"]),
    ("empty", ["is a folder without a model", "looked for"]),
    ("no/such/folder", ["there is no file or folder no/such/folder"]),
    ("./mymodel", ["there is no file or folder ./mymodel", "models in", "my_model.py:Net"]),
    ("missing.onnx", ["there is no file missing.onnx", "try: cnnstat shapes model.onnx"]),
    ("missing.py:Net", ["there is no file missing.py", "try: cnnstat shapes my_model.py:Net"]),
    ("missing.py:Only", ["my_model.py:Net, my_model.py:Block, one.py:Only", "one.py:Only"]),
    ("my_modle.py:Block", ["did you mean my_model.py?", "try: cnnstat shapes my_model.py:Block"]),
    ("empty/missing.py:Net", ["there is no file", "empty has no model: no .py file"]),
    ("nowhere/net.py:Net", ["there is no folder nowhere either"]),
    ("keras:resnet50", ["there is no module 'keras'", "try: cnnstat shapes resnet50"]),
    ("torchvison:vit_b_16", ["did you mean torchvision:vit_b_16?"]),
    ("elsewhere:Only", ["there is no module 'elsewhere'", "did you mean one.py:Only?"]),
    ("my_model.py:Net(3)", ["is a call: the arguments of a model are options",
                            "try: cnnstat shapes my_model.py:Net --arg width=3\n"]),
    ("my_model.py:Net(width=(1, 2))", ["try: cnnstat shapes my_model.py:Net --arg 'width=(1, 2)'"]),
    ("timm:resnet18(pretrained=True, num_classes=10)",
     ["no weights are read", "try: cnnstat shapes timm:resnet18 --arg num_classes=10\n"]),
    ("my_model.py:Net(open)", ["try: cnnstat shapes my_model.py:Net --arg width=VALUE\n"]),
    (":Net", ["unknown model ':Net'"]),
    ("bert-base-uncased", ["did you mean transformers:bert", "hf download bert-base-uncased"]),
    ("gpt2-medium", ["did you mean transformers:gpt2?"]),
    ("readme.txt", ["is no model that can be read"]),
    ("weights.h5", ["is an HDF5 file, as Keras saves models", "save it as weights.onnx",
                    "cnnstat shapes weights.onnx"]),
    ("missing.keras", ["there is no file missing.keras"]),
    ("w.pth", ["is a pickled checkpoint", "cnnstat shapes my_model.py:Net"]),
    ("w.pth:Only", ["Only is defined in code", "cnnstat shapes one.py:Only"]),
    ("weights.safetensors:Net", ["without the architecture", "cnnstat shapes my_model.py:Net"]),
    ("lesson.ipynb", ["is a notebook", "it defines Net (cell 3)", "cnnstat.analyze(Net())",
                      "try: cnnstat shapes lesson.py:Net"]),
    ("lesson.ipynb:Other", ["is a notebook", "try: cnnstat shapes lesson.py:Other"]),
    ("damaged.ipynb", ["is a notebook", "no cell defines a model"]),
    ("config.yaml", ["in config.py: def build()", "cnnstat shapes config.py:build"]),
]  # fmt: skip


@pytest.mark.parametrize(("typed", "says"), LED_ON, ids=[typed for typed, _ in LED_ON])
def test_led_on(typed: str, says: list[str]) -> None:
    with pytest.raises(CnnstatError) as caught:
        resolve(typed)
    for part in says:
        assert part in f"{caught.value}\n"
    assert not Path("was_run").exists()


@pytest.mark.parametrize("typed", ["vit", "facebook/opt-125m", "Net", "pkg", "w.pth:Only"])
def test_leading_on_needs_no_torch(typed: str) -> None:
    code = f"import sys; from cnnstat.cli.main import run; run([{typed!r}]); sys.exit('torch' in sys.modules)"  # noqa: E501
    process = subprocess.run([sys.executable, "-c", code], text=True, capture_output=True)
    assert process.returncode == 0, process.stderr


def test_every_hint_that_names_a_model_works() -> None:
    """Whoever types what the error of a name says is understood."""
    for typed in ("vit", "efficientnet_b0", "resnt50", "pkg", "w.pth:Only", "my_model.py:net"):
        try:
            hint = f"try: cnnstat shapes {resolve(typed).spec}"
        except CnnstatError as error:
            hint = str(error).splitlines()[-1]
        command, _, spec = hint.partition("cnnstat ")[2].partition(" ")
        spec = spec.partition(",")[0]
        if command == "list":
            assert cnnstat.list_models(search=spec).models
        else:
            assert resolve(spec).spec == spec


def test_an_own_name_comes_first(folder: Path) -> None:
    (folder / "pyproject.toml").write_text("[tool.cnnstat.models]\nbert = 'one.py:Only'\n")
    assert resolve("bert").spec == "bert"
    assert resolve("Bert").spec == "bert"


def test_registered_names_are_not_guessed(folder: Path, capsys) -> None:
    """A module that was not imported yet may register `bert`."""
    (folder / "pyproject.toml").write_text("[tool.cnnstat]\nimport = ['models.py']\n")
    (folder / "models.py").write_text(
        "import cnnstat\nfrom torch import nn\n\n"
        "@cnnstat.register('bert', input='1,3')\ndef bert():\n    return nn.Linear(3, 2)\n"
    )
    with registrations_restored():
        assert run(["bert"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("bert on 1×3")
    assert err == ""


# ---------------------------------------------------------------- the hub's cache


def cached(home: Path, name: str, commit: str, fields: dict[str, object]) -> Path:
    """A config.json as huggingface_hub stores it."""
    folder = home / f"models--{name.replace('/', '--')}" / "snapshots" / commit
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(fields))
    return folder / "config.json"


PLACES = [
    ({}, "cache/huggingface/hub"),  # below XDG_CACHE_HOME
    ({"HF_HOME": "home"}, "home/hub"),
    ({"HF_HOME": "home", "HF_HUB_CACHE": "there"}, "there"),
]


@pytest.mark.parametrize(("variables", "place"), PLACES)
def test_the_cache_is_where_huggingface_hub_has_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], place: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, str(folder / value))
    file = cached(folder / place, "a/net", "1f", {"model_type": "gpt2"})
    assert hub.cached_config("a/net") == file
    assert hub.cached_config("a/other") is None
    cached(folder / place, "old-gpt", "1f", {"model_type": "gpt2"})
    assert resolve("old-gpt").spec == "transformers:old-gpt"
    assert resolve("a/net").spec == "transformers:a/net"
    assert resolve("https://huggingface.co/a/net").spec == "transformers:a/net"
    if find_spec("huggingface_hub") is not None:
        code = "from huggingface_hub import constants; print(constants.HF_HUB_CACHE)"
        process = subprocess.run([sys.executable, "-c", code], text=True, capture_output=True)
        assert process.stdout.strip() == str(folder / place)


def test_the_main_branch_is_preferred(folder: Path) -> None:
    home = folder / "cache" / "huggingface" / "hub"
    main = cached(home, "a/net", "1f", {"model_type": "gpt2"})
    cached(home, "a/net", "2f", {"model_type": "bert"})
    (home / "models--a--net" / "refs").mkdir()
    (home / "models--a--net" / "refs" / "main").write_text("1f\n")
    assert hub.cached_config("a/net") == main


def test_a_cached_model_is_analysed(folder: Path, capsys) -> None:
    pytest.importorskip("transformers")
    fields = {
        "model_type": "gpt2",
        "n_layer": 2,
        "n_embd": 8,
        "n_head": 2,
        "vocab_size": 10,
        "bos_token_id": 1,
        "eos_token_id": 1,
    }
    cached(folder / "cache" / "huggingface" / "hub", "a/tiny", "1f", fields)
    assert run(["shapes", "a/tiny", "--input", "input_ids=1,4:int64"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("transformers:a/tiny on input_ids=1×4")
    assert "Embedding 10×8" in out
    assert err == "note: a/tiny is read as transformers:a/tiny\n"


def test_a_cached_model_of_timm(folder: Path) -> None:
    fields = {"architecture": "resnet18", "num_classes": 7}
    cached(folder / "cache" / "huggingface" / "hub", "me/mine", "1f", fields)
    with pytest.raises(CnnstatError, match="cnnstat shapes timm:resnet18 --arg num_classes=7"):
        resolve("me/mine")


def test_a_damaged_cache_is_none(folder: Path) -> None:
    file = cached(folder / "cache" / "huggingface" / "hub", "a/net", "1f", {})
    file.write_bytes(b"\xff")
    with pytest.raises(CnnstatError, match="nothing is downloaded"):
        resolve("a/net")


# ---------------------------------------------------------------- in Python, and files unread


def test_in_python() -> None:
    analysis = cnnstat.analyze("LeNet")
    assert analysis.model.spec == "lenet"
    assert analysis.notes[0] == "LeNet is read as lenet"
    with pytest.raises(CnnstatError, match="did you mean transformers:vit"):
        cnnstat.analyze("vit")


def test_models_of_a_file(folder: Path) -> None:
    """Those that use the others first; classes of data are none."""
    assert source_scan.models_of(folder / "my_model.py") == ["Net", "Block"]
    assert source_scan.models_of(folder / "broken.py") == []
    assert source_scan.models_of(folder / "missing.py") == []


@pytest.mark.parametrize(
    ("typed", "file"),
    [
        ("mein netz.py:Nte", "mein netz.py"),
        ("mein nets.py:Net", "mein netz.py"),
        ("a b", "a b/net.py"),
        ("a b/nett.py", "a b/net.py"),
    ],
)
def test_what_to_type_is_quoted(typed: str, file: str, folder: Path, capsys) -> None:
    (folder / "a b").mkdir()
    (folder / file).write_text(NET, encoding="utf-8")
    assert run(["shapes", typed]) == 2
    assert f"  try: cnnstat shapes '{file}" in capsys.readouterr().err


def test_a_dotted_name_of_any_length_is_no_file(capsys) -> None:
    assert run(["shapes", "名" * 200 + ".Net"]) == 2
    assert "fault of cnnstat" not in capsys.readouterr().err
