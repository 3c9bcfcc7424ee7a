"""One result, six formats: the same figures in each, and each what it claims to be."""

from __future__ import annotations

import html
import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import jsonschema
import msgspec
import pytest
from torch import nn

import cnnstat
from cnnstat.analysis.results import Analysis, Model
from cnnstat.cli.main import run
from cnnstat.models.results import Listed, Listing
from cnnstat.operators import registry
from cnnstat.render import render, report_of
from cnnstat.render.blocks import Bars, Facts, Report, Table
from cnnstat.render.json import schema
from cnnstat.units import format_count

FORMATS = ("table", "markdown", "latex", "html", "csv", "json")
RESULTS = ("nin", "residual-mnist", "nin alexnet", "lenet residual-mnist")


@cache
def _result(names: str) -> Any:
    """The analysis of one network, or the comparison of several."""
    return cnnstat.compare(*names.split()) if " " in names else cnnstat.analyze(names)


def _text(names: str, format: Any) -> str:
    return render(_result(names), format).text


# ---------------------------------------------------------------- the same figures


def _figures(report: Report) -> list[tuple[str, ...]]:
    """The figures of every row that has any, as a person reads them; they stand at its end."""
    rows = [
        tuple(cell.text for cell in row.cells if cell.kind != "text")
        for block in report.blocks
        if isinstance(block, Table)
        for row in block.rows
    ]
    facts = [
        (name, cell.text)
        for block in report.blocks
        if isinstance(block, Facts)
        for name, cell in block.items
    ]
    return [row for row in rows if row] + facts


def _lines_of_table(text: str) -> Iterator[list[str]]:
    return (re.split(r" {2,}", line.strip()) for line in text.split("\n"))


def _lines_of_markdown(text: str) -> Iterator[list[str]]:
    for line in text.split("\n"):
        if line.startswith("|"):
            cells = re.split(r"(?<!\\)\|", line)[1:-1]
            yield [re.sub(r"\\(.)", r"\1", cell.strip()) for cell in cells]


def _lines_of_latex(text: str) -> Iterator[list[str]]:
    commands = {r"$\times$": "×", r"$\to$": "→", r"\textless{}": "<", r"\textgreater{}": ">",
                r"\textendash{}": "–", r"\%": "%"}  # fmt: skip
    for line in text.split("\n"):
        if line.endswith(r"\\"):
            for command, sign in commands.items():
                line = line.replace(command, sign)
            cells = re.split(r"(?<!\\)&", line.removesuffix(r"\\"))
            yield [re.sub(r"^{(.*)}$", r"\1", cell.strip()) for cell in cells]


def _lines_of_html(text: str) -> Iterator[list[str]]:
    rows = re.findall(r"<tr.*?</tr>", text, re.DOTALL)
    for row in sorted(rows, key=lambda row: 'scope="row"' in row):  # the totals are first there
        cells = re.findall(r"<(?:td|th)[^>]*>(.*?)</(?:td|th)>", row, re.DOTALL)
        yield [html.unescape(re.sub(r"<[^>]*>", "", cell)).strip() for cell in cells]


LINES = {
    "table": _lines_of_table,
    "markdown": _lines_of_markdown,
    "latex": _lines_of_latex,
    "html": _lines_of_html,
}


@pytest.mark.parametrize("names", RESULTS)
@pytest.mark.parametrize("format", LINES)
def test_same_figures(names: str, format: str) -> None:
    lines = LINES[format](_text(names, format))
    expected = _figures(report_of(_result(names)))
    assert len(expected) > 15
    if format == "latex":  # the titles of the columns have the unit
        expected = [tuple(figure.removesuffix(" %") for figure in row) for row in expected]
        lines = ([cell.removesuffix(" %") for cell in line] for line in lines)
    for figures in expected:  # in the order of the view: `lines` is consumed on the way
        assert any(tuple(line[-len(figures) :]) == figures for line in lines), figures


@pytest.mark.parametrize("names", ["nin alexnet", "lenet residual-mnist"])
def test_bars_state_figures_of_the_tables(names: str) -> None:
    report = report_of(_result(names))
    in_tables = {
        cell.raw
        for block in report.blocks
        if isinstance(block, Table)
        for row in block.rows
        for cell in row.cells
    }
    bars = [block for block in report.blocks if isinstance(block, Bars)]
    assert [block.key for block in bars] == ["params-by-role", "macs-by-stage"]
    drawn = _text(names, "html")
    for block in bars:
        for label, values in block.groups:
            assert label in drawn
            assert {value for value in values if value is not None} <= in_tables
            assert all(f">{format_count(value)}<" in drawn for value in values if value)


def test_bars_in_the_terminal_name_every_group() -> None:
    """Also where the first model has no bar in the group: an MLP has no map of 26×26."""
    both = cnnstat.compare(
        nn.Sequential(nn.Flatten(), nn.Linear(784, 10)),
        nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(2704, 10)),
        input=(1, 1, 28, 28),
    )
    (bars,) = (b for b in report_of(both).blocks if isinstance(b, Bars) and "MACs" in b.title)
    assert [label for label, _ in bars.groups] == ["– | 26×26", "1×1 | 1×1"]
    drawn = repr(both).partition(f"\n{bars.title}\n")[2].partition("\n\n")[0]
    assert all(label in drawn for label, _ in bars.groups)


@pytest.fixture
def uncounted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(registry.DEFINITIONS, "aten.relu")


@pytest.mark.usefixtures("uncounted")
@pytest.mark.parametrize("format", [f for f in FORMATS if f not in ("json", "csv")])
def test_a_lower_bound_says_so(format: Any) -> None:
    analysis = cnnstat.analyze("nin")
    text = render(analysis, format).text
    assert "at least 762,297,352" in text
    assert "a lower bound" in text
    assert "aten.relu (12×)" in html.unescape(text).replace(r"$\times$", "×").replace("\\", "")
    both = render(cnnstat.compare("lenet", "residual-mnist"), format).text
    assert "lenet: exact" in both
    assert "residual-mnist: a lower bound" in both
    assert "aten.relu" in both.replace("\\", "")  # here too: which operator it was


# ---------------------------------------------------------------- JSON


def _listing() -> Listing:
    return Listing(models=(Listed("lenet", "d2l", (1, 1, 28, 28), 61_706, "LeNet-5"),))


@pytest.mark.parametrize("names", [*RESULTS, "resnet18", "list"])
def test_json_fits_its_schema(names: str) -> None:
    result = _listing() if names == "list" else _result(names)
    document = json.loads(render(result, "json").text)
    jsonschema.Draft202012Validator.check_schema(schema())
    jsonschema.validate(document, schema())


@pytest.mark.parametrize(
    "path", [("kind",), ("schema_version",), ("totals", "params"), ("layers", 3, "outputs")]
)
def test_schema_refuses_what_does_not_fit(path: tuple[Any, ...]) -> None:
    """Else the test above would pass with a schema that permits everything."""
    document = json.loads(_text("nin", "json"))
    place = document
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = "nonsense"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, schema())


# DESIGN.md, section 5: where each key stands.
CONTRACT = {
    "": "schema_version kind tool model inputs mode lane totals by_role layers notes",
    "tool": "cnnstat torch python",
    "model": "spec source class arguments",
    "inputs.0": "name shape dtype",
    "totals": "params trainable_params buffers param_bytes macs flops other_ops activation_bytes "
    "peak_bytes exact uncounted",
    "by_role.conv": "params macs",
    "by_role.linear": "params macs",
    "layers.0": "path call depth kind type config role inputs outputs params macs other_ops "
    "activation_bytes total receptive_field stride shared_with exact",
    "layers.0.total": "params macs other_ops activation_bytes",
}


@pytest.mark.parametrize(("place", "keys"), CONTRACT.items())
def test_json_contract(place: str, keys: str) -> None:
    found = json.loads(_text("residual-mnist", "json"))
    for step in filter(None, place.split(".")):
        found = found[int(step)] if step.isdigit() else found[step]
    assert set(keys.split()) <= set(found)


def test_json_contract_values() -> None:
    document = json.loads(_text("nin", "json"))
    assert (document["schema_version"], document["kind"]) == (1, "analysis")
    assert document["model"] == {"spec": "nin", "source": "zoo", "class": "NiN", "arguments": {}}
    assert document["inputs"] == [{"name": None, "shape": [1, 1, 224, 224], "dtype": "float32"}]
    assert (document["mode"], document["lane"]) == ("eval", "meta")
    assert document["totals"]["flops"] == 2 * 762_297_352
    by_path = {layer["path"]: layer for layer in document["layers"]}
    assert list(by_path)[:3] == ["", "block1", "block1.conv1"]  # preorder
    block, conv = by_path["block1"], by_path["block1.conv1"]
    # A row's own figures stand at its top level, those with its children in `total`.
    assert (block["params"], block["total"]["params"]) == (0, 30_336)
    assert conv["params"] == conv["total"]["params"] == 11 * 11 * 96 + 96
    assert conv["inputs"] == [[1, 1, 224, 224]]
    assert conv["outputs"] == [[1, 96, 54, 54]]
    assert by_path["flatten"]["receptive_field"] is None  # missing is null, never 0


def test_json_of_a_comparison() -> None:
    document = json.loads(_text("nin alexnet", "json"))
    assert (document["schema_version"], document["kind"]) == (1, "comparison")
    assert [a["model"]["spec"] for a in document["analyses"]] == ["nin", "alexnet"]
    assert document["analyses"][0] == json.loads(_text("nin", "json"))
    assert document["classifiers"][0] is None
    assert document["stages"][0][0]["size"] == [54, 54]


@pytest.fixture
def saved(tmp_path: Path) -> Any:
    def save(names: str) -> Path:
        file = tmp_path / f"{names}.json"
        file.write_text(_text(names, "json"), encoding="utf-8")
        return file

    return save


@pytest.mark.parametrize("names", ["nin", "residual-mnist", "resnet18"])
def test_json_reads_back(names: str, saved: Any) -> None:
    read = cnnstat.read_analysis(saved(names))
    assert read == _result(names)
    for format in FORMATS:
        assert render(read, format).text == _text(names, format), format


@pytest.mark.parametrize("options", [[], ["--depth", "1", "-c", "+receptive-field,stride"]])
def test_saved_shows_what_the_model_shows(
    options: list[str], saved: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["shapes", "nin", *options]) == 0
    shown = capsys.readouterr().out
    assert run(["shapes", str(saved("nin")), *options]) == 0
    assert capsys.readouterr().out == shown


def test_saved_compares_as_the_model_does(saved: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["compare", str(saved("nin")), "alexnet"]) == 0
    assert capsys.readouterr().out == _text("nin alexnet", "table")


def test_saved_figures_hold_for_their_own_input_only(saved: Any) -> None:
    path = str(saved("alexnet"))  # on 3 channels, where nin alone has 1
    for models, given in ((("nin", path), None), ((path, "nin"), (1, 3, 320, 320))):
        with pytest.raises(cnnstat.ModelError, match="was made on 1,3,224,224, not on 1,"):
            cnnstat.compare(*models, input=given)


def test_saved_classifier_has_a_reason_for_what_is_missing(saved: Any) -> None:
    classifier = cnnstat.compare(str(saved("alexnet")), "nin").classifiers[0]
    assert classifier is not None
    assert [linear.path for linear in classifier.linears] == ["linear6", "linear7", "linear8"]
    assert (classifier.head, classifier.growth) == (None, ())
    assert classifier.reason == "read from a file: there is no model to trace variants of"


# ---------------------------------------------------------------- Markdown and LaTeX


def test_every_row_of_a_markdown_table_has_the_columns_of_its_head() -> None:
    text = _text("nin alexnet", "markdown")
    assert r"54×54 \| 55×55" in text  # an unescaped | would end the cell
    for block in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        pipes = {len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}
        assert len(pipes) == 1, block


def test_markdown_escapes_names() -> None:
    text = render(_renamed("a|b*c_d<e>`f`[g]"), "markdown").text
    assert r"# a\|b\*c\_d\<e>\`f\`\[g]" in text


@pytest.mark.parametrize("name", ["report.md", "my report (1).md", "größe.md"])
def test_pictures_stand_beside_markdown(name: str, tmp_path: Path) -> None:
    file = tmp_path / name
    assert run(["compare", "lenet", "residual-mnist", "--output", str(file)]) == 0
    links = re.findall(r"!\[([^\]]*)\]\((.*)\)$", file.read_text(encoding="utf-8"), re.MULTILINE)
    assert [title for title, _ in links] == ["Parameters by role", "MACs by spatial resolution"]
    for _, target in links:
        assert not re.search(r"[\s()]", target.strip("<>"))  # would end the link
        picture = ET.parse(tmp_path / unquote(target.strip("<>")))
        assert picture.getroot().tag == "{http://www.w3.org/2000/svg}svg"
    assert len(list(tmp_path.iterdir())) == 3


def test_markdown_without_a_file_draws_pictures_as_text() -> None:
    text = _text("nin alexnet", "markdown")
    assert "![" not in text
    assert "```text\nParameters by role\nlinear  nin      0\n" in text


@pytest.mark.parametrize("names", ["nin alexnet", "resnet18"])
def test_latex_is_well_formed(names: str) -> None:
    text = _text(names, "latex")
    code = "\n".join(line for line in text.split("\n") if not line.startswith("%"))
    assert code.count(r"\begin{tabular}") == code.count(r"\end{tabular}") > 0
    assert not re.search(r"(?<!\\)[%#_]", code)  # these need a backslash outside of comments
    assert not re.search("[×→²]", code)  # and these are no letters of a Latin font
    tables = re.findall(r"\\begin{tabular}{@{}([^@]*)@{}}\n(.*?)\\end{tabular}", code, re.DOTALL)
    assert len(tables) == code.count(r"\begin{tabular}")
    for columns, body in tables:
        kinds = re.sub(r"\[.*?\]", "", columns)
        assert set(kinds) <= set("lrS")
        rows = [line for line in body.split("\n") if line.endswith(r"\\")]
        assert {len(re.findall(r"(?<!\\)&", row)) for row in rows} == {len(kinds) - 1}


# ---------------------------------------------------------------- HTML and SVG

VOID = {"meta", "link", "br", "hr", "img", "input", "col", "wbr", "base", "area", "source"}


class Page(HTMLParser):
    """Every element with its attributes; fails where an end tag does not fit."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@cache
def _page(names: str) -> Page:
    return Page(_text(names, "html"))


@pytest.mark.parametrize("names", RESULTS)
def test_html_is_balanced(names: str) -> None:
    assert _text(names, "html").lstrip().startswith("<!doctype html>")
    assert _page(names).open == []
    assert len(_page(names).named("html")) == len(_page(names).named("body")) == 1


@pytest.mark.parametrize("names", ["nin", "nin alexnet"])
def test_html_needs_nothing_else(names: str) -> None:
    text, page = _text(names, "html"), _page(names)
    addresses = [
        (tag, name, value)
        for tag, attributes in page.elements
        for name, value in attributes.items()
        if name in ("src", "srcset", "data", "action", "poster") or name.endswith("href")
        if not (value or "").startswith("#")
    ]
    assert addresses == []
    assert page.named("link") == []
    assert "@import" not in text
    assert re.findall(r"url\((?!#)", text) == []
    # What is left of addresses only names the languages of SVG.
    assert set(re.findall(r"https?://[\w./-]+", text)) <= {
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xlink",
    }
    assert not re.search(r"\b(fetch|XMLHttpRequest|import)\b *\(", text)


@pytest.mark.parametrize("names", ["nin", "nin alexnet"])
def test_html_has_a_light_and_a_dark_scheme(names: str) -> None:
    assert "@media (prefers-color-scheme: dark)" in _text(names, "html")
    assert {"name": "color-scheme", "content": "light dark"} in _page(names).named("meta")
    # Pictures take the colour of the text around them.
    assert all("#010203" not in svg for svg in re.findall("<svg.*?</svg>", _text(names, "html")))


@pytest.mark.parametrize(
    ("names", "groups"),
    [("residual-mnist", 2), ("nin", 4), ("nin alexnet", 0)],  # a comparison shows depth 1
)
def test_html_folds_every_group(names: str, groups: int) -> None:
    page = _page(names)
    folds = [b for b in page.named("button") if b.get("class") == "fold"]
    assert len(folds) == groups
    assert all(fold["aria-expanded"] == "true" for fold in folds)
    assert len([row for row in page.named("tr") if row.get("class") == "group"]) == groups


@pytest.mark.parametrize("names", ["nin", "nin alexnet"])
def test_html_sorts_by_every_column(names: str) -> None:
    page = _page(names)
    tables = [block for block in report_of(_result(names)).blocks if isinstance(block, Table)]
    columns = sum(len(table.columns) for table in tables)
    buttons = [b for b in page.named("button") if b.get("class") != "fold"]
    heads = [head for head in page.named("th") if head["scope"] == "col"]
    assert len(heads) == len(buttons) == columns
    keys = [cell["data-key"] for cell in page.named("td") if "data-key" in cell]
    assert len(keys) == sum(len(row.cells) for table in tables for row in table.rows)
    assert "503939072" in keys  # block2: a number, not the text that is shown


def test_html_has_no_id_twice() -> None:
    ids = [a["id"] for _, a in _page("nin alexnet").elements if "id" in a]
    assert sorted(ids) == sorted(set(ids))


def _renamed(spec: str) -> Analysis:
    """An analysis of a model with this name: specs come from users and may hold anything."""
    model = Model(spec=spec, source="object", class_name=spec, arguments={"text": spec})
    return msgspec.structs.replace(_result("lenet"), model=model)


HOSTILE = "<script>alert(1)</script>"


def _hostile() -> Any:
    """A live model: a class and a child whose names are code, an argument full of quotes."""
    net = type(HOSTILE, (nn.Sequential,), {})()
    net.add_module("<img src=x onerror=alert(2)>&\"'", nn.Conv2d(1, 2, 3))
    return net


@pytest.mark.parametrize("fragment", [False, True])
def test_html_escapes_everything(fragment: bool) -> None:
    analysis = cnnstat.analyze(_hostile(), (1, 1, 8, 8))
    both = cnnstat.compare(_hostile(), "lenet", input=(1, 1, 28, 28))
    for result in (analysis, both, _renamed("a & b < c > \"d\" 'e'")):
        text = result._repr_html_() if fragment else render(result, "html").text
        page = Page(text)
        assert page.open == []
        assert len(page.named("script")) == 1  # ours
        assert page.named("img") == []
        assert "<script>alert" not in text
        assert not any(name.startswith("on") for _, a in page.elements for name in a)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in render(analysis, "html").text
    assert "a &amp; b &lt; c" in text


@pytest.mark.parametrize("format", FORMATS)
def test_hostile_names_break_no_format(format: Any) -> None:
    assert render(cnnstat.analyze(_hostile(), (1, 1, 8, 8)), format).text


NAMES = ("plain", "a & b < c", "$x^2$", "_Net", "größe ×")  # math and _ mean things to matplotlib


def _pictures(names: Iterable[str]) -> list[str]:
    from cnnstat.comparison.side_by_side import compare
    from cnnstat.render.figures import svg

    analyses = [_renamed(name) for name in names]
    report = report_of(compare(analyses, [None] * len(analyses)))
    return [svg(block) for block in report.blocks if isinstance(block, Bars)]


@pytest.mark.parametrize("name", NAMES)
def test_pictures_are_xml_and_name_their_series(name: str) -> None:
    for picture in _pictures(("other", name)):
        texts = {e.text for e in ET.fromstring(picture).iter("{http://www.w3.org/2000/svg}text")}
        assert {"other", name} <= texts


def test_pictures_in_html_are_xml() -> None:
    pictures = re.findall(r"<svg.*?</svg>", _text("nin alexnet", "html"), re.DOTALL)
    assert len(pictures) == 2
    for picture in pictures:
        texts = [e.text for e in ET.fromstring(picture).iter("{http://www.w3.org/2000/svg}text")]
        assert {"nin", "alexnet"} <= set(texts)


# ---------------------------------------------------------------- the same text twice


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("names", ["nin", "lenet residual-mnist"])
def test_same_text_twice(names: str, format: Any) -> None:
    again = cnnstat.compare(*names.split()) if " " in names else cnnstat.analyze(names)
    assert render(again, format).text == _text(names, format)


def test_same_text_in_another_process(tmp_path: Path) -> None:
    """Hashes of strings differ from process to process: no order may rest on them."""
    program = "from cnnstat.cli.main import main; main()"
    for seed in ("1", "2"):
        subprocess.run(
            [sys.executable, "-c", program, "compare", "lenet", "residual-mnist", "-o",
             str(tmp_path / f"{seed}.html")],
            env={**os.environ, "PYTHONHASHSEED": seed}, check=True, timeout=120,
        )  # fmt: skip
    assert (tmp_path / "1.html").read_bytes() == (tmp_path / "2.html").read_bytes()


def test_bars_of_numbers_beyond_64_bits() -> None:
    from cnnstat.render.blocks import Bars
    from cnnstat.render.figures import svg

    bars = Bars("macs", "MACs", ("a", "b"), (("all", (10**30, 10**300)), ("one", (1, None))))
    assert svg(bars).count("<path") > 4
