"""The view of a diagnosis: the layers up to the first error, then each error with its fixes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Literal

from ..analysis.layer_data import layer_data
from ..analysis.layer_table import layer_table
from ..analysis.results import Layer
from ..analysis.roles import HIDDEN
from ..errors import short_path
from ..inputs import format_shape
from ..render.blocks import Block, ChangedLine, Excerpt, Problem, Remedy, Report
from ..render.data import Data
from ..render.options import Options
from .results import Diagnosis, Fault, Fix, LineEdit, Place

_TAB = 4
_LONGEST_DIFF = 16
_SIGNS: tuple[Literal["-", "+"], ...] = ("-", "+")
_HEADLINES = {
    "shapes": "shapes don't fit at", "dtypes": "dtypes don't fit at", "model": "the model fails at",
    "construction": "the model cannot be built:", "import": "the file cannot be imported:",
}  # fmt: skip


def view(diagnosis: Diagnosis, options: Options) -> Report:
    """The report of a diagnosis.

    Raises:
        UsageError: a column or sort key is unknown.
    """
    inputs = ", ".join(
        (f"{i.name}=" if i.name else "") + format_shape(i.shape) for i in diagnosis.inputs
    )
    blocks: list[Block] = []
    if len(diagnosis.layers) > 1:  # more than the model itself
        blocks.append(_layers(diagnosis.layers, options))
    blocks += [problem_of(fault) for fault in diagnosis.errors]
    title = diagnosis.model.spec + (f" on {inputs}" if inputs else "")
    return Report(title, tuple(blocks))


def _layers(layers: tuple[Layer, ...], options: Options) -> Block:
    """The table, with the functions of pure layout that change a shape: an error may follow."""
    if options.ops == "auto":
        layers = tuple(
            x for x in layers
            if x.kind == "module" or x.type not in HIDDEN or x.inputs[:1] != x.outputs[:1]
        )  # fmt: skip
        options = replace(options, ops="all")
    return layer_table(layers, None, options)


def problem_of(fault: Fault) -> Problem:
    """An error as a report shows it."""
    created = f"created at {fault.source}" if fault.called_from and fault.source else ""
    return Problem(
        headline=fault.headline or f"{_HEADLINES[fault.what]} {_name(fault)}",
        excerpt=None if fault.place is None else _excerpt(fault.place, created),
        unplaced=f"at {fault.called_from or fault.source}" if fault.source else "",
        notes=fault.explanation,
        remedies=tuple(_remedy(fix, fault, number) for number, fix in enumerate(fault.fixes)),
    )


def _name(fault: Fault) -> str:
    if fault.what in ("construction", "import"):
        return fault.type
    if not fault.type[:1].isupper() and not fault.config:
        return f"{short_path(fault.path)}()"
    kind = f"{fault.type} {fault.config}".rstrip()
    return f"{short_path(fault.path)} ({kind})" if fault.path else kind


def _excerpt(place: Place, further: str) -> Excerpt:
    # tabs as spaces, with the columns moved
    before = place.text[: place.column - 1].expandtabs(_TAB)
    end = place.end_column - 1 if place.end_line == place.line else len(place.text)
    marked = place.text[:end].expandtabs(_TAB)
    return Excerpt(
        place.file, place.line, place.column, further, place.text.expandtabs(_TAB),
        len(before), len(marked),
    )  # fmt: skip


def _remedy(fix: Fix, fault: Fault, number: int) -> Remedy:
    proof = f"✓ traced to the end, output {_output(fix)}"
    label = "or" if number else "fix"
    if _needschanged_lines(fix):
        files = ", ".join(dict.fromkeys(edit.file for edit in fix.edits))
        return Remedy(label, (f"{files}:",), tuple(changed_lines(fix.edits)), proof)
    elsewhere = f" at {fix.source}" if fix.source and fix.source != fault.source else ""
    if not fix.instead_of:
        return Remedy(label, (fix.edit + elsewhere,), (), proof)
    return Remedy(label, (fix.edit, f"instead of {fix.instead_of}{elsewhere}"), (), proof)


def _needschanged_lines(fix: Fix) -> bool:
    """Whether it changes or spans several lines, inserts or deletes some, or only indents them."""
    if fix.source is None:
        return False
    return (
        bool(fix.also)
        or len(fix.edits) > 1
        or not fix.edit.strip()
        or "\n" in fix.edit + (fix.instead_of or "")
        or any((len(edit.before), len(edit.after)) != (1, 1) for edit in fix.edits)
    )


def changed_lines(edits: tuple[LineEdit, ...]) -> Iterator[ChangedLine]:
    """The lines that change, without the indentation that all have, as a diff shows them."""
    texts = [text for edit in edits for text in (*edit.before, *edit.after) if text.strip()]
    indent = min((len(text) - len(text.lstrip()) for text in texts), default=0)
    lines = [
        ChangedLine(edit.line + offset, sign, text[indent:].expandtabs(_TAB))
        for group in _adjacent(edits)
        for sign in _SIGNS
        for edit in group
        for offset, text in enumerate(edit.before if sign == "-" else edit.after)
    ]
    yield from lines[:_LONGEST_DIFF]
    if len(lines) > _LONGEST_DIFF:
        more = len(lines) - _LONGEST_DIFF
        yield ChangedLine(lines[_LONGEST_DIFF].line, " ", f"… {more} further lines")


def _adjacent(edits: tuple[LineEdit, ...]) -> Iterator[list[LineEdit]]:
    """The edits in groups whose lines follow one another in a file."""
    group: list[LineEdit] = []
    for edit in edits:
        if group:
            last = group[-1]
            if (edit.file, edit.line) != (last.file, last.line + len(last.before)):
                yield group
                group = []
        group.append(edit)
    yield group


def _output(fix: Fix) -> str:
    return ", ".join(format_shape(shape) for shape in fix.output) or "none"


def data(diagnosis: Diagnosis, options: Options) -> Data:
    """The layers that ran before the failure."""
    layers = diagnosis.layers
    return layer_data(layers, None, options) if len(layers) > 1 else layer_data((), None, options)
