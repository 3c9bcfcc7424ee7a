"""The site of docs/ builds without a warning, and every link of its pages leads somewhere."""

from __future__ import annotations

import shutil
import subprocess
import sys
from functools import cache
from html.parser import HTMLParser
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

ROOT = Path(__file__).parent.parent.parent

pytestmark = pytest.mark.skipif(find_spec("zensical") is None, reason="zensical is not installed")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    shutil.copy(ROOT / "zensical.toml", folder)
    shutil.copytree(ROOT / "docs", folder / "docs")
    command = [sys.executable, "-m", "zensical", "build", "--strict"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "No issues found" in done.stdout + done.stderr
    return folder / "build" / "site"


class Page(HTMLParser):
    """The ids of a page, where its links lead, and what it loads."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        self.ids.update(value for name, value in attrs if name == "id" and value)
        target = attributes.get("href") or attributes.get("src")
        if target:
            (self.links if tag == "a" else self.loaded).append(target)


page_at = cache(Page)


def test_every_page_of_docs_is_on_the_site(site: Path) -> None:
    for page in (ROOT / "docs").rglob("*.md"):
        relative = page.relative_to(ROOT / "docs")
        name = "index.html" if relative.name == "README.md" else f"{relative.stem}.html"
        assert (site / relative.parent / name).exists(), relative


def test_no_page_hides_a_file() -> None:
    """`reports/report.md` would become `reports/report.html`."""
    for file in (ROOT / "docs").rglob("*.html"):
        assert not file.with_suffix(".md").exists(), file


def test_every_page_has_a_place_in_the_navigation() -> None:
    """But for the rules and the decisions, whose lists lead to them, and the reports."""
    navigation = (ROOT / "zensical.toml").read_text(encoding="utf-8")
    for page in (ROOT / "docs").rglob("*.md"):
        name = page.relative_to(ROOT / "docs").as_posix()
        if not name.startswith(("rules/", "decisions/", "reports/")):
            assert f'"{name}"' in navigation, f"{name} has no place in zensical.toml"


def test_links_lead_somewhere(site: Path) -> None:
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 100
    for path in pages:
        if path.name == "404.html" or path.parent.name == "reports":
            continue  # its links begin at the root of a server; a report of ours has its own test
        for link in page_at(path).links:
            parts = urlsplit(link)
            if parts.scheme:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            assert target.is_file(), f"{path.relative_to(site)}: {link}"
            if parts.fragment and target.suffix == ".html":
                where = f"{path.relative_to(site)}: {link}"
                assert unquote(parts.fragment) in page_at(target).ids, where


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    for path in site.rglob("*.html"):
        for target in page_at(path).loaded:
            assert not urlsplit(target).scheme or target.startswith("data:"), (path.name, target)


TOO_WIDE = """() => {
  const width = document.documentElement.clientWidth;
  const scrolls = element => {
    for (let e = element; e && e.tagName !== "ARTICLE"; e = e.parentElement)
      if (["auto", "scroll", "hidden"].includes(getComputedStyle(e).overflowX)) return true;
    return false;
  };
  return [...document.querySelectorAll("article *")]
    .filter(e => e.getBoundingClientRect().right > width + 1 && !scrolls(e))
    .map(e => e.tagName + " " + e.textContent.slice(0, 60));
}"""


def test_a_browser_loads_nothing_else_and_a_phone_shows_whole_lines(site: Path) -> None:
    driver = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("needs Debian's chromium")
    asked: list[str] = []
    with driver.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 390, "height": 844}, color_scheme="dark")
        page.on("request", lambda request: asked.append(request.url))
        for name in ("index", "commands/shapes", "cuda"):
            page.goto((site / f"{name}.html").as_uri())
            assert page.evaluate(TOO_WIDE) == [], name
            scheme = page.evaluate("document.body.dataset.mdColorScheme")
            assert scheme == "slate", "the page follows the system's dark scheme"
        browser.close()
    assert len(asked) > 3
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
