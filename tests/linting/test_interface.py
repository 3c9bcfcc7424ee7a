"""The command and the function: what is selected, silenced, shown, written, and the exit status."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path

import pytest
from torch import nn

import cnnstat
from cnnstat.cli.main import run
from cnnstat.linting.folding import folded
from cnnstat.linting.rules import RULES
from cnnstat.render import render

NET = """\
from torch import nn
from torch.nn import functional as F

example_input = (2, 16)


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(16, 16)

    def forward(self, x):
        return F.dropout(self.linear(x).relu(), 0.1)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks = nn.Sequential(*(Block() for _ in range(5)))
        self.heads = [nn.Linear(16, 10), nn.Linear(16, 10)]
        self.spare = nn.Linear(16, 3)

    def forward(self, x):
        x = self.blocks(x)
        return self.heads[0](x) + self.heads[1](x)
"""
FOUND = ["CN501", "CN101", "CN105"]
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text(NET, encoding="utf-8")
    return tmp_path


def edited(folder: Path, old: str, new: str) -> None:
    text = (folder / "net.py").read_text(encoding="utf-8")
    assert text.count(old) == 1
    (folder / "net.py").write_text(text.replace(old, new), encoding="utf-8")


def codes(**options: object) -> list[str]:
    return [f.code for f in cnnstat.lint("net.py:Net", **options).findings]  # type: ignore[arg-type]


# What is found, and where


def test_one_finding_for_each_class_and_attribute(folder: Path) -> None:
    lint = cnnstat.lint("net.py:Net")
    dropout, heads, spare = lint.findings
    assert [f.code for f in lint.findings] == FOUND
    assert len(dropout.paths) == 5
    assert dropout.message.startswith("blocks.*.dropout ×5 drops")
    assert dropout.source is not None
    assert (dropout.source.line, dropout.source.column) == (13, 16)
    assert heads.source is not None
    assert heads.source.text.strip() == "self.heads = [nn.Linear(16, 10), nn.Linear(16, 10)]"
    assert heads.params == 2 * (16 * 10 + 10)
    assert spare.source is not None
    assert spare.source.line == 21
    assert spare.params == 16 * 3 + 3
    assert [f.fix and f.fix.verified for f in lint.findings] == [True, True, None]


def test_a_fix_with_which_the_model_does_not_run_is_not_marked(folder: Path) -> None:
    edited(folder, "self.heads[0](x) + self.heads[1](x)",
           "sum(h(x) for h in self.heads * 1)")  # fmt: skip
    (found,) = cnnstat.lint("net.py:Net", select=["CN101"]).findings
    assert found.fix is not None
    assert found.fix.verified is False  # a ModuleList cannot be multiplied


def test_a_live_model_has_paths_only(folder: Path) -> None:
    from torch import nn

    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.used, self.spare = nn.Linear(4, 4), nn.Linear(4, 4)

        def forward(self, x: object) -> object:
            return self.used(x)

    net = Two()
    lint = cnnstat.lint(net, (2, 4))
    (found,) = lint.findings
    assert (found.code, found.paths, found.source) == ("CN105", ("spare",), None)
    assert "spare" in repr(lint)
    assert net.training


@pytest.mark.parametrize(
    ("paths", "text"),
    [
        (["a"], "a"),
        (["a.0", "a.1"], "a.0, a.1"),
        ([f"blocks.{n}.conv1" for n in range(16)], "blocks.*.conv1 ×16"),
        ([f"block{n}.conv" for n in range(5)], "block*.conv ×5"),
        (["a", "b", "c", "d"], "a, b, c, … ×4"),
        (["a.0", "a.1", "a.2", "b.0"], "a.0, a.1, a.2, … ×4"),
    ],
)
def test_folded_paths(paths: list[str], text: str) -> None:
    assert folded(paths) == text


# What is checked


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"select": ["CN1"]}, ["CN101", "CN105"]),
        ({"select": ["CN1"], "ignore": ["CN105"]}, ["CN101"]),
        ({"ignore": ["CN1"]}, ["CN501"]),
        ({"ignore": ["CN1"], "select": ["CN", "CN105"]}, ["CN501", "CN105"]),
        ({"select": ["CN9"]}, None),
        ({"ignore": ["X"]}, None),
    ],
)
def test_select_and_ignore(
    folder: Path, options: dict[str, list[str]], expected: list[str]
) -> None:
    if expected is None:
        with pytest.raises(cnnstat.UsageError, match="no rule has a code that begins with"):
            codes(**options)
    else:
        assert codes(**options) == expected


def test_optional_rules_are_selected_by_their_full_code() -> None:
    from cnnstat.linting.settings import LintConfig

    optional = {code for code, rule in RULES.items() if rule.is_optional}
    assert optional
    default = {rule.code for rule in LintConfig().chosen(RULES)}
    assert default == set(RULES) - optional
    one = next(iter(optional))
    assert {r.code for r in LintConfig(select=("CN", one)).chosen(RULES)} == default | {one}


def test_the_settings_of_the_project(folder: Path) -> None:
    file = folder / "pyproject.toml"
    file.write_text(
        textwrap.dedent("""\
        [tool.cnnstat.models]
        mine = "net.py:Net"
        [tool.cnnstat.lint]
        ignore = ["CN501"]
        fail-on = "error"
        [tool.cnnstat.lint.severity]
        CN105 = "hint"
        [tool.cnnstat.lint.per-model-ignores]
        "mi*" = ["CN101"]
        """)
    )
    assert codes() == ["CN101", "CN105"]
    assert [f.severity for f in cnnstat.lint("net.py:Net").findings] == ["error", "hint"]
    assert [f.code for f in cnnstat.lint("mine").findings] == ["CN105"]
    assert run(["lint", "--all"]) == 0
    assert run(["lint", "net.py:Net"]) == 3
    assert run(["lint", "mine", "--fail-on", "hint"]) == 3


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('selekt = ["CN1"]', "has no key 'selekt'\n.*select"),
        ('select = "CN1"', "expected a list of codes"),
        ('fail-on = "fatal"', "expected error, warning, hint, never"),
        ("batch-axis = 1.5", "expected 0, .* or false"),
        ("batch-axis = -1", "expected 0, .* or false"),
        ("batch-axis = {x = false}", "expected 0, .* or false"),
        ("severity = {CN105 = 1}", "severity.CN105 is 1"),
    ],
)
def test_settings_that_are_malformed(folder: Path, line: str, says: str) -> None:
    (folder / "pyproject.toml").write_text(f"[tool.cnnstat.lint]\n{line}\n")
    with pytest.raises(cnnstat.UsageError, match=f"(?s){says}"):
        codes()


# Comments


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("16, 3)", "16, 3)  # cnnstat: ignore[CN105]", ["CN501", "CN101"]),
        ("0.1)", "0.1)  # cnnstat: ignore[CN5, CN502]", ["CN101", "CN105", "CN001"]),
        ("class Net(nn.Module):", "class Net(nn.Module):  # cnnstat: ignore[CN1]", ["CN501"]),
        ("class Block(nn.Module):", "class Block(nn.Module):  # cnnstat: ignore[CN1]",
         [*FOUND, "CN001"]),
        ("example_input", "# cnnstat: ignore-file[CN105]\nexample_input", ["CN501", "CN101"]),
        ("16, 3)", "16, 3)  # cnnstat: ignore", [*FOUND, "CN001"]),
        ("16, 3)", '16, 3); self.note = "# cnnstat: ignore[CN105]"', FOUND),
    ],
)  # fmt: skip
def test_comments_silence_rules(folder: Path, old: str, new: str, expected: list[str]) -> None:
    edited(folder, old, new)
    assert codes() == expected
    ignored = len(FOUND) - len(set(expected) & set(FOUND))
    assert cnnstat.lint("net.py:Net").ignored == ignored


def test_a_comment_for_a_rule_that_was_not_checked_is_not_unused(folder: Path) -> None:
    edited(folder, "16, 3)", "16, 3)  # cnnstat: ignore[CN101, CN205]")
    assert "CN001" in codes()
    assert codes(select=["CN001", "CN105"]) == ["CN105"]


# Baselines and formats


def test_a_baseline_leaves_out_what_was_known(folder: Path, capsys: Capture) -> None:
    assert run(["lint", "net.py:Net", "--output", "known.json"]) == 3
    edited(folder, "from torch import nn", "import torch  # one line more\nfrom torch import nn")
    assert run(["lint", "net.py:Net", "--baseline", "known.json"]) == 0
    assert "no findings; 3 in the baseline" in capsys.readouterr().out
    edited(folder, "self.spare", "self.other = nn.Linear(16, 2)\n        self.spare")
    assert [f.attribute for f in cnnstat.lint("net.py:Net", baseline="known.json").findings] == [
        "other"
    ]
    assert run(["lint", "net.py:Net", "--baseline", "none.json"]) == 2
    (folder / "broken.json").write_text("{}")
    assert run(["lint", "net.py:Net", "--baseline", "broken.json"]) == 1


def test_the_table_fits_a_terminal(folder: Path) -> None:
    lint = cnnstat.lint("net.py:Net")
    for width in (40, 80):
        lines = render(lint, "table", width=width).text.splitlines()
        places = [line for line in lines if "-->" in line]
        assert all(len(line) <= width for line in lines if line not in places)
        assert [line.split()[1].rstrip(",") for line in places] == [
            "net.py:13:16", "net.py:20:9", "net.py:21:22",
        ]  # fmt: skip


def test_annotations_of_github(folder: Path, capsys: Capture) -> None:
    edited(folder, "16, 3)", "16, 3)  # cnnstat: ignore[CN102]")
    assert run(["lint", "net.py:Net", "--format", "github"]) == 3
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" ")[0] for line in lines] == ["::error", "::error", "::warning", "::notice"]
    assert lines[1].startswith(
        "::error file=net.py,line=20,col=9,endColumn=60,title=CN101 unregistered-module::`heads` is"
    )


def test_sarif(folder: Path, capsys: Capture) -> None:
    assert run(["lint", "net.py:Net", "--output", "out.sarif"]) == 3
    document = json.loads((folder / "out.sarif").read_text(encoding="utf-8"))
    (sarif,) = document["runs"]
    assert document["version"] == "2.1.0"
    rules = [rule["id"] for rule in sarif["tool"]["driver"]["rules"]]
    assert rules == sorted(FOUND)
    assert [r["ruleId"] for r in sarif["results"]] == FOUND
    assert all(rules[r["ruleIndex"]] == r["ruleId"] for r in sarif["results"])
    assert [r["level"] for r in sarif["results"]] == ["error", "error", "warning"]
    place = sarif["results"][1]["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "net.py"
    assert place["region"] == {"startLine": 20, "startColumn": 9, "endColumn": 60}
    assert len({r["partialFingerprints"]["cnnstat/v1"] for r in sarif["results"]}) == 3


def test_json_and_markdown(folder: Path, capsys: Capture) -> None:
    assert run(["lint", "net.py:Net", "nin", "--format", "json"]) == 3
    record = json.loads(capsys.readouterr().out)
    assert [m["model"]["spec"] for m in record["models"]] == ["net.py:Net", "nin"]
    assert {f["model"] for f in record["findings"]} == {"net.py:Net"}
    assert run(["lint", "net.py:Net", "--format", "markdown"]) == 3
    assert capsys.readouterr().out.startswith("```text\nerror[CN501] dropout-in-eval")


# Exit statuses


def test_exit_statuses(folder: Path, capsys: Capture) -> None:
    (folder / "bad.py").write_text(
        "from torch import nn\nexample_input = (2, 4)\n"
        "class Net(nn.Module):\n    def forward(self, x):\n        return x.view(3)\n"
    )
    assert run(["lint", "lenet"]) == 0
    assert run(["lint", "net.py:Net"]) == 3
    assert run(["lint", "net.py:Net", "--fail-on", "never"]) == 0
    assert run(["lint", "bad.py:Net"]) == 1
    capsys.readouterr()
    assert run(["lint", "bad.py:Net", "net.py:Net"]) == 1
    out, err = capsys.readouterr()
    assert "CN501" in out
    assert "bad.py:5" in err
    assert run(["lint"]) == 2
    assert run(["lint", "--all"]) == 2
    assert run(["lint", "net.py:Net", "--select", "CN9"]) == 2
    assert run(["lint", "saved.json"]) == 2


def test_explain(capsys: Capture) -> None:
    assert run(["lint", "--explain", "CN101"]) == 0
    by_code = capsys.readouterr().out
    assert by_code.startswith("# CN101 unregistered-module\n")
    assert run(["lint", "--explain", "unregistered-module"]) == 0
    assert capsys.readouterr().out == by_code
    assert run(["lint", "--explain", "CN110"]) == 2
    assert "did you mean" in capsys.readouterr().err


def test_what_could_not_be_decided_is_listed(folder: Path) -> None:
    edited(folder, "x = self.blocks(x)", "x = self.blocks(x)\n        assert not self.training")
    lint = cnnstat.lint("net.py:Net")
    assert {"CN105", "CN106"} <= {rule.code for rule in lint.undecided}
    assert "CN105" not in {f.code for f in lint.findings}
    assert "undecided: " in render(lint, "table").text


def test_the_help_names_models_of_the_user(capsys):
    assert run(["lint", "--help"]) == 0
    assert ", ," not in capsys.readouterr().out


def test_an_operator_outside_of_all_layers_has_no_path_to_name(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("net.py").write_text(
        "from torch import nn\n\n\nclass Net(nn.Module):\n"
        "    def __init__(self):\n        super().__init__()\n"
        "        self.a = nn.Linear(4, 4)\n        self.b = nn.Linear(4, 2)\n\n"
        "    def forward(self, x):\n        return self.b(self.a(x).relu().detach())\n"
    )
    assert run(["lint", "net.py:Net", "--input", "2,4"]) == 3
    shown = capsys.readouterr().out
    assert "detach ends the\n  gradient" in shown
    assert "runs at detach" not in shown


def test_a_model_that_does_not_run_is_reported_beside_others(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text(
        "from torch import nn\n\nexample_input = (1, 4)\n\n\n"
        "def broken():\n    return nn.Sequential(nn.Linear(4, 3), nn.Linear(4, 2))\n"
    )
    assert run(["lint", "lenet", "net.py:broken"]) == 1
    out, err = capsys.readouterr()
    assert "lenet: " in out
    assert err.startswith("error: net.py:broken: shapes don't fit at 1 (Linear 4→2)\n  --> net.py")


def test_codes_are_one_text_or_several(folder: Path) -> None:
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU())
    several = cnnstat.lint(net, (2, 3, 8, 8), select=["CN301", "CN105"])
    assert [finding.code for finding in several.findings] == ["CN301"]
    assert cnnstat.lint(net, (2, 3, 8, 8), select="CN301, CN105") == several
    assert not cnnstat.lint(net, (2, 3, 8, 8), ignore="CN3").findings
