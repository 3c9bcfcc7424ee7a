r"""Text from files, models and command lines, made safe to print.

A name in a file may contain characters that a terminal, an editor or a table acts on instead of
showing them: `\x1b` starts a command to the terminal, a line break makes two rows of one, U+202E
reverses what follows. They are shown as Python writes them in a string.
"""

from __future__ import annotations

import re

UNSAFE = (
    "\x00-\x1f\x7f-\x9f"  # control characters
    "\u2028\u2029"  # line breaks of Unicode
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # they change the direction of writing
    "\ufeff\U000e0000-\U000e007f"  # invisible
    "\ud800-\udfff"  # halves of characters; bytes of a file name that are not UTF-8
)
_UNSAFE = re.compile(f"[{UNSAFE}]")
_UNSAFE_BUT_LINES = re.compile(f"(?!\n)[{UNSAFE}]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_BEYOND_ASCII = re.compile("[^\x00-\x7e]")

LONGEST = 4_000  # characters of one text of a message


def visible(text: str) -> str:
    r"""The text with `\x1b` for an escape character, `\n` for a line break, `\xe9` for a byte."""
    return _UNSAFE.sub(_escape, text)


def visible_lines(text: str) -> str:
    """Likewise; line breaks are kept."""
    return _UNSAFE_BUT_LINES.sub(_escape, text)


def is_visible(text: str) -> bool:
    return text.isprintable() or _UNSAFE.search(text) is None  # the first is fast


def visible_json(document: str, ascii_only: bool = False) -> str:
    r"""A JSON document with such characters, or all beyond ASCII, as `\\uXXXX`.

    They occur only in its strings, where this is another spelling of them.
    """
    pattern = _BEYOND_ASCII if ascii_only else _UNSAFE_BUT_LINES
    return pattern.sub(_escape_in_json, document)


def _escape_in_json(match: re.Match[str]) -> str:
    units = match[0].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))


def encodable(text: str) -> str:
    r"""The text with escapes for what no encoding has, such as the bytes of a file name."""
    return _SURROGATE.sub(_escape, text)


def described(value: object) -> str:
    """The `repr` of a value, which for those from a file or a model may fail or be very long."""
    try:
        text = repr(value)
    except Exception as error:  # a number of too many digits, a list too deep, a user's __repr__
        return f"a {type(value).__name__} ({type(error).__name__} in its repr)"
    return text if len(text) <= 200 else f"{text[:200]}…"


def value_in_words(value: object) -> str:
    """A value of Python for a message: plain ones as they are typed, others by their class."""
    if isinstance(value, type):
        return f"the class {value.__name__}"
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple):
        return f"a {type(value).__name__} of {'×'.join(map(str, shape)) or 'one number'}"
    if callable(value) and hasattr(value, "__name__"):
        return f"the function {value.__name__}"
    plain = (str, int, float, complex, bytes, list, tuple, dict, set, frozenset, type(None))
    text = described(value)
    if isinstance(value, plain) and "\n" not in text:
        return text
    name = type(value).__name__
    return f"an {name}" if name[0] in "AEIOUaeio" else f"a {name}"


def message_text(text: str) -> str:
    """A text for a message: visible, not too long, and indented from its second line on."""
    if len(text) > LONGEST:
        text = f"{text[:LONGEST]}… ({len(text):,} characters)"
    return visible_lines(text).replace("\n", "\n    ")


def _escape(match: re.Match[str]) -> str:
    character = match[0]
    if "\udc80" <= character <= "\udcff":  # a byte that Python could not decode
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape").decode("ascii")
