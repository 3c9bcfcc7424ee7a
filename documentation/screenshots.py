"""Draw the screenshots in docs/pictures: `python documentation/screenshots.py [NAME...]`.

A function per picture, named like its file. It needs the extra `dev` and Debian's chromium; for
the page of LaTeX pdflatex and poppler-utils.
"""

from __future__ import annotations

import contextlib
import io
import os
import pty
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image
from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

import cnnstat

FOLDER = Path(__file__).parent.parent / "docs" / "pictures"
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


BROKEN = """from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 8, 5)
        self.fc = nn.Linear(8 * 24 * 24, 10)

    def forward(self, x):
        return self.fc(self.conv(x).relu())


example_input = (1, 1, 28, 28)
"""
STYLE = (
    "body{{margin:0;padding:12px 16px;background:{background};color:{foreground}}}"
    "pre{{margin:0;font:14px/1.35 'DejaVu Sans Mono',monospace}}{stylesheet}"
)


def terminal() -> bytes:
    """What a terminal shows of a table and of an error, in the colours that it is sent."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "my_model.py").write_text(BROKEN, encoding="utf-8")
        commands = ("cnnstat shapes lenet", "cnnstat shapes my_model.py:Net")
        shown = [f"$ {command}\n{in_terminal(command, folder)}" for command in commands]
    with Console(record=True, width=COLUMNS, file=io.StringIO(), color_system="truecolor") as out:
        out.print(Text.from_ansi("\n".join(shown)))
    page = f"<style>{STYLE}</style><body><pre>{{code}}</pre></body>"
    html = out.export_html(theme=MONOKAI, code_format=page)
    return shot(html, "dark", WIDTH, 200, whole=True)


COLUMNS = 100


def in_terminal(command: str, folder: str) -> str:
    """What a command writes to a terminal of its own."""
    child, screen = pty.fork()
    if not child:
        os.chdir(folder)
        environment = {**os.environ, "COLUMNS": str(COLUMNS), "TERM": "xterm-256color"}
        for name in ("NO_COLOR", "FORCE_COLOR", "CLICOLOR"):
            environment.pop(name, None)
        words = [sys.executable, "-m", *command.split()]
        os.execvpe(sys.executable, [*words[:3], "--no-pager", *words[3:]], environment)
    written = b""
    with contextlib.suppress(OSError):  # the end of a terminal is an error on Linux
        while part := os.read(screen, 65536):
            written += part
    os.waitpid(child, 0)
    return re.sub(r".*\r(?!\n)", "", written.decode()).replace("\r\n", "\n")


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


def shot(
    html: str, scheme: str, width: int = WIDTH, height: int = HEIGHT, whole: bool = False
) -> bytes:
    """What a browser of a width shows of a page in a colour scheme of the system, or all of it."""
    with browser() as opened:
        page = opened.new_page(color_scheme=scheme, viewport={"width": width, "height": height})
        page.route("http*://**", lambda route: route.abort())  # nothing is loaded
        page.set_content(html)
        return bytes(page.screenshot(full_page=whole))


PICTURES: dict[str, Callable[[], bytes]] = {
    "notebook-light": notebook_light, "notebook-dark": notebook_dark,
    "report-light": report_light, "report-phone": report_phone, "latex-page": latex_page,
    "terminal": terminal,
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
