"""What is shown of a lint: each finding as a problem with its source, then the sums."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from operator import attrgetter
from typing import Any

from ..choices import SEVERITIES
from ..diagnosis.view import changed_lines
from ..inputs import format_shape
from ..render.blocks import Block, Excerpt, Problem, Remedy, Report, Text
from ..render.data import Data, data_table
from ..render.options import Options
from .results import Finding, Lint, SourceLine

_TAB = 4


def view(lint: Lint, options: Options) -> Report:
    """The report of a lint."""
    several = len(lint.models) > 1
    blocks: list[Block] = [problem_of(finding, several) for finding in lint.findings]
    blocks.append(Text(tuple(_summary(lint))))
    return Report("", tuple(blocks))


def problem_of(finding: Finding, several: bool = False) -> Problem:
    """A finding as a report shows it; `several`: whether the report is on several models."""
    notes = tuple(_where(finding, several))
    placed = finding.source is not None
    return Problem(
        headline=finding.message,
        excerpt=_excerpt(finding.source) if finding.source else None,
        unplaced="" if placed or notes else f"in {finding.model}",
        notes=(*notes, *finding.remarks),
        remedies=() if finding.fix is None else (_remedy(finding),),
        level=finding.severity,
        rule=(finding.code, finding.name),
        identity=finding.identity,
    )


def _where(finding: Finding, several: bool) -> Iterator[str]:
    """The layers or calls, unless the line of source says it, and where they are called."""
    is_clear = finding.where in ("", finding.attribute if finding.source else "")
    called = f"called from {finding.called_from}" if finding.called_from else ""
    at = "" if is_clear else f"at {finding.where}"
    model = f"in {finding.model}" if several or finding.source is None else ""
    if parts := [part for part in (at, called, model) if part]:
        yield ", ".join(parts)


def _excerpt(source: SourceLine) -> Excerpt:
    # tabs as spaces, with the columns moved
    before = source.text[: source.column - 1].expandtabs(_TAB)
    marked = source.text[: source.end_column - 1].expandtabs(_TAB)
    return Excerpt(source.file, source.line, source.column, "", source.text.expandtabs(_TAB),
                   len(before), len(marked))  # fmt: skip


def _remedy(finding: Finding) -> Remedy:
    assert finding.fix is not None
    proof = "✓ traced to the end" if finding.fix.verified else ""
    label = "fix" if finding.fix.verified else "help"
    return Remedy(label, (finding.fix.text,), tuple(changed_lines(finding.fix.edits)), proof)


def _summary(lint: Lint) -> Iterator[str]:
    """The number of findings, what they are based on, and what could not be decided."""
    counts = Counter(finding.severity for finding in lint.findings)
    by_severity = ", ".join(_counted(counts[s], s) for s in SEVERITIES if counts[s])
    total = _counted(len(lint.findings), "finding") if lint.findings else "no findings"
    left_out = [
        _counted(number, noun) for number, noun in
        ((lint.ignored, "ignored"), (lint.known, "in the baseline")) if number
    ]  # fmt: skip
    fixes = sum(bool(finding.fix and finding.fix.edits) for finding in lint.findings)
    if fixes:
        left_out.append(f"--fix mends {fixes:,}")
    yield "; ".join([f"{total}: {by_severity}" if by_severity else total, *left_out])
    rules = _counted(len(lint.rules), "rule")
    for linted in lint.models:
        shapes = ", ".join(
            (f"{i.name}=" if i.name else "") + format_shape(i.shape) for i in linted.inputs
        )
        yield f"{linted.model.spec}: {rules}{f' on {shapes}' if shapes else ''}"
    reasons: dict[str, list[str]] = {}
    for rule in lint.undecided:
        model = f"{rule.model}, " if len(lint.models) > 1 else ""
        reasons.setdefault(model + rule.reason, []).append(rule.code)
    for reason, codes in reasons.items():
        yield f"undecided: {', '.join(codes)} ({reason})"


def _counted(number: int, noun: str) -> str:
    plural = noun in ("finding", "error", "warning", "hint", "rule") and number != 1
    return f"{number:,} {noun}{'s' if plural else ''}"


def data(lint: Lint, options: Options) -> Data:
    """A row per finding."""

    def from_source(name: str) -> Callable[[Finding], Any]:
        return lambda finding: getattr(finding.source, name) if finding.source else None

    columns: dict[str, Callable[[Finding], Any]] = {
        "severity": attrgetter("severity"),
        "code": attrgetter("code"),
        "name": attrgetter("name"),
        "message": attrgetter("message"),
        "model": attrgetter("model"),
        "layers": lambda finding: " ".join(finding.paths),
        "class": attrgetter("class_name"),
        "attribute": attrgetter("attribute"),
        "params": attrgetter("params"),
        "macs": attrgetter("macs"),
        **{name: from_source(name) for name in ("file", "line", "column")},
        "fix": lambda finding: finding.fix.text if finding.fix else None,
        "verified": lambda finding: finding.fix.verified if finding.fix else None,
        "identity": attrgetter("identity"),
    }
    return data_table(columns, lint.findings)
