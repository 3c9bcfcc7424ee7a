"""Files that the code generates: `make reports` writes them, a test holds them up to date."""

from __future__ import annotations

import contextlib
import json
import os
from importlib import metadata
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from unittest.mock import patch

import msgspec
from rich.console import Console
from rich.terminal_theme import DIMMED_MONOKAI
from rich.text import Text

import cnnstat
from cnnstat.analysis.results import Tool
from cnnstat.cli.main import run
from cnnstat.linting.pages import index_of, page_of
from cnnstat.linting.rules import RULES
from cnnstat.models.model_sources import SOURCES
from cnnstat.models.shipped_names import FOLDER, Row, text_of
from cnnstat.models.zoo.catalog import CATALOG
from cnnstat.render import Options, render
from cnnstat.render.json import schema
from documentation.command_pages import command_pages
from documentation.decisions import decision_list
from documentation.manual import manual_page
from documentation.python_pages import python_pages

ROOT = Path(__file__).parent.parent
TOOL = Tool(cnnstat.__version__, "", "")  # the versions of the machine are no figures of the report


def files() -> dict[Path, str]:
    """The content of every generated file."""
    return {
        **_reports(), **_pictures(), **_schema(), **_diagnoses(), **_rules(), **_names(),
        **command_pages(), **manual_page(), **python_pages(), **decision_list(),
    }  # fmt: skip


def _reports() -> dict[Path, str]:
    comparison = cnnstat.compare("nin", "alexnet")
    same = [msgspec.structs.replace(analysis, tool=TOOL) for analysis in comparison.analyses]
    comparison = msgspec.structs.replace(comparison, tool=TOOL, analyses=tuple(same))
    base = ROOT / "docs" / "reports" / "nin-vs-alexnet"
    shown = Options(depth=1)
    markdown = render(comparison, "markdown", shown, linked_from=base.with_suffix(".md"))
    return {
        base.with_suffix(".md"): markdown.text,
        base.with_name(f"{base.name}-page.html"): render(comparison, "html", shown).text,
        base.with_suffix(".json"): render(comparison, "json").text,
        **{base.parent / name: text for name, text in markdown.pictures.items()},
    }


def _pictures() -> dict[Path, str]:
    """For the README: what a terminal of 80 columns shows, and a roofline."""
    text = render(cnnstat.analyze("nin"), "table", width=80, coloured=True).text
    console = Console(record=True, width=80, file=StringIO())
    console.print(Text.from_ansi("$ cnnstat shapes nin\n" + text))
    svg = console.export_svg(
        title="cnnstat", theme=DIMMED_MONOKAI, unique_id="cnnstat", code_format=_SVG
    )
    step = cnnstat.roofline("nin", device="h100", precision="bf16", batch_size=128)
    return {
        ROOT / "docs" / "shapes-nin.svg": svg,
        ROOT / "docs" / "roofline-nin.svg": render(step, "svg").text,
    }


def _schema() -> dict[Path, str]:
    path = ROOT / "src" / "cnnstat" / "render" / "schema" / "results.schema.json"
    return {path: json.dumps(schema(), indent=2) + "\n"}


def _rules() -> dict[Path, str]:
    """A page for each rule of `lint`, and the list of them."""
    folder = ROOT / "docs" / "rules"
    pages = {folder / f"{code}.md": page_of(rule) for code, rule in RULES.items()}
    return {folder / "README.md": index_of(RULES.values()), **pages}


def _names() -> dict[Path, str]:
    """The models of the packages, for machines without them."""
    paths = {n: [x.path for x in cnnstat.analyze(n).layers if x.kind == "module"] for n in CATALOG}
    lines = ["\t".join([name, *dict.fromkeys(layers)]) + "\n" for name, layers in paths.items()]
    found = {FOLDER / "layers.tsv": "".join(lines)}
    for source in SOURCES:
        if find_spec(source) is None:
            continue
        models = cnnstat.list_models(source).models
        rows = [
            Row(m.name.removeprefix(f"{source}:"), m.input, m.params, m.source, m.summary)
            for m in models
        ]
        found[FOLDER / f"{source}.tsv"] = text_of(metadata.version(source), rows)
    return found


BROKEN = ROOT / "examples" / "broken"


def _diagnoses() -> dict[Path, str]:
    """What is printed for each file that is broken."""
    files = sorted(BROKEN.glob("*.py"))
    with contextlib.chdir(BROKEN):
        return {
            file.with_suffix(".txt"): _printed(["shapes", f"{file.name}:Net"]) for file in files
        }


def _printed(arguments: list[str]) -> str:
    out, err = StringIO(), StringIO()
    with (
        contextlib.redirect_stdout(out), contextlib.redirect_stderr(err),
        patch.dict(os.environ, COLUMNS="100"),
    ):  # fmt: skip
        status = run(arguments)
    printed = out.getvalue() + err.getvalue()
    return f"$ cnnstat {' '.join(arguments)}\n{printed}\nexit status {status}\n"


# rich's own frame loads its font from the network; this one takes what the reader has.
_SVG = """<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font-family: "DejaVu Sans Mono", Menlo, Consolas, monospace;
  font-size: {char_height}px; line-height: {line_height}px; font-variant-east-asian: full-width; }}
.{unique_id}-title {{ font-size: 18px; font-weight: bold; font-family: sans-serif; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" />
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


if __name__ == "__main__":
    from documentation.notebooks import notebook_files

    for path, content in {**files(), **notebook_files()}.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
