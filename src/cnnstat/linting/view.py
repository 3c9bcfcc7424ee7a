"""What is shown of a lint: each finding as rustc shows an error, then the sums."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from ..choices import SEVERITIES
from ..inputs import format_shape
from ..render.blocks import Block, Report, Text
from ..render.options import Options
from .folding import folded
from .results import Finding, Lint, SourceLine


def view(lint: Lint, options: Options) -> Report:
    """The report of a lint."""
    blocks: list[Block] = [Text(tuple(finding_lines(finding))) for finding in lint.findings]
    blocks.append(Text(tuple(summary_lines(lint))))
    return Report("", tuple(blocks))


def finding_lines(finding: Finding) -> Iterator[str]:
    """`file:line:col: error[CN101] unregistered-module: …`, the source, where, and a fix."""
    yield f"{place_of(finding)}: {headline(finding)}"
    margin = ""
    if finding.source is not None:
        margin = " " * len(str(finding.source.line))
        yield from _excerpt(finding.source, margin)
    yield from (f"{margin} = {text}" for text in details(finding))


def headline(finding: Finding) -> str:
    return f"{finding.severity}[{finding.code}] {finding.name}: {finding.message}"


def place_of(finding: Finding) -> str:
    source = finding.source
    return f"{source.file}:{source.line}:{source.column}" if source else finding.model


def details(finding: Finding) -> Iterator[str]:
    """Which layers, what else there is to know, and the fix."""
    where = folded(finding.paths)
    called = f", called from {finding.called_from}" if finding.called_from else ""
    if where or called:
        yield f"at {where or finding.class_name}{called}"
    yield from finding.remarks
    if finding.fix is not None:
        proof = "  ✓ traced to the end" if finding.fix.verified else ""
        yield f"fix: {finding.fix.text}{proof}"


def _excerpt(source: SourceLine, margin: str) -> Iterator[str]:
    carets = "^" * max(1, source.end_column - source.column)
    yield f"{margin} |"
    yield f"{source.line} | {source.text}"
    yield f"{margin} | {' ' * (source.column - 1)}{carets}"


def summary_lines(lint: Lint) -> Iterator[str]:
    """The number of findings, on what they are based, and what could not be decided."""
    counts = Counter(finding.severity for finding in lint.findings)
    by_severity = ", ".join(_counted(counts[s], s) for s in SEVERITIES if counts[s])
    total = _counted(len(lint.findings), "finding") if lint.findings else "no findings"
    inputs = " and ".join(
        ", ".join(format_shape(i.shape) for i in model.inputs) for model in lint.models
    )
    rules = _counted(len(lint.rules), "rule")
    yield f"{total}{f': {by_severity}' if by_severity else ''}. {rules} on {inputs}"
    reasons: dict[str, list[str]] = {}
    for rule in lint.undecided:
        reasons.setdefault(rule.reason, []).append(rule.code)
    for reason, codes in reasons.items():
        yield f"undecided: {', '.join(codes)} ({reason})"


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
