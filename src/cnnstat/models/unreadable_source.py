"""Files named `.py` that Python cannot read as source: what they are, and what makes them readable.

Python says of most of them "source code string cannot contain null bytes", without the file.
"""

from __future__ import annotations

import ast
import codecs
import io
import tokenize
from contextlib import suppress
from pathlib import Path
from traceback import FrameSummary, extract_tb, walk_tb

from ..errors import ModelError
from ..tracing.places import shown_path

_BEGINNINGS = {
    b"\x7fELF": "a program or library of Linux",
    b"\x1f\x8b": "a gzip archive",
    b"PK\x03\x04": "a zip archive, such as a file of weights",
    b"\x89PNG": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"%PDF-": "a PDF document",
    b"\x89HDF": "an HDF5 file, such as a Keras model",
    b"\x80\x02": "a pickle", b"\x80\x03": "a pickle", b"\x80\x04": "a pickle",
    b"\x80\x05": "a pickle",
}  # fmt: skip
_MARKED = {  # longest first: the mark of UTF-16 begins that of UTF-32
    codecs.BOM_UTF32_LE: "UTF-32", codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16", codecs.BOM_UTF16_BE: "UTF-16",
}  # fmt: skip
_COMMENT = "# -*- coding: latin-1 -*-"


def file_of(error: BaseException) -> Path | None:
    """The source file whose text Python could not read or parse; None if it was none."""
    if isinstance(error, SyntaxError) and error.filename is not None:
        return Path(error.filename)
    for frame, _ in walk_tb(error.__traceback__):  # importlib knows it where the error does not
        if frame.f_code.co_name == "source_to_code" and "path" in frame.f_locals:
            return Path(frame.f_locals["path"])
    frames = extract_tb(error.__traceback__)  # without those of importlib for an import statement
    return _unreadable_import(frames[-1]) if frames else None


def _unreadable_import(frame: FrameSummary) -> Path | None:
    """The file that an import statement of a user's file imports and that is no text."""
    try:
        statement = ast.parse((frame.line or "").strip()).body[0]
    except (SyntaxError, ValueError, IndexError):
        return None
    names = [alias.name for alias in getattr(statement, "names", ())]
    if isinstance(statement, ast.ImportFrom):
        parent = statement.module or ""
        names = [parent, *(f"{parent}.{name}".strip(".") for name in names)]
    folder = Path(frame.filename).parent
    for name in filter(None, names):
        for root in (folder, *folder.parents[:3]):
            base = root.joinpath(*name.split("."))
            for file in (base.with_suffix(".py"), base / "__init__.py"):
                if file.is_file() and b"\0" in file.read_bytes():
                    return file
    return None


def check_readable(file: Path, error: BaseException) -> None:
    """Raise ModelError if the content of a file is no text, or none in its encoding.

    `error` is that of Python, which becomes the cause.
    """
    try:
        content = file.read_bytes()
    except (OSError, ValueError):  # another fault, whose message is better
        return
    found = _binary(content) or _encoded(content)
    if found is not None:
        what, *details = found
        raise ModelError(f"{shown_path(str(file))} {what}", *details) from error


def _binary(content: bytes) -> tuple[str, ...] | None:
    """What a file is that has null bytes or the beginning of another kind."""
    for mark, encoding in _MARKED.items():
        if content.startswith(mark):
            return _wide(encoding)
    for beginning, kind in _BEGINNINGS.items():
        if content.startswith(beginning):
            return (f"is {kind}, not Python source",)
    if b"\0" not in content:
        return None
    for encoding in ("utf-32-le", "utf-32-be", "utf-16-le", "utf-16-be"):
        with suppress(UnicodeDecodeError):
            if "\0" not in (text := content.decode(encoding)) and text[:200].isascii():
                return _wide(encoding[:6].upper())
    if not content.strip(b"\0"):
        return "is no Python source: all its bytes are 0", "a copy of it may have been cut short"
    line = content.count(b"\n", 0, content.index(b"\0")) + 1
    return f"is no Python source: line {line} has a null byte", "a binary file, or a damaged one"


def _wide(encoding: str) -> tuple[str, ...]:
    return (
        f"is text in {encoding}, which Python does not read",
        "save it as UTF-8; > in Windows PowerShell writes UTF-16",
    )


def _encoded(content: bytes) -> tuple[str, ...] | None:
    """What is wrong with the encoding of a text."""
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
    except SyntaxError as error:
        if "unknown encoding" in str(error):
            return f"declares an encoding that Python does not have: {_last_word(error)}", _SAVE
        if content.startswith(codecs.BOM_UTF8):
            return "begins with the mark of UTF-8 and declares another encoding", _SAVE
        encoding = "utf-8"
    try:
        content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        name = "UTF-8" if encoding.startswith("utf-8") else encoding
        undeclared = f"declare its encoding in the first line, such as {_COMMENT}"
        what = f"is not {name}: the byte 0x{content[error.start]:02x} in line {line}"
        return what, f"save it as UTF-8, or {undeclared}"
    except LookupError:
        return f"declares the encoding {encoding}, which is none of texts", _SAVE
    return None


_SAVE = "save it as UTF-8, without a declaration of its encoding"


def _last_word(error: SyntaxError) -> str:
    return str(error).split()[-1]
