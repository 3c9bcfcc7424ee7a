r"""Text and formulas for LaTeX: pdfLaTeX, XeLaTeX and LuaLaTeX, in any encoding of fonts.

`⌊(n − k) / s⌋` becomes `\left\lfloor \frac{n - k}{s} \right\rfloor`.
"""

from __future__ import annotations

import re
import unicodedata

_LOWER = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau "
    "upsilon varphi chi psi omega"
)
_UPPER = "Gamma Delta Theta Lambda Xi Pi Sigma Phi Psi Omega"
SIGNS = {
    "×": r"\times", "→": r"\to", "²": "^2", "−": "-", "·": r"\cdot", "ᵀ": r"^{\mathsf T}",
    "⌊": r"\lfloor", "⌋": r"\rfloor", "⌈": r"\lceil", "⌉": r"\rceil", "≥": r"\ge",
    "≤": r"\le", "³": "^3", "±": r"\pm", "≠": r"\ne", "µ": r"\mu", "∞": r"\infty", "≈": r"\approx",
    **{c: rf"\{name}" for c, name in zip("αβγδεζηθικλμνξπρστυφχψω", _LOWER.split(), strict=True)},
    **{c: rf"\{name}" for c, name in zip("ΓΔΘΛΞΠΣΦΨΩ", _UPPER.split(), strict=True)},
}  # fmt: skip
"""Characters that LaTeX's text fonts lack, and their commands in mathematics."""

_IN_TEXT = {
    "\\": r"\textbackslash{}", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}",
    "|": r"\textbar{}", "<": r"\textless{}", ">": r"\textgreater{}", "`": r"\textasciigrave{}",
    # a shorthand of babel in some languages; after \\ the others begin an argument
    '"': r"{\char34}", "[": "{[}", "]": "{]}", "*": "{*}",
    "–": r"\textendash{}", "—": r"\textemdash{}", "…": r"\ldots{}", "“": "``", "”": "''",
    "\u2018": r"\textquoteleft{}", "\u2019": "'", "•": r"\textbullet{}", "\u00a0": "~", "✓": "ok",
    **{c: rf"\{c}" for c in "_%&#{}$"},
    **{sign: f"${command}$" for sign, command in SIGNS.items()},
}  # fmt: skip
_IN_T1 = frozenset("«»ÐÞðþĐđŊŋ„\u2039\u203a\u201a")
_OGONEK = "\u0328"
_LATIN = frozenset(map(chr, [*range(0x20, 0x7F), *range(0xC0, 0x100)])) - frozenset("ÐðÞþ×÷")
_LIGATURE = re.compile(r"([-,])(?=\1)")  # two are another character in some fonts
_WORD = re.compile(r"\S{13,}")

CHARACTER = r"""% a character that the font may lack: its number in the place of it
\ifdefined\cnnstatchar\else
  \DeclareRobustCommand\cnnstatchar[2]{%
    \ifdefined\Umathchar\iffontchar\font"#1 #2\else\texttt{U+#1}\fi
    \else\ifcsname u8:\detokenize{#2}\endcsname#2\else\texttt{U+#1}\fi\fi}
\fi"""


def text(plain: str, breakable: bool = False) -> str:
    """A text, with its special characters escaped; `breakable`: long words may be broken.

    Letters beyond Latin need the definition `CHARACTER`.
    """
    if not breakable:
        return _LIGATURE.sub(r"\1{}", "".join(map(_character, plain)))
    parts = _WORD.sub(_in_pieces, plain).split("\0")
    return r"\allowbreak{}".join(text(part) for part in parts)


def _in_pieces(word: re.Match[str]) -> str:
    """The word with marks where it may be broken: after `.`, `_`, `/`, or where it is long."""
    return "\0".join(re.findall(r"[^._/]{1,12}[._/]?|[._/]", word[0]))


def _character(character: str) -> str:
    if character in _IN_TEXT:
        return _IN_TEXT[character]
    if character in _LATIN:
        return character
    number = f"{ord(character):04X}"
    # pdfLaTeX has these in the encoding T1 alone, and fails in others
    if character in _IN_T1 or _OGONEK in unicodedata.normalize("NFD", character):
        character = rf"\detokenize{{{character}}}"
    return rf"\cnnstatchar{{{number}}}{{{character}}}"


def width_of(plain: str) -> float:
    """The width of a text, in digits; of a letter beyond Latin that of its number."""
    return sum(1 if c in _LATIN else 1.5 if c in _IN_TEXT else 6.5 for c in plain)


# ---------------------------------------------------------------- formulas

_FRACTION = re.compile(r"([⌊⌈])\((.*)\) / ([^⌊⌋⌈⌉()/]+)([⌋⌉])")
_SPECIAL = re.compile(r"[\\{}$&#%~^]")
_NAME = re.compile(r"\\frac|[A-Za-z]+(?:_[A-Za-z]+)?")


def mathematics(formula: str) -> str:
    """A formula of `explain`."""
    formula = _SPECIAL.sub("?", formula)  # no formula of ours has them
    formula = _FRACTION.sub(r"\1\\frac{\2}{\3}\4", formula)
    formula = re.sub(r"(?<=\d),(?=\d{3})", "{,}", formula)
    formula = _NAME.sub(lambda match: _name(match[0]), formula)
    for sign, command in _IN_MATHEMATICS.items():
        formula = formula.replace(sign, f"{command} ")
    return " ".join(formula.split())


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
