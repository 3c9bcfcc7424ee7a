"""The page of a rule: `docs/rules/CN101.md`, and what `cnnstat lint --explain CN101` prints."""

from __future__ import annotations

from collections.abc import Iterable
from textwrap import fill

from .registry import Rule

_WIDTH = 100


def page_of(rule: Rule) -> str:
    """The page of a rule, in Markdown."""
    page = rule.page
    optional = (
        f" It is only checked if selected: `--select {rule.code}`." if rule.is_optional else ""
    )
    parts = [
        f"# {rule.code} {rule.name}",
        _paragraph(f"Severity: {rule.severity}.{optional}"),
        "## What it finds", _paragraph(page.what),
        "## Why it matters", _paragraph(page.why),
        "## Example", _code(page.fires),
        "Without the finding:", _code(page.quiet),
        "## How it is decided", _paragraph(page.decided),
        "## When it is wrong", _paragraph(page.wrong),
        "## How to silence it",
        _paragraph(
            f"`# cnnstat: ignore[{rule.code}]` on the line where the layer is created or called, or"
            " on that of its class; `# cnnstat: ignore-file[…]` anywhere in the file; or in "
            "pyproject.toml:"
        ),
        f'```toml\n[tool.cnnstat.lint]\nignore = ["{rule.code}"]\n```',
    ]  # fmt: skip
    return "\n\n".join(parts) + "\n"


def index_of(rules: Iterable[Rule]) -> str:
    """The list of all rules, in Markdown."""
    rows = [
        f"| [{rule.code}]({rule.code}.md) | {rule.name} | {rule.severity}"
        f"{' (optional)' if rule.is_optional else ''} | {_first_sentence(rule.page.what)} |"
        for rule in sorted(rules, key=lambda rule: rule.code)
    ]
    head = ["| code | name | severity | what it finds |", "| --- | --- | --- | --- |"]
    return "\n".join(["# Rules of `cnnstat lint`", "", *head, *rows]) + "\n"


def _first_sentence(text: str) -> str:
    return text.partition(". ")[0].removesuffix(".") + "."


def _paragraph(text: str) -> str:
    return fill(text, _WIDTH, break_long_words=False, break_on_hyphens=False)


def _code(text: str) -> str:
    return f"```python\n{text.rstrip()}\n```"
