"""The report of an explanation: each figure of one layer with its derivation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from operator import itemgetter
from typing import Any

from ..analysis.results import Layer, NoField
from ..inputs import format_shape
from ..render.blocks import (
    Block,
    Cell,
    Column,
    Derivation,
    Facts,
    Kind,
    Line,
    Report,
    Row,
    Table,
    Text,
    table,
)
from ..render.data import Data, data_table
from ..render.options import Options
from .results import Explained, Explanation, FieldStep, Step

_TITLES: dict[Explained, str] = {
    "output": "Output",
    "params": "Parameters",
    "macs": "MACs",
    "other_ops": "Other operations",
    "activation_bytes": "Activation memory",
    "receptive_field": "Receptive field",
    "stride": "Effective stride",
}


def view(explanation: Explanation, options: Options) -> Report:
    layer = explanation.layer
    name = (layer.path or "the whole model") + layer.repetition
    inputs = ", ".join(
        (f"{i.name}=" if i.name else "") + format_shape(i.shape) for i in explanation.inputs
    )
    blocks: list[Block] = [Text((_headline(layer),), "lead")]
    blocks += [_derivation(explanation, figure) for figure in _figures(explanation)]
    if explanation.children:
        blocks.append(_parts(explanation))
    if explanation.recursion:
        blocks.append(_recursion(explanation.recursion))
    blocks += _legend(explanation)
    if notes := _notes(explanation):
        blocks.append(Text(tuple(notes), "note"))
    return Report(f"{name} of {explanation.model.spec} on {inputs}", tuple(blocks))


def _headline(layer: Layer) -> str:
    """`Conv2d 11×11/4: 1×3×224×224 → 1×96×54×54`"""
    inputs = ", ".join(format_shape(shape) for shape in layer.inputs)
    outputs = ", ".join(format_shape(shape) for shape in layer.outputs)
    shapes = f": {inputs} → {outputs}" if inputs and outputs else ""
    return f"{layer.type} {layer.config}".rstrip() + shapes


def _figures(explanation: Explanation) -> list[Explained]:
    """All figures of a layer; of a container, those that are no sum of its parts."""
    explained = {step.figure for step in explanation.steps}
    if explanation.children:
        return [figure for figure in ("receptive_field", "stride") if figure in explained]
    always = ("output", "params", "macs", "activation_bytes")
    return [
        figure
        for figure in _TITLES
        if figure in explained or figure in always or _is_informative(explanation.layer, figure)
    ]


def _is_informative(layer: Layer, figure: Explained) -> bool:
    if figure == "receptive_field" and layer.no_field not in (None, NoField.NOT_SPATIAL):
        return True
    return bool(_cell(layer, figure).value)


def _derivation(explanation: Explanation, figure: Explained) -> Derivation:
    layer = explanation.layer
    steps = [step for step in explanation.steps if step.figure == figure]
    return Derivation(_TITLES[figure], _cell(layer, figure), tuple(_line(step) for step in steps))


def _cell(layer: Layer, figure: Explained) -> Cell:
    """The figure as the layer table has it, or why there is none."""
    if figure == "output":
        return Cell(layer.outputs[0] if layer.outputs else None, "shape")
    if figure == "receptive_field":
        return Cell(layer.receptive_field, "sizes", layer.receptive_field_reason or "–")
    if figure == "stride":
        return Cell(layer.stride, "sizes")
    if figure == "activation_bytes":
        return Cell(layer.activation_bytes or None, "bytes", "0: nothing new is made")
    reason = (
        f"0: counted at {layer.shared_with}" if layer.shared_with and figure == "params" else "0"
    )
    return Cell(getattr(layer, figure), "count", reason)


def _line(step: Step) -> Line:
    kind: Kind = "shape" if isinstance(step.result, tuple) else "number"
    return Line(step.name, step.formula, step.numbers, Cell(step.result, kind), step.remark)


def _parts(explanation: Explanation) -> Table:
    """The rows whose sums the figures of a container are."""
    layer = explanation.layer
    columns = (
        Column("layer", "Layer", False, shrinks=True),
        Column("type", "Type", False, 2),
        Column("output", "Output", False, 1),
        Column("params", "Params"),
        Column("macs", "MACs"),
        Column("other-ops", "Other ops", True, 3),
        Column("activation", "Activation", True, 4),
    )
    rows = [_part(layer.path, child) for child in explanation.children]
    if layer.params or layer.macs or layer.other_ops:
        figures = (layer.params, layer.macs, layer.other_ops, layer.activation_bytes)
        rows.append(_row("itself", "", None, figures))
    t = layer.total
    rows.append(_row("sum", "", None, (t.params, t.macs, t.other_ops, t.activation_bytes), True))
    return Table(columns, tuple(rows), "Sum of its parts")


def _part(around: str, child: Layer) -> Row:
    name = child.path.removeprefix(f"{around}.") if around else child.path
    t = child.total
    figures = (t.params, t.macs, t.other_ops, t.activation_bytes)
    shape = child.outputs[0] if child.outputs else None
    return _row(name + child.repetition, f"{child.type} {child.config}".rstrip(), shape, figures)


def _row(
    name: str, kind: str, shape: tuple[int, ...] | None, figures: Sequence[int], group: bool = False
) -> Row:
    params, macs, other_ops, activation = figures
    cells = (
        Cell(name),
        Cell(kind),
        Cell(shape, "shape", "" if group or not kind else "–"),
        Cell(params, "count", "0" if group else "–"),
        Cell(macs, "count", "0" if group else "–"),
        Cell(other_ops, "count", "0" if group else "–"),
        Cell(activation or None, "bytes"),
    )
    return Row(cells, group=group)


def _recursion(steps: Sequence[FieldStep]) -> Table:
    dilated = any(d > 1 for step in steps for d in step.dilation or ())
    columns = [
        Column("layer", "Layer", False, shrinks=True),
        Column("kernel", "k"),
        *([Column("dilation", "d")] if dilated else []),
        Column("stride", "s"),
        Column("receptive-field", "r + (k − 1)" + " · d" * dilated + " · j", False),
        Column("jump", "j · s", False),
    ]
    start = (steps[0].field_before, steps[0].jump_before)
    blank = [Cell(None, reason="")] * (len(columns) - 3)
    rows = [[Cell("input"), *blank, *(Cell(sizes, "sizes") for sizes in start)]]
    for step in steps:
        sizes = [step.kernel, *([step.dilation] if dilated else []), step.stride]
        worked = Cell(_worked_field(step)), Cell(_worked_jump(step))
        rows.append([Cell(step.layer), *(Cell(size, "sizes") for size in sizes), *worked])
    return table(columns, rows, "Receptive field r and jump j, layer by layer")


def _worked_field(step: FieldStep) -> str:
    after = _sizes(step.field_after)
    if step.kernel is None or step.dilation is None or step.remark is not None:
        return f"{after}, {step.remark}"
    k, d, r, j = map(_one, (step.kernel, step.dilation, step.field_before, step.jump_before))
    if None in (k, d, r, j):
        return after
    return f"{r} + ({k} − 1)" + (f" · {d}" if d != "1" else "") + f" · {j} = {after}"


def _worked_jump(step: FieldStep) -> str:
    after = _sizes(step.jump_after)
    j, s = _one(step.jump_before), _one(step.stride or ())
    return after if step.remark or None in (j, s) else f"{j} · {s} = {after}"


def _one(sizes: Sequence[int | float]) -> str | None:
    """The size along all axes; None where they differ."""
    return _sizes(sizes) if len(set(sizes)) == 1 else None


def _sizes(sizes: Sequence[int | float]) -> str:
    return Cell(tuple(sizes), "sizes").text


def _legend(explanation: Explanation) -> list[Block]:
    blocks: list[Block] = []
    if explanation.letters:
        meanings = tuple((name, Cell(text)) for name, text in explanation.letters.items())
        blocks.append(Facts(meanings, "Letters"))
    if explanation.sources:
        texts = dict.fromkeys(source.text for source in explanation.sources)
        named = {t: [_TITLES[s.figure] for s in explanation.sources if s.text == t] for t in texts}
        sources = tuple((", ".join(names), Cell(text)) for text, names in named.items())
        blocks.append(Facts(sources, "Where the formulas are written"))
    return blocks


def _notes(explanation: Explanation) -> list[str]:
    notes = [f"note: {note}" for note in explanation.notes]
    if explanation.calls:
        path = explanation.layer.path
        notes.append(f"note: {path} is called more than once: see {', '.join(explanation.calls)}")
    return notes


def data(explanation: Explanation, options: Options) -> Data:
    """A row per figure, with step 0, and after it a row per line of its derivation.

    The lines of a container are the layers inside, whose figures are summed.
    """
    columns = {name: itemgetter(name) for name in (
        "layer", "figure", "step", "name", "formula", "numbers", "result", "remark",
    )}  # fmt: skip
    return data_table(columns, _records(explanation))


def _records(explanation: Explanation) -> Iterator[dict[str, Any]]:
    layer = explanation.layer
    blank = dict.fromkeys(("name", "formula", "numbers", "remark"))
    path = (layer.path or layer.type) + layer.repetition
    for figure in _TITLES:
        head = {"layer": path, "figure": figure, **blank}
        value = _cell(layer, figure)
        if explanation.children and figure in _SUMS:
            value = Cell(getattr(layer.total, figure))
        yield {**head, "step": 0, "result": value.value}
        parts = [
            {"name": s.name, "formula": s.formula, "numbers": s.numbers, "result": s.result,
             "remark": s.remark}
            for s in explanation.steps if s.figure == figure
        ]  # fmt: skip
        if explanation.children and figure in _SUMS and not parts:
            rest = getattr(layer, figure)
            parts = [{"name": child.path + child.repetition, "result": getattr(child.total, figure)}
                     for child in explanation.children]  # fmt: skip
            parts += [{"name": path, "result": rest}] if rest else []
        yield from ({**head, "step": number, **part} for number, part in enumerate(parts, start=1))


_SUMS = ("params", "macs", "other_ops", "activation_bytes")
