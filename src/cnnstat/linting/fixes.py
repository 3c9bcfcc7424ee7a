"""Changes of the source that mend a finding, each verified by a run with it."""

from __future__ import annotations

import linecache
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ..diagnosis.changes import NO_CHANGE, Change
from ..diagnosis.literals import Span
from ..diagnosis.source_text import Replacement, piece
from ..diagnosis.subjects import Subject, subject_of
from ..models.loaded import Loaded, Recorded
from .places import Places
from .registry import Edit, Plan


def verified(edits: Sequence[Edit], places: Places, loaded: Loaded | Recorded) -> bool:
    """Whether the model runs to its end with all of these changes."""
    if isinstance(loaded, Recorded):
        return False
    change = NO_CHANGE
    for edit in edits:
        planned = edit.change(places) if callable(edit.change) else edit.change
        if planned is None:
            return False
        change = change.and_then(planned)
    if change.settings:
        if loaded.mode is not None:
            return False
        return Subject(loaded, "eval").run(change).failure is None
    subject = subject_of(loaded, "eval")
    # the same text in several instances of a class, in files as the subject names them
    replacements = {_in_file_of(subject, replacement) for replacement in change.replacements}
    outcome = subject.run(Change(replacements=tuple(replacements)))
    is_changed = all(r.text in outcome.texts.get(r.span.file, "") for r in replacements)
    return bool(replacements) and is_changed and outcome.failure is None


def _in_file_of(subject: Subject, replacement: Replacement) -> Replacement:
    span, place = replacement.span, subject.place
    is_main = place.endswith(".py") and Path(place).resolve() == Path(span.file).resolve()
    return replace(replacement, span=replace(span, file=place)) if is_main else replacement


def in_module_list(owner: str, attribute: str, container: str) -> Plan:
    """Wrap the value of an attribute in `nn.ModuleList` or `nn.ModuleDict`."""

    def planned(places: Places) -> Change | None:
        span = places.value(owner, attribute)
        if span is None:
            return None
        nn = "nn" if re.search(r"^.*\bnn\b", _text(span.file), re.MULTILINE) else "torch.nn"
        value = piece(_text(span.file), span)
        return Change(replacements=(Replacement(span, f"{nn}.{container}({value})"),))

    return planned


def as_buffer(owner: str, attribute: str) -> Plan:
    """`self.register_buffer("name", value)` instead of `self.name = value`."""

    def planned(places: Places) -> Change | None:
        span, statement = places.value(owner, attribute), places.assigned(owner, attribute)
        if span is None or statement is None:
            return None
        value = piece(_text(span.file), span)
        text = f'self.register_buffer("{attribute}", {value})'
        statement_span = Span(span.file, statement.line, statement.column, statement.end_line,
                     statement.end_column)  # fmt: skip
        return Change(replacements=(Replacement(statement_span, text),))

    return planned


def with_argument(path: str, call: int, argument: str) -> Plan:
    """Pass a further keyword argument to the function of a call, if it has none of that name."""

    def planned(places: Places) -> Change | None:
        frame = next(iter(places.called(path, call)), None)
        if frame is None:
            return None
        span = Span(frame.file, frame.line, frame.column, frame.end_line, frame.end_column)
        text = piece(_text(frame.file), span)
        if not text.endswith(")") or argument.partition("=")[0] + "=" in text:
            return None
        return Change(replacements=(Replacement(span, f"{text[:-1]}, {argument})"),))

    return planned


def _text(file: str) -> str:
    return "".join(linecache.getlines(file))
