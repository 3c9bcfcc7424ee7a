"""Draw the screenshots in docs/pictures: `python docs/screenshots.py [NAME...]`.

A function per picture, named like its file. It needs Debian's chromium and the extra `dev`.
"""

from __future__ import annotations

import io
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image

import cnnstat

FOLDER = Path(__file__).parent / "pictures"
LARGEST = 150_000  # bytes of a picture
WIDTH, HEIGHT = 900, 620


def notebook_light() -> bytes:
    return shot(notebook("light"), "dark")  # whatever the system's scheme is


def notebook_dark() -> bytes:
    return shot(notebook("dark"), "light")


def report_light() -> bytes:
    return shot(cnnstat.analyze("torchvision:resnet18").to_html(), "light")


def report_phone() -> bytes:
    return shot(cnnstat.analyze("torchvision:resnet18").to_html(), "dark", 390)


def notebook(theme: str) -> str:
    """A notebook with a result, as nbconvert shows it in JupyterLab's theme."""
    from nbconvert import HTMLExporter
    from nbformat import v4

    source = 'import cnnstat\n\ncnnstat.analyze("nin")'
    result = cnnstat.analyze("nin")
    data = {"text/html": result._repr_html_(), "text/plain": repr(result)}
    output = v4.new_output("execute_result", data, execution_count=1)
    cell = v4.new_code_cell(source, execution_count=1, outputs=[output])
    exporter = HTMLExporter(template_name="lab", theme=theme)
    html: str = exporter.from_notebook_node(v4.new_notebook(cells=[cell]))[0]
    return html


@contextmanager
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    program = shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield opened
        opened.close()


def shot(html: str, scheme: str, width: int = WIDTH, height: int = HEIGHT) -> bytes:
    """What a browser of a width shows of a page in a colour scheme of the system."""
    with browser() as opened:
        page = opened.new_page(color_scheme=scheme, viewport={"width": width, "height": height})
        page.route("http*://**", lambda route: route.abort())  # nothing is loaded
        page.set_content(html)
        return bytes(page.screenshot())


PICTURES: dict[str, Callable[[], bytes]] = {
    "notebook-light": notebook_light, "notebook-dark": notebook_dark,
    "report-light": report_light, "report-phone": report_phone,
}  # fmt: skip


def main(names: list[str]) -> None:
    FOLDER.mkdir(exist_ok=True)
    for name in names or PICTURES:
        picture = Image.open(io.BytesIO(PICTURES[name]())).convert("RGB")
        file = FOLDER / f"{name}.png"
        picture.quantize(64).save(file, optimize=True)
        assert file.stat().st_size < LARGEST, f"{file} has {file.stat().st_size} bytes"


if __name__ == "__main__":
    main(sys.argv[1:])
