"""Comments that silence rules: `# cnnstat: ignore[CN301]` on a line, `ignore-file[CN3]` anywhere.

On a line they silence findings about what the line creates or calls; on `class …:` those about the
whole class.
"""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from ..input_files import read_source
from ..trace.records import Frame

_COMMENT = re.compile(r"#\s*cnnstat:\s*ignore(?P<file>-file)?\s*(\[(?P<codes>[^\]]*)\])?")


@dataclass
class Comment:
    """A comment that silences rules; `used` are the codes of it that silenced a finding."""

    frame: Frame
    codes: tuple[str, ...]
    is_for_file: bool
    used: set[str] = field(default_factory=set)

    def silences(self, code: str, frames: Iterable[Frame]) -> bool:
        """Whether it silences a rule at one of these places; notes that it did."""
        found = [prefix for prefix in self.codes if code.startswith(prefix)]
        if not found or not any(self._is_at(frame) for frame in frames):
            return False
        self.used.update(found)
        return True

    def _is_at(self, frame: Frame) -> bool:
        same = frame.file == self.frame.file
        within = frame.line <= self.frame.line <= max(frame.line, frame.end_line)
        return same and (self.is_for_file or within)


def comments_in(files: Iterable[str]) -> list[Comment]:
    """The comments of these files."""
    return [comment for file in files for comment in _comments_in(file)]


def _comments_in(file: str) -> Iterator[Comment]:
    try:
        text = read_source(file).text
        if "cnnstat:" not in text:
            return
        tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
    except (OSError, ValueError, SyntaxError, tokenize.TokenError):
        return
    for token in tokens:
        if token.type == tokenize.COMMENT and (match := _COMMENT.match(token.string)):
            line, column = token.start
            start = len(token.line[:column].encode())
            frame = Frame(file, "", line, start, line, start + len(match[0].encode()))
            codes = tuple(
                code.strip() for code in (match["codes"] or "").split(",") if code.strip()
            )
            yield Comment(frame, codes, match["file"] is not None)
