"""LaTeX that compiles without a touch, with pdfLaTeX and LuaLaTeX, on pages that it fits."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from torch import nn

import cnnstat
from cnnstat.errors import UsageError
from cnnstat.render import Options, render
from cnnstat.render.blocks import Cell, Column, Facts, Report, Row, Table, table
from cnnstat.render.latex import latex
from cnnstat.render.latex_text import text, width_of
from tests.render.test_data import TABLES, result

HOSTILE = [
    r"\write18{rm}", r"\end{document}", "100%", "#1~^", "[x]", "*y", "Größe", "卷积层", '$x$ & "q"',
    "слой", "--a,,b", "\u03b1→β", "a" * 80, "`t`|<>", "ą ę ð", "'quoted'", "✓ ½ £ €",
    "\u202e\x1b[31m",
]  # fmt: skip
PREAMBLE = r"""\documentclass{article}
%s
\begin{document}
%s
\end{document}
"""


def packages_of(fragment: str) -> str:
    """The line of the preamble that the fragment's first lines name."""
    return "\n".join(re.findall(r"^% needs (\\usepackage{.*})$", fragment, re.MULTILINE))


def named(*names: str) -> nn.Sequential:
    net = nn.Sequential()
    net._modules.update({name: nn.Linear(4, 4) for name in names})  # a dot is no name of PyTorch's
    return net


@pytest.fixture(scope="module")
def fragments() -> list[str]:
    """Every kind of report; a table over several pages, a wide one, and hostile names."""
    all_columns = (
        "type", "role", "input", "output", "kernel", "padding", "receptive-field", "stride",
        "params", "params-share", "macs", "macs-share", "other-ops", "activation",
    )  # fmt: skip
    hostile = cnnstat.analyze(named(*HOSTILE), (1, 4))
    analysis = cnnstat.analyze("residual-mnist")
    return [
        *(render(result(kind), "latex", Options(label=f"tab:{kind}")).text for kind in TABLES),
        render(cnnstat.analyze("resnet34"), "latex").text,
        render(analysis, "latex", Options(columns=all_columns)).text,
        render(hostile, "latex", Options(caption=" ".join(HOSTILE))).text,
        render(cnnstat.compare("nin", "alexnet", "vgg11", "resnet18"), "latex").text,
    ]


@pytest.mark.parametrize(
    ("engine", "encoding"), [("pdflatex", ""), ("pdflatex", "T1"), ("lualatex", "")]
)
def test_it_compiles(engine: str, encoding: str, fragments: list[str], tmp_path: Path) -> None:
    if shutil.which(engine) is None or not _has_packages():
        pytest.skip(f"{engine} is not installed, or lacks booktabs or siunitx")
    preamble = "\n".join(sorted({packages_of(fragment) for fragment in fragments}))
    if encoding:
        preamble += rf"\usepackage[{encoding}]{{fontenc}}"
    document = PREAMBLE % (preamble, "\n\\clearpage\n".join(fragments))
    (tmp_path / "t.tex").write_text(document, encoding="utf-8")
    command = [engine, "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "t.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False, timeout=120)
    log = (tmp_path / "t.log").read_text(encoding="utf-8", errors="replace")
    errors = [line for line in log.splitlines() if line.startswith("!")]
    assert (done.returncode, errors) == (0, [])
    overfull = re.findall(r"Overfull \\hbox \((\d+)", log)
    assert [width for width in overfull if int(width) > 5] == []


def _has_packages() -> bool:
    files = ["siunitx.sty", "booktabs.sty", "pdflscape.sty"]
    found = subprocess.run(["kpsewhich", *files], capture_output=True, text=True, check=False)
    return len(found.stdout.split()) == 3


# ---------------------------------------------------------------- tables


def of(*rows: Any, title: str = "", **options: Any) -> str:
    columns = (
        Column("layer", "Layer", False), Column("params", "Params"), Column("share", "%", True, 1),
    )  # fmt: skip
    cells = [[Cell(n), Cell(p, "count"), Cell(s, "share")] for n, p, s in rows]
    return latex(Report("net on 1×3", (table(columns, cells, title),)), **options)


def test_numbers_are_aligned_by_siunitx() -> None:
    assert (
        of(("conv", 34848, 0.936), ("relu", 0, None))
        == r"""% net on 1×3
% needs \usepackage{booktabs,siunitx}

\begin{table}[htbp]
\centering
\caption{net on 1$\times$3}
\small
\setlength{\tabcolsep}{4pt}
\sisetup{group-separator={,},group-minimum-digits=4,input-ignore={,},input-decimal-markers={.},retain-explicit-plus}
\begin{tabular}{@{}lS[table-format=5.0]S[table-format=2.1]@{}}
\toprule
Layer & {Params} & {\%} \\
\midrule
conv & 34,848 & 93.6 \\
relu & {\textendash{}} & {\textendash{}} \\
\bottomrule
\end{tabular}
\end{table}
"""
    )


def test_caption_and_label() -> None:
    both = of(("a", 1, 0.5), title="Layers", caption="100% of a_b", label="tab:a-b")
    assert "\\caption{100\\% of a\\_b}\n\\label{tab:a-b}\n" in both
    assert r"\caption{Layers}" in of(("a", 1, 0.5), title="Layers")
    assert r"\caption" not in of(("a", 1, 0.5), caption="")
    with pytest.raises(UsageError, match="characters"):
        of(("a", 1, 0.5), label="a}b")
    facts = Facts((("Parameters", Cell(1, "count")),))
    two = latex(Report("r", (facts, facts)), "First", "t")
    assert two.index(r"\caption{First}") < two.index(r"\caption{r}") < two.index(r"\label{t-2}")


def test_trees_are_indented_and_long_tables_continue() -> None:
    rows = tuple(Row((Cell(f"l{i}"),), depth=i % 2) for i in range(60))
    tree = Table((Column("layer", "Layer", False),), rows, tree=True)
    fragment = latex(Report("r", (tree,)))
    assert "\nl0 \\\\\n\\hspace*{1em}l1 \\\\\n" in fragment
    assert packages_of(fragment) == r"\usepackage{booktabs,longtable}"
    assert fragment.count("Layer \\\\") == 2  # on the first page, and on the others


def test_a_table_without_rows_has_its_head() -> None:
    columns = (Column("stage", "Stage", False, merged=True), Column("macs", "MACs"))
    fragment = latex(Report("r", (Table(columns, ()),)))
    assert "Stage & MACs \\\\\n\\midrule\n\\bottomrule" in fragment


def test_a_wide_table_loses_columns_unless_they_were_asked_for() -> None:
    wide = "x" * 90
    assert "Params" in of((wide, 1, 0.5))
    assert r"{\%}" not in of((wide, 1, 0.5))
    kept = of((wide, 1, 0.5), all_columns=True)
    assert r"{\%}" in kept
    assert r"p{0." in kept  # its names are wrapped
    assert r"\allowbreak{}" in kept


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from cnnstat.cli.main import run

    file = tmp_path / "t.tex"
    line = ["shapes", "lenet", "-c", "params,macs", "-o", str(file), "--caption", "A & B"]
    assert run([*line, "--label", "tab:x"]) == 0
    written = file.read_text()
    assert "\\caption{A \\& B}\n\\label{tab:x}\n" in written
    assert "Layer & {Params} & {MACs} \\\\" in written
    capsys.readouterr()
    assert run(["compare", "nin", "lenet", "--caption", "x"]) == 2
    assert "--caption" in (error := capsys.readouterr().err)
    assert "--format latex" in error
    assert run(["list", "-f", "latex", "--label", "a b"]) == 2


# ---------------------------------------------------------------- text


@pytest.mark.parametrize(
    ("plain", "escaped"),
    [
        ("a_b & 5% {#}", r"a\_b \& 5\% \{\#\}"),
        ("\\", r"\textbackslash{}"),
        ("a|b<c>", r"a\textbar{}b\textless{}c\textgreater{}"),
        ("--x---y", "-{}-x-{}-{}-y"),
        ("Conv2d 3×3", r"Conv2d 3$\times$3"),
        ("Größe é", "Größe é"),
        ("卷", r"\cnnstatchar{5377}{卷}"),
        ("[a]*", "{[}a{]}{*}"),
    ],
)
def test_text(plain: str, escaped: str) -> None:
    assert text(plain) == escaped


def test_widths_are_in_digits() -> None:
    assert [width_of(plain) for plain in ("128", "3×3", "卷")] == [3, 3.5, 6.5]
