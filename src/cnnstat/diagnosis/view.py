"""The view of a diagnosis: the layers up to the first error, then each error with its fixes."""

from __future__ import annotations

from collections.abc import Iterator

from ..analysis.layer_table import layer_table
from ..inputs import format_shape
from ..render.blocks import Block, Report, Text
from ..render.options import Options
from .results import Diagnosis, Edit, Fault, Fix

_WIDTH = 80
_HEADLINES = {
    "shapes": "shapes don't fit at", "dtypes": "dtypes don't fit at", "model": "the model fails at",
    "construction": "the model cannot be built:",
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
    if diagnosis.layers:
        blocks.append(layer_table(diagnosis.layers, None, options))
    for fault in diagnosis.errors:
        headline, *lines = error_lines(fault)
        blocks.append(Text((f"error: {headline}", *(f"  {line}" for line in lines))))
    title = diagnosis.model.spec + (f" on {inputs}" if inputs else "")
    return Report(title, tuple(blocks))


def error_lines(fault: Fault) -> list[str]:
    """The headline of an error, then its explanation and its fixes."""
    place = ", called from ".join(filter(None, dict.fromkeys([fault.source, fault.called_from])))
    headline = f"{_HEADLINES[fault.what]} {_name(fault)}"
    room = _WIDTH - len("error: ") - len(headline) - len(place)
    lines = [headline + " " * room + place] if place and room > 1 else [headline]
    if place and room <= 1:
        lines.append(f"at {place}")
    return [*lines, *fault.explanation, *_fixes(fault)]


def _name(fault: Fault) -> str:
    if fault.what == "construction":
        return fault.type
    if not fault.type[:1].isupper() and not fault.config:
        return f"{fault.path}()"
    kind = f"{fault.type} {fault.config}".rstrip()
    return f"{fault.path} ({kind})" if fault.path else kind


def _fixes(fault: Fault) -> Iterator[str]:
    edits = [f"{'or:  ' if i else 'fix: '}{_edit(fix, fault)}" for i, fix in enumerate(fault.fixes)]
    proofs = [f"✓ traced to the end, output {_output(fix)}" for fix in fault.fixes]
    widest = max(map(len, edits), default=0)
    fit = all(widest + 4 + len(proof) + 2 <= _WIDTH for proof in proofs)
    fit = fit and not any(fix.also for fix in fault.fixes)
    for fix, edit, proof in zip(fault.fixes, edits, proofs, strict=True):
        if fit:
            yield f"{edit:<{widest}}    {proof}"
        else:
            yield from _folded(edit)
            for other in fix.also:
                yield from _folded(f"and: {_edit(other, fault)}")
            yield f"     {proof}"


def _folded(edit: str) -> Iterator[str]:
    """An edit on one line, or on two if it is too long for a terminal."""
    new, instead, old = edit.partition(" instead of ")
    if len(edit) + 2 <= _WIDTH or not instead:
        yield edit
    else:
        yield from (new, f"     instead of {old}")


def _edit(fix: Fix | Edit, fault: Fault) -> str:
    instead = f" instead of {fix.instead_of}" if fix.instead_of else ""
    elsewhere = fix.source and fix.source != fault.source
    return f"{fix.edit}{instead}" + (f" at {fix.source}" if elsewhere else "")


def _output(fix: Fix) -> str:
    return ", ".join(format_shape(shape) for shape in fix.output) or "none"
