"""HTML as a browser shows it: contrast, alignment and indentation in notebooks and as a page.

Chromium computes the styles. `.ci/run` installs it; without it these tests are skipped.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from torch import nn

import cnnstat
from cnnstat.render import render

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Debian's chromium")

LEAST_CONTRAST = 4.5  # WCAG 2.2, 1.4.3: contrast (minimum)

MEASURE = """
() => {
  const context = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = colour => {
    context.clearRect(0, 0, 1, 1);
    context.fillStyle = colour;
    context.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = context.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = ([r, g, b, a], below) => [r, g, b].map((c, i) => c * a + below[i] * (1 - a));
  const luminance = colour => {
    const linear = c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
    const [r, g, b] = colour.map(c => linear(c / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = element => {
    if (element === null) return [255, 255, 255];  // of the browser itself
    const style = getComputedStyle(element);
    const below = over(rgba(style.backgroundColor), ground(element.parentElement));
    const bar = /(rgba?|color)\\([^()]*\\)/.exec(style.backgroundImage);  // behind a share
    return bar ? over(rgba(bar[0]), below) : below;
  };
  const contrast = element => {
    const below = ground(element), ink = over(rgba(getComputedStyle(element).color), below);
    const [low, high] = [luminance(ink), luminance(below)].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  };
  const words = element => {
    const button = element.querySelector("th > button"), range = document.createRange();
    range.selectNodeContents(button ?? element.lastChild);
    return range.getBoundingClientRect();
  };
  const texts = ".cnnstat :is(th, td, p, h1, h2, .title, .subtitle, pre)";
  const seen = [...document.querySelectorAll(texts)]
    .filter(element => element.checkVisibility() && element.textContent.trim());
  return seen.map(element => {
    const box = element.getBoundingClientRect(), text = words(element);
    return {
      tag: element.tagName, kind: element.className, text: element.textContent.trim(),
      contrast: contrast(element), align: getComputedStyle(element).textAlign,
      left: text.left - box.left, right: box.right - text.right, height: box.height,
      depth: +(element.closest("tr")?.dataset.depth ?? 0),
      table: element.closest("table")?.className ?? "",
      number: [...document.querySelectorAll("table")].indexOf(element.closest("table")),
    };
  });
}
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def shown(browser: Any) -> Iterator[Callable[..., Any]]:
    """Show a document, with the colour scheme of the system and a width in pixels."""
    pages = []

    def show(html: str, scheme: str = "light", width: int = 1000) -> Any:
        page = browser.new_page(color_scheme=scheme, viewport={"width": width, "height": 800})
        page.set_content(html)
        pages.append(page)
        return page

    yield show
    for page in pages:
        page.close()


@cache
def analysis() -> Any:
    return cnnstat.analyze("nin")


@cache
def comparison() -> Any:
    return cnnstat.compare("lenet", "residual-mnist")


def check(page: Any) -> list[dict[str, Any]]:
    """Check what every host must show: readable texts, columns on their side, a tree."""
    elements: list[dict[str, Any]] = page.evaluate(MEASURE)
    assert len(elements) > 100
    for element in elements:
        assert element["contrast"] >= LEAST_CONTRAST, element
    cells = [element for element in elements if element["tag"] in ("TH", "TD")]
    for cell in cells:
        is_number = "num" in cell["kind"].split()
        assert cell["align"] == ("right" if is_number else "left"), cell
        assert cell["right" if is_number else "left"] < (16 if cell["kind"] != "name" else 100), (
            cell
        )
    for total in (cell for cell in cells if cell["table"] == "facts"):
        assert total["height"] < 40, total  # one line
    return elements


def check_tree(elements: list[dict[str, Any]]) -> None:
    first = next(e["number"] for e in elements if e["kind"] == "name")
    names = [e for e in elements if e["kind"] == "name" and e["number"] == first]
    by_depth = {depth: {round(e["left"]) for e in names if e["depth"] == depth} for depth in (0, 1)}
    assert len(by_depth[0]) == len(by_depth[1]) == 1, "names of one depth start at one place"
    assert min(by_depth[1]) - min(by_depth[0]) >= 10


@cache
def notebook(theme: str) -> str:
    """A notebook with two results, as nbconvert shows it with JupyterLab's styles."""
    nbconvert = pytest.importorskip("nbconvert")
    from nbformat import v4

    cells = [
        v4.new_code_cell(
            source,
            execution_count=1,
            outputs=[
                v4.new_output(
                    "execute_result",
                    {"text/html": result._repr_html_(), "text/plain": repr(result)},
                    execution_count=1,
                )
            ],
        )
        for source, result in (("analysis", analysis()), ("comparison", comparison()))
    ]
    exporter = nbconvert.HTMLExporter(template_name="lab", theme=theme)
    exporter.exclude_anchor_links = True
    # what it loads from the network is of no concern here
    html: str = exporter.from_notebook_node(v4.new_notebook(cells=cells))[0]
    return html.replace("https://", "http://127.0.0.1:9/")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_jupyterlab(shown: Callable[..., Any], theme: str, scheme: str) -> None:
    page = shown(notebook(theme), scheme)
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(255, 255, 255)") == (theme == "light"), "the theme is Jupyter's own"
    check_tree(check(page))


# The rules of other notebooks on tables, and their colours.
_RIGHT = "td, th, tr { text-align: right; white-space: normal; border: none; padding: 4px } "
HOSTS = {
    "VS Code, dark": (
        '<html style="--vscode-editor-foreground: #d4d4d4; --vscode-font-family: sans-serif">'
        '<body class="vscode-dark" style="background: #1e1e1e; color: #ccc">',
        "#container table, #container th, #container tr { text-align: right; color: #888 }",
    ),
    "VS Code, light": (
        '<html style="--vscode-editor-foreground: #3b3b3b"><body style="background: #fff">',
        f"#container tr:nth-child(even) {{ background-color: #ddd }} {_RIGHT}",
    ),
    "Colab, dark": (
        '<html theme="dark" style="--colab-primary-text-color: #e3e3e3">'
        '<body style="background: #1f1f1f; color: #e3e3e3">', _RIGHT,
    ),
    "Colab, dark, without its variables": (
        '<html theme="dark"><body style="background: #383838">', _RIGHT,
    ),
    "an unknown dark page": ('<html><body style="background: #111; color: #eee">', _RIGHT),
    "an unknown light page": ("<html><body>", _RIGHT),
}  # fmt: skip


@pytest.mark.parametrize("host", HOSTS)
def test_other_notebooks(shown: Callable[..., Any], host: str) -> None:
    """On a system of the other colour scheme."""
    scheme = "light" if "dark" in host else "dark"
    start, style = HOSTS[host]
    fragment = analysis()._repr_html_()
    page = shown(
        f"<!doctype html>{start}<style>{style}</style><div id=container>{fragment}</div>", scheme
    )
    check_tree(check(page))


def test_the_measure_sees_what_is_unreadable(shown: Callable[..., Any]) -> None:
    page = shown(
        '<div class="cnnstat" style="background: #999"><table><tr><td style="color: #767676">'
        'a</td><td class="share" style="background: linear-gradient(rgb(0, 0, 0), red)">b</td>'
        '</tr></table><p style="color: #767676; background: #fff">c</p></div>'
    )
    a, b, c = page.evaluate(MEASURE)
    assert (
        a["contrast"] < 2 < LEAST_CONTRAST <= c["contrast"] < 4.6
    )  # #767676 is the limit on white
    assert b["contrast"] == 1


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page(shown: Callable[..., Any], scheme: str, width: int) -> None:
    page = shown(render(analysis(), "html").text, scheme, width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    elements = page.evaluate(MEASURE)
    assert min(element["contrast"] for element in elements) >= LEAST_CONTRAST
    tables = [element["table"] for element in elements if element["table"]]
    assert tables[0] == "facts", "the totals are first"
    check_tree(elements)
    left = "document.querySelector('.rows tbody td').getBoundingClientRect().left"
    before = page.evaluate(left)
    moved = page.evaluate("(e => { e.scrollLeft = 300; return e.scrollLeft })"
                          "(document.querySelector('.rows').closest('.scroll'))")  # fmt: skip
    assert moved > 100 if width == 390 else moved == 0
    assert page.evaluate(left) == before, "the first column stays"


def test_long_names_wrap(shown: Callable[..., Any]) -> None:
    net = nn.Sequential()
    net.add_module("name" * 80, nn.Conv2d(3, 4, 3))
    analysis = cnnstat.analyze(net, (1, 3, 8, 8))
    for html, width in ((analysis._repr_html_(), 1000), (analysis.to_html(), 390)):
        page = shown(html, width=width)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        (cell,) = (e for e in page.evaluate(MEASURE) if "name" in e["kind"].split())
        assert 60 < cell["height"] < 600


VISIBLE = """[...document.querySelectorAll(".rows tbody tr")]
  .filter(row => !row.hidden).map(row => row.cells[0].innerText.trim())"""


def test_page_sorts_and_filters(shown: Callable[..., Any]) -> None:
    page = shown(render(analysis(), "html").text)
    rows = page.evaluate(VISIBLE)
    page.click("th button:has-text('MACs')")
    assert page.evaluate(VISIBLE)[:3] == ["block2", "block2.conv1", "block3"]
    page.fill(".filter", "conv 12×12")
    assert page.evaluate(VISIBLE) == ["block3.conv1", "block3.conv2", "block3.conv3"]
    page.click("th button:has-text('MACs')")
    page.click("th button:has-text('MACs')")
    assert page.evaluate(VISIBLE) == ["block3", "conv1", "conv2", "conv3"], "with the row above"
    page.fill(".filter", "")
    assert page.evaluate(VISIBLE) == rows
    page.click(".fold >> nth=0")
    assert page.evaluate(VISIBLE)[:3] == ["block1", "pool1", "block2"]


def test_print_is_black_on_white_and_whole(shown: Callable[..., Any], tmp_path: Path) -> None:
    page = shown(render(analysis(), "html").text, "dark")
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert min(e["contrast"] for e in page.evaluate(MEASURE)) >= LEAST_CONTRAST
    assert not page.is_visible(".filter")
    heights = "[...document.querySelectorAll('.scroll')].map(e => e.scrollHeight - e.clientHeight)"
    assert max(page.evaluate(heights)) <= 1, "nothing is cut off"
    assert page.pdf().count(b"/Type /Page\n") >= 1
