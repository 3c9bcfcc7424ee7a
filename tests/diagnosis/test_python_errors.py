"""Errors of Python in the code of a model: their place, their reason, and fixes that are tried.

Each mistake is made in a working network, and the first fix has to be the line that was there.
"""

from __future__ import annotations

import json
import os
import textwrap
from pathlib import Path

import jsonschema
import pytest

import cnnstat
from cnnstat.cli.main import run, with_numbered_fix
from cnnstat.render.json import schema

NET = """
    import torch
    import torch.nn.functional as F
    from torch import nn


    class Net(nn.Module):
        def __init__(self, act=None, width=16):
            super().__init__()
            self.fc_one = nn.Linear(8, width, bias=True)
            self.gru = nn.GRU(width, hidden_size=4, batch_first=True)
            self.fc_two = nn.Linear(4, width // 4)

        def forward(self, x):
            x = F.relu(self.fc_one(x))
            x = x.view(x.size(0), 1, -1)
            x, _ = self.gru(x)
            return self.fc_two(x.flatten(1))
"""

# (what stands in the network, what stands there instead, a part of the explanation)
MISTAKES = [
    ("return self.fc_two(", "return self.fc_tow(", "did you mean fc_two"),
    ("bias=True", "bais=True", "did you mean bias?"),
    ("hidden_size=4", "hiden_size=4", "did you mean hidden_size"),
    ("x.view(x.size(0)", "x.veiw(x.size(0)", "did you mean view?"),
    ("x.size(0)", "x.size[0]", "a method is called with parentheses"),
    ("nn.Linear(8,", "nn.Liner(8,", "did you mean Linear"),
    ("F.relu(self.fc_one(x))", "F.relu(fc_one(x))", "fc_one is an attribute of Net"),
    ("        self.fc_one = ", "        fc_one = ", "fc_one at net.py:9 is a variable"),
    ("def __init__(", "def __int__(", "__int__ at net.py:7 is never called"),
    ("def forward(", "def foward(", "foward at net.py:13 is never called"),
    ("def forward(self, x)", "def forward(x)", "forward at net.py:13 has no parameter self"),
    ("super().__init__()", "super().__init__", "has no parentheses in Net.__init__"),
    ("super().__init__()", "super().__init__(self)", "takes 1 positional argument"),
    ("super().__init__()", "super(nn.Linear, self).__init__()", "names another class"),
    ("        super().__init__()\n", "", "super().__init__() is missing in Net.__init__"),
    ("bias=True)", "bias=True),", "self.fc_one is a tuple: net.py:9 ends with a comma"),
    ("(self.fc_one(x))", "(self.fc_one(x)),", "x is a tuple: net.py:14 ends with a comma"),
    ("import torch.nn.functional as F\n", "", "name 'F' is not defined"),
    ("width // 4", "width / 4", "a size is a float, and must be an int"),
    ("class Net(nn.Module):", "class Net(nn.Module)", "expected ':'"),
    ("bias=True)", "bias=True", "'(' was never closed"),
    ("        self.fc_one", "          self.fc_one", "unexpected indent"),
]  # fmt: skip


def write(folder: Path, text: str) -> Path:
    (folder / "net.py").write_text(text)
    return folder / "net.py"


def stripped(text: str) -> list[str]:
    return [line.strip() for line in text.split("\n") if line.strip()]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    return tmp_path


@pytest.mark.parametrize(("right", "wrong", "reason"), MISTAKES, ids=[m[1][:30] for m in MISTAKES])
def test_the_first_fix_restores_the_line(right, wrong, reason, folder, capsys):
    text = textwrap.dedent(NET).lstrip()
    assert right in text
    file = write(folder, text.replace(right, wrong, 1))
    assert run(["shapes", "net.py:Net", "--input", "2,8", "--fix"]) == 0
    message = capsys.readouterr().err
    assert reason in message
    assert "\n  --> net.py:" in message
    assert "✓ traced to the end, output 2×4" in message
    assert "wrote net.py; to undo: mv net.py.orig net.py" in message
    changed = stripped(file.read_text())
    # a forgotten import is inserted elsewhere, and reshape or .size(0) may be written otherwise
    assert sorted(changed) == sorted(stripped(text))
    assert cnnstat.analyze("net.py:Net", (2, 8)).layers[0].outputs == ((2, 4),)


def test_forward_inside_of_the_constructor(folder, capsys):
    text = textwrap.dedent(NET).lstrip()
    head, body = text.split("    def forward")
    nested = head + textwrap.indent(f"    def forward{body}", "    ")
    file = write(folder, nested)
    assert run(["shapes", "net.py:Net", "--input", "2,8", "--fix"]) == 0
    assert "it is indented too far to be a method of Net" in capsys.readouterr().err
    assert file.read_text().rstrip() == text.rstrip()


NOT_MENDED = [  # (what stands in the network, instead, a part of the explanation)
    ("nn.Linear(8, width, bias=True)", "nn.Linear(8)", "it is nn.Linear(in_features, out_features"),
    ("F.relu(self.fc_one(x))", "F.relu(self.zzz(x))", "nothing in the class assigns self.zzz"),
    ("F.relu(self.fc_one(x))", "self.fc_one(x)[", "was never closed"),
    ("from torch import nn", "from torch import nn\nimport no_such_library_at_all",
     "no_such_library_at_all is not installed"),
    ("from torch import nn", "from torch import nn\nraise RuntimeError('\\n')",
     "the model raises RuntimeError, without a message"),
    ("super().__init__()", "super().__init__()\n        raise ValueError",
     "the model raises ValueError, without a message"),
    ("x = F.relu(self.fc_one(x))", "raise IndexError", "the model raises IndexError, without a"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("right", "wrong", "reason"), NOT_MENDED, ids=[m[1][:30] for m in NOT_MENDED]
)
@pytest.mark.parametrize("to_file", [False, True])
def test_every_error_is_a_record(right, wrong, reason, to_file, folder, capsys):
    write(folder, textwrap.dedent(NET).lstrip().replace(right, wrong, 1))
    to = ["-o", "run.json"] if to_file else ["--format", "json"]
    assert run(["shapes", "net.py:Net", "--input", "2,8", *to]) == 1
    out, err = capsys.readouterr()
    record = json.loads((folder / "run.json").read_text() if to_file else out)
    jsonschema.validate(record, schema())
    assert record["kind"] == "diagnosis"
    (fault,) = record["errors"]
    assert fault["place"]["file"] == "net.py"
    lines = (folder / "net.py").read_text().split("\n")
    assert fault["place"]["text"] == lines[fault["place"]["line"] - 1]
    assert reason in " ".join([fault["headline"], *fault["explanation"]])
    written = "wrote run.json\n" if to_file else ""
    assert err.startswith(f"{written}error: ")


@pytest.mark.parametrize("command", [
    "shapes", "memory", "roofline --device h100", "verify", "explain", "compare net.py:Net",
])  # fmt: skip
def test_every_command_shows_it(command, folder, capsys):
    name, *others = command.split()
    write(folder, textwrap.dedent(NET).lstrip().replace("self.fc_one(x)", "self.fcone(x)"))
    models = ["net.py:Net", "fc_one"] if name == "explain" else ["net.py:Net"]
    assert run([name, *models, *others, "--input", "2,8", "--format", "github"]) == 1
    out, err = capsys.readouterr()
    assert out.startswith("::error file=net.py,line=14,col=20,endColumn=30,title=")
    assert "did you mean fc_one or fc_two?%0Afix: self.fc_one(x) instead of self.fcone(x)" in out
    assert "--> net.py:14:20\n" in err


@pytest.mark.parametrize("columns", [40, 60, 80])
@pytest.mark.parametrize("wrong", ["self.fc_tow(", "self.fc_two(self.gru(", "self.fc_one("])
def test_no_line_is_wider_than_the_terminal(columns, wrong, folder, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", str(columns))
    long = "a_name_that_is_much_longer_than_others_" * 2
    text = (
        textwrap.dedent(NET).lstrip().replace("return self.fc_two(", f"{long} = 1; return {wrong}")
    )
    text = text.replace("x.flatten(1))", "x.flatten(1))" + ")" * (wrong.count("(") - 1))
    write(folder, text)
    assert run(["shapes", "net.py:Net", "--input", "2,8"]) == 1
    err = capsys.readouterr().err
    assert "^" in err
    assert [line for line in err.split("\n") if len(line) > columns] == []


def test_a_fix_is_written_only_on_request_and_can_be_undone(folder, capsys):
    text = textwrap.dedent(NET).lstrip().replace("self.fc_two(x", "self.fc_tow(x")
    file = write(folder, text.replace("\n", "\r\n"))
    file.chmod(0o640)
    assert run(["shapes", "net.py:Net", "--input", "2,8"]) == 1
    assert "--fix: write it into net.py" in capsys.readouterr().err
    assert file.read_bytes() == text.replace("\n", "\r\n").encode()
    assert run(["shapes", "net.py:Net", "--input", "2,8", "--fix", "7"]) == 2
    assert run(["shapes", "net.py:Net", "--input", "2,8", "--fix"]) == 0
    err = capsys.readouterr().err
    assert "-        return self.fc_tow(x.flatten(1))\n+        return self.fc_two(x" in err
    assert file.read_bytes() == text.replace("fc_tow", "fc_two").replace("\n", "\r\n").encode()
    assert run(["shapes", "net.py:Net", "--input", "2,8", "--fix"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("net.py:Net on 2×8\n")
    assert err == "note: nothing to fix: the model runs\n"
    assert file.stat().st_mode & 0o777 == 0o640
    os.replace("net.py.orig", "net.py")
    assert file.read_bytes() == text.replace("\n", "\r\n").encode()


def test_a_fix_of_the_input_changes_no_file(folder, capsys):
    text = "from torch import nn\n\nnet = nn.Embedding(10, 4)\n"
    file = write(folder, text)
    assert run(["shapes", "net.py:net", "--input", "2,8", "--fix"]) == 2
    assert "--input 2,8:int64 is no change of a file" in capsys.readouterr().err
    assert file.read_text() == text


def test_a_number_of_a_fix_is_optional():
    assert with_numbered_fix(["shapes", "a", "--fix"]) == ["shapes", "a", "--fix=1"]
    assert with_numbered_fix(["shapes", "--fix", "2", "a"]) == ["shapes", "--fix", "2", "a"]
    assert with_numbered_fix(["shapes", "--fix", "a"]) == ["shapes", "--fix=1", "a"]


def _errors(tmp_path: Path, body: str, shape: tuple[int, ...]):
    head = "import torch\nfrom torch import nn\n\n\n"
    file = write(tmp_path, head + textwrap.dedent(body).lstrip("\n"))
    with pytest.raises(cnnstat.ModelError) as caught:
        cnnstat.analyze(f"{file}:Net", shape)
    return caught.value.diagnosis.errors


def test_an_argument_of_several_lines_is_shown_as_the_line_that_changes(folder, capsys):
    body = """
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.seq = nn.Sequential([
                    nn.Linear(4, 2),
                    nn.ReLU(),
                ])

            def forward(self, x):
                return self.seq(x)
    """
    head = "import torch\nfrom torch import nn\n\n\n"
    write(folder, head + textwrap.dedent(body).lstrip("\n"))
    assert run(["shapes", "net.py:Net", "--input", "2,4"]) == 1
    shown = "".join(capsys.readouterr())
    assert "8 + self.seq = nn.Sequential(*[" in shown
    assert "\\n" not in shown


def test_a_layer_with_a_comma_is_no_list_of_layers(tmp_path):
    body = """
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.seq = nn.Sequential(nn.Linear(4, 2), nn.ReLU()),

            def forward(self, x):
                return self.seq(x)
    """
    (error,) = _errors(tmp_path, body, (2, 4))
    assert [fix.edit for fix in error.fixes] == ["nn.Sequential(nn.Linear(4, 2), nn.ReLU())"]


def test_a_written_factor_is_not_divided_again(tmp_path):
    body = """
        class Net(nn.Module):
            def __init__(self, w=4):
                super().__init__()
                self.a = nn.Conv2d(3, w * 4, 3)
                self.b = nn.BatchNorm2d(w * 8)

            def forward(self, x):
                return self.b(self.a(x))
    """
    (error,) = _errors(tmp_path, body, (2, 3, 8, 8))
    edits = [fix.edit for fix in error.fixes]
    assert "nn.BatchNorm2d(w * 4)" in edits
    assert not any("//" in edit for edit in edits)


def test_the_export_of_a_notebook(tmp_path):
    file = tmp_path / "notebook.py"
    file.write_text("get_ipython().run_line_magic('matplotlib', 'inline')\nfrom torch import nn\n"
                    "Net = nn.Sequential(nn.Linear(2, 2))\n")  # fmt: skip
    with pytest.raises(cnnstat.ModelError, match="a notebook's export: delete the lines with get_"):
        cnnstat.analyze(f"{file}:Net", (1, 2))
