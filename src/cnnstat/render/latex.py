r"""LaTeX: tables for `booktabs`, and derivations for `amsmath`.

`⌊(n − k) / s⌋` becomes `\left\lfloor \frac{n - k}{s} \right\rfloor`.
"""

from __future__ import annotations

import re

from tabulate import tabulate

from .blocks import Derivation, Line, Picture, Problem, Report, Text
from .markup import alignment, grid_of
from .text import render_blocks

SIGNS = {
    "×": r"\times", "→": r"\to", "²": "^2", "−": "-", "·": r"\cdot", "ᵀ": r"^{\mathsf T}",
    "⌊": r"\lfloor", "⌋": r"\rfloor", "⌈": r"\lceil", "⌉": r"\rceil", "≥": r"\ge",
    "≤": r"\le", "³": "^3",
}  # fmt: skip
"""Characters that LaTeX's text fonts lack, and their commands in mathematics."""

_FRACTION = re.compile(r"([⌊⌈])\((.*)\) / ([^⌊⌋⌈⌉()/]+)([⌋⌉])")
_SPECIAL = re.compile(r"[\\{}$&#%~^]")
_NAME = re.compile(r"\\frac|[A-Za-z]+(?:_[A-Za-z]+)?")


def latex(report: Report) -> str:
    r"""Tables for a document that loads `booktabs`; titles and texts are comments."""
    worked = any(isinstance(block, Derivation) for block in report.blocks)
    packages = "amsmath,booktabs" if worked else "booktabs"
    parts = [f"% {report.title} (needs \\usepackage{{{packages}}})"]
    for block in report.blocks:
        if isinstance(block, Text):
            parts.append("\n".join(f"% {line}" for line in block.lines))
        elif isinstance(block, Problem):
            text = render_blocks((block,), 98, False).rstrip("\n")
            parts.append("\n".join(f"% {line}" for line in text.split("\n")))
        elif isinstance(block, Derivation):
            parts.append(_aligned(block))
        elif not isinstance(block, Picture):
            grid = grid_of(block, str)
            body = tabulate(
                grid[1:], grid[0], tablefmt="latex_booktabs", disable_numparse=True,
                colalign=alignment(block),
            )  # fmt: skip
            for sign, command in SIGNS.items():
                body = body.replace(sign, f"${command}$")
            parts.append("\n".join(filter(None, [f"% {block.title}" if block.title else "", body])))
    return "\n\n".join(parts) + "\n"


def _aligned(derivation: Derivation) -> str:
    """The lines of a derivation in `align*`, with their = signs below one another."""
    if not derivation.lines:
        return f"% {derivation.title}: {derivation.value.text}"
    lines = " \\\\\n".join(_line(line, derivation.title) for line in derivation.lines)
    body = f"\\begin{{align*}}\n{lines}\n\\end{{align*}}"
    return f"% {derivation.title}: {derivation.value.text}\n{body}"


def _line(line: Line, title: str) -> str:
    parts = [part for part in (line.formula, line.numbers) if part is not None]
    if line.result.text not in parts:
        parts.append(line.result.text)
    remark = rf" \quad\text{{({_text(line.remark)})}}" if line.remark else ""
    equal = " \\\\\n&= ".join(_mathematics(part) for part in parts)
    return rf"\text{{{_text(line.name or title.lower())}}} &= {equal}{remark}"


def _mathematics(text: str) -> str:
    text = _SPECIAL.sub("?", text)  # no formula of ours has them
    text = _FRACTION.sub(r"\1\\frac{\2}{\3}\4", text)
    text = re.sub(r"(?<=\d),(?=\d{3})", "{,}", text)
    text = _NAME.sub(lambda match: _name(match[0]), text)
    for sign, command in _IN_MATHEMATICS.items():
        text = text.replace(sign, f"{command} ")
    return " ".join(text.split())


_IN_MATHEMATICS = SIGNS | {
    "⌊": r"\left\lfloor", "⌋": r"\right\rfloor", "⌈": r"\left\lceil", "⌉": r"\right\rceil",
}  # fmt: skip


def _name(word: str) -> str:
    """A single letter is in italics, a longer name upright; the part after _ is an index."""
    if word.startswith("\\"):
        return word
    name, _, index = word.partition("_")
    name = name if len(name) == 1 else rf"\mathrm{{{name}}}"
    return f"{name}_{{{_name(index)}}}" if index else name


def _text(text: str) -> str:
    text = "".join(_IN_TEXT.get(character, character) for character in text)
    for sign, command in SIGNS.items():
        text = text.replace(sign, f"${command}$")
    return text


_IN_TEXT = {
    "\\": r"$\backslash$", "^": r"\^{}", "~": r"\~{}", **{c: rf"\{c}" for c in "_%&#{}$"},
}  # fmt: skip
