"""The models of packages at the versions with which cnnstat was tested: known without the packages.

`shipped/timm.tsv` and its siblings have a row per model: name, input, parameters, module, summary.
`make reports` writes them. Nothing here imports torch.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).parent / "shipped"


class Row(NamedTuple):
    """A model of a package; `input` and `params` are None where listing them needs the model."""

    name: str
    input: tuple[int, ...] | None
    params: int | None
    module: str
    summary: str


def shipped_names(source: str) -> tuple[str, ...]:
    """The names of a source's models, without its prefix; empty for a source without a file."""
    return tuple(line.partition("\t")[0] for line in _lines(source)[1:])


def shipped_rows(source: str) -> Iterator[Row]:
    for line in _lines(source)[1:]:
        name, sizes, params, module, summary = line.split("\t")
        shape = tuple(map(int, sizes.split("x"))) if sizes else None
        yield Row(name, shape, int(params) if params else None, module, summary)


def shipped_version(source: str) -> str:
    """The version of the package that the rows are of; empty without a file."""
    return "".join(_lines(source)[:1])


def shipped_layers(name: str) -> tuple[str, ...]:
    """The paths of the layers of a built-in network; empty for any other name."""
    rows = (line.split("\t") for line in _lines("layers"))
    return next((tuple(paths) for network, *paths in rows if network == name), ())


@cache
def _lines(source: str) -> tuple[str, ...]:
    try:
        return tuple((FOLDER / f"{source}.tsv").read_text(encoding="utf-8").splitlines())
    except OSError:
        return ()


def text_of(version: str, rows: list[Row]) -> str:
    """The content of a file: the version, then the rows."""
    lines = [
        "\t".join([r.name, "x".join(map(str, r.input or ())), str(r.params or ""), r.module,
                   r.summary])
        for r in rows
    ]  # fmt: skip
    return "".join(f"{line}\n" for line in [version, *lines])
