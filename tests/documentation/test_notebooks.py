"""The notebooks of the tutorials are run, and their outputs compared."""

from __future__ import annotations

import pytest

pytest.importorskip("IPython", reason="IPython is not installed")
pytest.importorskip("nbconvert", reason="nbconvert is not installed")

from documentation.notebooks import notebook_files


def test_notebooks_and_their_pages_are_up_to_date() -> None:
    files = notebook_files()
    assert len(files) >= 2
    for path, content in files.items():
        assert path.read_text(encoding="utf-8") == content, f"run make reports: {path}"
