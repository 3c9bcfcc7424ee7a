"""Problems as SARIF 2.1.0, which code scanning of GitHub and editors read."""

from __future__ import annotations

import json
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from ..version import __version__
from .blocks import Excerpt, Problem, Report
from .problems import plain_lines

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVELS = {"error": "error", "warning": "warning", "hint": "note"}


def sarif(report: Report) -> str:
    """The problems of a report, as one run; the files are relative to the working directory."""
    problems = [block for block in report.blocks if isinstance(block, Problem) and block.rule]
    rules = {block.rule[0]: block.rule[1] for block in problems if block.rule}
    driver = {
        "name": "cnnstat", "version": __version__,
        "rules": [
            {
                "id": code, "name": name, "shortDescription": {"text": name},
                "help": {"text": f"cnnstat lint --explain {code}"},
            }
            for code, name in sorted(rules.items())
        ],
    }  # fmt: skip
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_result(problem, sorted(rules)) for problem in problems],
    }
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"


def _result(problem: Problem, rules: list[str]) -> dict[str, Any]:
    assert problem.rule is not None
    lines = [problem.headline, *plain_lines(problem, with_excerpt=False)]
    result: dict[str, Any] = {
        "ruleId": problem.rule[0], "ruleIndex": rules.index(problem.rule[0]),
        "level": _LEVELS[problem.level], "message": {"text": "\n".join(lines)},
        "partialFingerprints": {"cnnstat/v1": problem.identity},
    }  # fmt: skip
    if problem.excerpt is not None:
        result["locations"] = [_location(problem.excerpt)]
    return result


def _location(excerpt: Excerpt) -> dict[str, Any]:
    length = max(1, excerpt.end - excerpt.first)
    path = PurePath(excerpt.file)
    uri = path.as_uri() if path.is_absolute() else quote(path.as_posix())
    return {
        "physicalLocation": {
            "artifactLocation": {"uri": uri},
            "region": {
                "startLine": excerpt.line, "startColumn": excerpt.column,
                "endColumn": excerpt.column + length,
            },
        }
    }  # fmt: skip
