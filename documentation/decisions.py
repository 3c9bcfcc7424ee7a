"""The list of the decisions, from their headings."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent.parent / "docs" / "decisions"
_HEAD = """# Decisions

One file each: what was decided, why, and what was turned down. The newest overrules.

"""


def decision_list() -> dict[Path, str]:
    files = sorted(FOLDER.glob("[0-9]*.md"))
    rows = [f"- [{_heading(file)}]({file.name})\n" for file in files]
    return {FOLDER / "README.md": _HEAD + "".join(rows)}


def _heading(file: Path) -> str:
    first = file.read_text(encoding="utf-8").partition("\n")[0]
    return first.removeprefix("# ")
