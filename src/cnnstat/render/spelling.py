"""Text in the characters of a terminal's encoding: `x` for ×, `->` for →, where it lacks them."""

from __future__ import annotations

import codecs
import unicodedata
from dataclasses import is_dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .blocks import Report

LINES = "─│├└█"
"""What a table with lines and bars is drawn with."""

ERRORS = "cnnstat.spelling"
"""The error handler of an encoder that writes such text."""

_SPELLINGS = {
    "×": "x", "–": "-", "—": "-", "−": "-", "…": "...", "·": "*", "→": "->", "←": "<-",
    "⌊": "floor(", "⌋": ")", "⌈": "ceil(", "⌉": ")", "≥": ">=", "≤": "<=", "≠": "!=", "≈": "~",
    "∞": "inf", "√": "sqrt", "✓": "ok:", "✗": "no:", "∑": "sum", "∏": "product", "∈": "in",
    "─": "-", "│": "|", "├": "|", "└": "`", "█": "#", "\u00a0": " ", "µ": "u",
    "\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"',
}  # fmt: skip


@lru_cache(maxsize=4096)
def _spelled(character: str, encoding: str) -> str:
    try:
        character.encode(encoding)
        return character
    except UnicodeEncodeError:
        pass
    if character in _SPELLINGS:
        return _SPELLINGS[character]
    name = unicodedata.name(character, "")
    if name.startswith("GREEK "):
        return name.rpartition(" ")[2].lower()
    kind, _, code = unicodedata.decomposition(character).partition(" ")
    if kind in ("<super>", "<sub>") and " " not in code:
        plain = chr(int(code, 16))
        return ("^" if kind == "<super>" else "_") + plain if plain.isascii() else _escaped(plain)
    return _escaped(character)


def _escaped(character: str) -> str:
    return character.encode("ascii", "backslashreplace").decode("ascii")


def spelled(text: str, encoding: str) -> str:
    """The text in characters of the encoding."""
    if text.isascii():
        return text
    return "".join(c if c.isascii() else _spelled(c, encoding) for c in text)


def can_encode(text: str, encoding: str) -> bool:
    return spelled(text, encoding) == text


def in_encoding(report: Report, encoding: str) -> Report:
    """The report in characters of the encoding, before its columns are laid out."""
    if encoding.lower().replace("-", "") in ("utf8", "utf16", "utf32"):
        return report
    same: Report = _in_encoding(report, encoding)
    return same


def _in_encoding(value: Any, encoding: str) -> Any:
    from .blocks import Cell, Excerpt

    if isinstance(value, str):
        return spelled(value, encoding)
    if isinstance(value, Cell):
        return Cell(spelled(value.text, encoding))
    if isinstance(value, tuple):
        return tuple(_in_encoding(item, encoding) for item in value)
    if not is_dataclass(value) or isinstance(value, type):
        return value
    changes = {name: _in_encoding(getattr(value, name), encoding) for name in _fields(value)}
    if isinstance(value, Excerpt):  # the marked part moves with what is before it
        for name in ("first", "end"):
            changes[name] = len(spelled(value.text[: getattr(value, name)], encoding))
    return replace(value, **changes)


def _fields(value: Any) -> tuple[str, ...]:
    return tuple(value.__dataclass_fields__)


def _handled(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    part = error.object[error.start : error.end]
    return "".join(_spelled(character, error.encoding) for character in part), error.end


def register() -> None:
    """Make `ERRORS` known to Python's encoders."""
    codecs.register_error(ERRORS, _handled)
