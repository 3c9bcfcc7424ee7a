"""docs/tutorials/notebook.md is run cell by cell, and its outputs are compared."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("IPython", reason="IPython is not installed")

from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

DOCUMENT = Path(__file__).parent.parent.parent / "docs" / "tutorials" / "notebook.md"
CELLS = re.findall(
    r"```python\n(.*?)```\n(?:\n```text\n(.*?)```\n)?", DOCUMENT.read_text(encoding="utf-8"),
    re.DOTALL,
)  # fmt: skip


def outputs_of(shell: Any, source: str) -> str:
    """What a cell prints, displays and has as its last value, as text."""
    shell.colors = "nocolor"
    with capture_output() as captured:
        shell.run_cell(source)
    printed = re.sub(r"^Out\[\d+\]: ?\n?", "", captured.stdout, flags=re.MULTILINE)
    displayed = "".join(f"{out.data['text/plain']}\n" for out in captured.outputs)
    # a failed command first displays what ran, and ends with its exit status
    printed, status = re.fullmatch(
        r"(.*?)(cnnstat: exit status \d\n\n?)?", printed, re.DOTALL
    ).groups()
    text = printed + displayed + captured.stderr + (status or "")
    return without_numbers(text).strip("\n") + "\n"


def without_numbers(text: str) -> str:
    """The text without the numbers of cells, which all are 1 here."""
    return re.sub(r"In\[\d+\]", "In[1]", text)


def test_every_cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shell = InteractiveShell.instance()
    try:
        assert len(CELLS) > 15
        for source, expected in CELLS:
            lines = without_numbers(expected or "\n").splitlines(keepends=True)
            pattern = "".join("(?:.*\n)*" if x.strip() == "..." else re.escape(x) for x in lines)
            printed = outputs_of(shell, source)
            assert re.fullmatch(pattern, printed), f"{source}\n{printed}"
    finally:
        InteractiveShell.clear_instance()
