"""Fixes of findings: changes with which the model runs to its end and the finding is gone.

All changes are tried together; if that fails, in halves, so that those remain that work.
"""

from __future__ import annotations

import linecache
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from ..diagnosis.changes import NO_CHANGE, Change
from ..diagnosis.line_edits import line_edits
from ..diagnosis.results import LineEdit
from ..diagnosis.source_subject import subject_of
from ..diagnosis.source_text import Replacement, replaced
from ..diagnosis.subjects import quietly
from ..errors import NOT_OF_THE_MODEL
from ..models.loaded import Loaded, Recorded
from .folding import Group
from .places import Places, named_by
from .results import Repair
from .runs import NotRun, Runs
from .settings import SELF_CHECK, LintConfig

_MOST_RUNS = 16


@dataclass(frozen=True)
class Candidate:
    """A finding, and the change that should mend it."""

    group: Group
    change: Change


@dataclass(frozen=True)
class Fixes:
    """The verified changes, by the number of the finding; `together` are the lines of all."""

    repairs: Mapping[int, Repair]
    together: tuple[LineEdit, ...] = ()


def fixes_of(
    found: Sequence[Group], places: Places, loaded: Loaded | Recorded, config: LintConfig
) -> Fixes:
    """What mends each finding, and whether it was verified.

    A finding whose rule has nothing to suggest has no entry.
    """
    texts = {n: edits[0].text for n, group in enumerate(found) if (edits := group.edits)}
    candidates = {
        number: Candidate(found[number], change)
        for number in texts if (change := planned(found[number], found, places)) is not None
    }  # fmt: skip
    trial = None if isinstance(loaded, Recorded) else _Trial(loaded, config)
    chosen = [] if trial is None else trial.verified(list(candidates.values()))
    repairs = {
        number: Repair(
            text, verified := candidates.get(number) in chosen,
            edits_of(candidates[number].change.replacements) if verified else (),
        )
        for number, text in texts.items()
    }  # fmt: skip
    together = [r for candidate in chosen for r in candidate.change.replacements]
    return Fixes(repairs, edits_of(together))


def planned(group: Group, found: Sequence[Group], places: Places) -> Change | None:
    """The change of all hits of a finding; None if there is none for one of them."""
    paths = {path for other in found if other.rule is group.rule for path in other.paths}
    change = NO_CHANGE
    for edit in group.edits:
        part = None if edit.plan is None else edit.plan(places, paths)
        if part is None:
            return None
        change = change.and_then(part)
    # The same text in several instances of a class is one replacement.
    return replace(change, replacements=tuple(dict.fromkeys(change.replacements)))


class _Trial:
    """Runs of a model with changes, and the rules on these runs."""

    def __init__(self, loaded: Loaded, config: LintConfig) -> None:
        self.subject = subject_of(loaded, "eval")
        self.config = config
        self.runs = 0

    def verified(self, candidates: list[Candidate]) -> list[Candidate]:
        """Those that mend their findings, each alone and all together."""
        if not candidates or self.runs == _MOST_RUNS:
            return []
        if self._mends(candidates):
            return candidates
        if len(candidates) == 1:
            return []
        half = len(candidates) // 2
        first, second = self.verified(candidates[:half]), self.verified(candidates[half:])
        both = first + second
        return both if not (first and second) or self._mends(both) else first

    def _mends(self, candidates: Sequence[Candidate]) -> bool:
        """Whether the model runs with all changes, and the rules do not find the same again."""
        self.runs += 1
        change = NO_CHANGE
        for candidate in candidates:
            change = change.and_then(candidate.change)
        change = named_by(self.subject, change)
        if _overlap(change.replacements):
            return False
        try:
            with quietly(), self.subject.changed(change) as (loaded, texts):
                if any(r.span.file not in texts for r in change.replacements):
                    return False  # a file that is not loaded again
                runs = Runs(loaded, loss=self.config.loss, batch_axis=self.config.batch_axis)
                return runs.failure("eval") is None and not _remain(candidates, runs)
        except NOT_OF_THE_MODEL:
            raise
        except BaseException:  # the changed code may raise anything
            return False


def _remain(candidates: Sequence[Candidate], runs: Runs) -> bool:
    """Whether one of the findings is still there, or cannot be decided any more."""
    for rule in {c.group.rule.code: c.group.rule for c in candidates}.values():
        if rule.code == SELF_CHECK:  # the text of the comment has no effect on a run
            continue
        paths = {p for c in candidates if c.group.rule is rule for p in c.group.paths}
        try:
            if any(hit.path in paths for hit in rule.check(runs)):
                return True
        except NotRun:
            return True
    return False


def _overlap(replacements: Sequence[Replacement]) -> bool:
    spans = sorted(
        (r.span for r in replacements), key=lambda s: (s.file, s.line, s.column, s.end_line)
    )
    return any(
        a.file == b.file and (b.line, b.column) < (a.end_line, a.end_column)
        for a, b in pairwise(spans)
    )


def edits_of(replacements: Sequence[Replacement]) -> tuple[LineEdit, ...]:
    """The lines of files that replacements change."""
    files = dict.fromkeys(replacement.span.file for replacement in replacements)
    before = {file: "".join(linecache.getlines(file)) for file in files}
    after = {
        file: replaced(text, dict.fromkeys(r for r in replacements if r.span.file == file))
        for file, text in before.items()
    }
    return line_edits(before, after)
