"""Problems as annotations of GitHub's workflows: `::error file=net.py,line=14,col=9,title=…::…`."""

from __future__ import annotations

from .blocks import Problem, Report
from .problems import plain_lines

_IN_MESSAGE = {"%": "%25", "\r": "%0D", "\n": "%0A"}
_IN_PROPERTY = {**_IN_MESSAGE, ":": "%3A", ",": "%2C"}
_COMMANDS = {"error": "error", "warning": "warning", "hint": "notice"}


def workflow_commands(report: Report) -> str:
    """A line for each problem; the files are relative to the working directory."""
    return "".join(_annotation(b) for b in report.blocks if isinstance(b, Problem))


def _annotation(problem: Problem) -> str:
    title = problem.headline if problem.rule is None else " ".join(problem.rule)
    properties = {"title": title}
    if problem.excerpt is not None:
        excerpt = problem.excerpt
        properties = {
            "file": excerpt.file, "line": str(excerpt.line), "col": str(excerpt.column),
            "endColumn": str(excerpt.column + max(1, excerpt.end - excerpt.first)), **properties,
        }  # fmt: skip
    shown = ",".join(f"{name}={_escaped(text, _IN_PROPERTY)}" for name, text in properties.items())
    lines = plain_lines(problem, with_excerpt=False)
    if problem.rule is not None:
        lines = [problem.headline, *lines]
    return f"::{_COMMANDS[problem.level]} {shown}::{_escaped(chr(10).join(lines), _IN_MESSAGE)}\n"


def _escaped(text: str, signs: dict[str, str]) -> str:
    return "".join(signs.get(character, character) for character in text)
