"""The generated files in the repository are what the code produces today."""

import re

import pytest

from tests.generated import ROOT, files


def figures(text: str, suffix: str) -> str:
    """What must not change unnoticed. Of a drawing that is its text, not its coordinates."""
    if suffix == ".svg":
        return "\n".join(re.findall(r"<text[^>]*>([^<]*)</text>", text))
    if suffix == ".html":
        return re.sub(r"<svg.*?</svg>", lambda m: figures(m[0], ".svg"), text, flags=re.DOTALL)
    return text


@pytest.mark.parametrize(("path", "content"), files().items(), ids=lambda value: str(value)[-24:])
def test_generated_file_is_up_to_date(path, content: str) -> None:
    assert path.exists(), f"run make reports: {path.relative_to(ROOT)} is missing"
    committed = path.read_text(encoding="utf-8")
    assert figures(committed, path.suffix) == figures(content, path.suffix), "run make reports"
