"""Tutorial notebooks: run, stored with their outputs, and written as pages of the site.

The outputs are texts, without the HTML that a notebook displays, so that a difference can be read.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import nbformat
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from nbconvert import MarkdownExporter

FOLDER = Path(__file__).parent.parent / "docs" / "tutorials"


def notebook_files() -> dict[Path, str]:
    """Each notebook of the tutorials as it is after a run, and its page."""
    files = {}
    for path in sorted(FOLDER.glob("*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        run(notebook)
        files[path] = nbformat.writes(notebook) + "\n"
        files[path.with_suffix(".md")] = page_of(notebook, path.name)
    return files


def run(notebook: Any) -> None:
    """Run the cells in a new shell of this process, and store what they print and display.

    Raises:
        RuntimeError: a cell fails.
    """
    InteractiveShell.clear_instance()
    shell = InteractiveShell.instance()
    try:
        cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
        for number, cell in enumerate(cells, 1):
            with capture_output() as captured:
                done = shell.run_cell(cell.source, store_history=False)
            if not done.success:
                raise RuntimeError(f"cell {number}: {cell.source}") from (
                    done.error_in_exec or done.error_before_exec
                )
            cell.execution_count = number
            cell.outputs = _outputs(captured)
    finally:
        InteractiveShell.clear_instance()


def _outputs(captured: Any) -> list[Any]:
    printed = re.sub(r"^Out\[\d+\]: ?\n?", "", captured.stdout, flags=re.MULTILINE)
    texts = [printed, *(output.data["text/plain"] + "\n" for output in captured.outputs)]
    text = "".join(texts)
    return [nbformat.v4.new_output("stream", name="stdout", text=text)] if text else []


def page_of(notebook: Any, name: str) -> str:
    """The notebook in Markdown, with a line that leads to the file."""
    text, _ = MarkdownExporter().from_notebook_node(notebook)
    title, _, rest = text.strip().partition("\n")
    return f"{title}\n\nThis page is [a notebook]({name}) that was run.\n{rest}\n"
