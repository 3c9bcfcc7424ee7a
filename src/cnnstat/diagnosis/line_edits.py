"""The lines of files that a fix changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher

from ..tracing.places import shown_path
from .results import LineEdit
from .source_text import lines_of


def line_edits(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[LineEdit, ...]:
    """The difference of sources, by file; none for files that only one side has."""
    return tuple(
        edit
        for file, text in before.items()
        if file in after and after[file] != text
        for edit in _of_file(shown_path(file), _bare(text), _bare(after[file]))
    )


def _bare(text: str) -> list[str]:
    return [line.rstrip("\r\n") for line in lines_of(text)]


def _of_file(file: str, old: list[str], new: list[str]) -> Iterator[LineEdit]:
    matcher = SequenceMatcher(None, old, new, autojunk=False)
    for kind, first, end, new_first, new_end in matcher.get_opcodes():
        if kind == "replace" and end - first == new_end - new_first:
            for place in range(end - first):
                pair = old[first + place], new[new_first + place]
                if pair[0] != pair[1]:
                    yield LineEdit(file, first + place + 1, pair[:1], pair[1:])
        elif kind != "equal":
            yield LineEdit(file, first + 1, tuple(old[first:end]), tuple(new[new_first:new_end]))


def with_edits(text: str, edits: Sequence[LineEdit]) -> str | None:
    """The text with the edits of its file, whose line ends it keeps; None if it has other lines."""
    lines = lines_of(text)
    ends = [line[len(line.rstrip("\r\n")) :] for line in lines[:-1]]
    usual = max(set(ends), key=ends.count) if ends else "\n"
    for edit in sorted(edits, key=lambda edit: edit.line, reverse=True):
        first, end = edit.line - 1, edit.line - 1 + len(edit.before)
        old = lines[first:end]
        if [line.rstrip("\r\n") for line in old] != list(edit.before):
            return None
        new = [line + usual for line in edit.after]
        if old and new:  # the last line of a file may have no end
            new[-1] = edit.after[-1] + old[-1][len(old[-1].rstrip("\r\n")) :]
        lines[first:end] = new
    return "".join(lines)
