"""Styles of text on a terminal: words such as `bold red`, and their codes."""

from __future__ import annotations

_CODES = {
    "bold": "1", "dim": "2", "underline": "4", "red": "31", "green": "32", "yellow": "33",
    "blue": "34", "magenta": "35", "cyan": "36",
}  # fmt: skip


def styled(text: str, style: str) -> str:
    """The text with the codes of a style before and after it; "ansi" has its own."""
    if not text or style in ("", "ansi"):
        return text
    codes = ";".join(_CODES[word] for word in style.split())
    return f"\x1b[{codes}m{text}\x1b[0m"
