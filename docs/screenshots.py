"""Draw the screenshots in docs/pictures: `python docs/screenshots.py [NAME...]`.

A function per picture, named like its file. It needs the extra `dev` and Debian's chromium; for
the page of LaTeX pdflatex and poppler-utils.
"""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import tempfile
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


PAPER = r"""\documentclass{article}
\usepackage{booktabs,siunitx}
\pagestyle{empty}
\begin{document}
Table~\ref{tab:resnet18} has the layers.
%s
\end{document}
"""


def latex_page() -> bytes:
    """The upper half of a page with the table, by pdfLaTeX and poppler's pdftoppm."""
    table = cnnstat.analyze("resnet18").to_latex(
        depth=1, columns="output,params,macs", caption="ResNet-18 on ImageNet", label="tab:resnet18"
    )
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "paper.tex").write_text(PAPER % table, encoding="utf-8")
        for _ in range(2):  # the second time with the numbers of the references
            subprocess.run(["pdflatex", "-interaction=batchmode", "paper"], cwd=folder, check=True)
        command = ["pdftoppm", "-r", "110", "-png", "-singlefile", "paper.pdf", "page"]
        subprocess.run(command, cwd=folder, check=True)
        page = Image.open(Path(folder, "page.png"))
        out = io.BytesIO()
        page.crop((100, 100, page.width - 100, page.height * 2 // 3)).save(out, format="png")
    return out.getvalue()


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
    "report-light": report_light, "report-phone": report_phone, "latex-page": latex_page,
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
