"""The view of formulas: the table of layers with symbolic shapes, valid sizes and costs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from ..analysis.layer_table import check_options, chosen_columns, layer_rows
from ..analysis.results import Layer
from ..errors import TORCH_PREFIX
from ..render.blocks import Block, Cell, Column, Facts, Report, Row, Table, Text
from ..render.data import Data, data_table, size_text
from ..render.options import Options
from ..symbols.evaluation import parse
from ..symbols.expressions import Expr, Number
from ..symbols.notation import format_equation, format_number, format_symbolic_shape
from .results import Formulas, LayerFormulas, Limit, Range, Size, ValidSizes

DEFAULT_COLUMNS = ("type", "output", "params", "params-share")


def view(formulas: Formulas, options: Options) -> Report:
    """The report of a model with symbolic sizes.

    Raises:
        UsageError: a column or sort key is unknown.
    """
    check_options(options)
    inputs = ", ".join(
        (f"{i.name}=" if i.name else "") + "×".join(map(str, i.shape)) for i in formulas.inputs
    )
    blocks: list[Block] = [] if options.totals else [_layers(formulas, options)]
    blocks.append(_valid_sizes(formulas))
    limits = [line for domain in formulas.domains for line in limit_lines(domain)]
    if limits:
        blocks.append(Text(tuple(dict.fromkeys(limits))))
    blocks.append(_costs(formulas))
    notes = [f"note: {note}" for note in (*_confirmations(formulas), *formulas.notes)]
    return Report(f"{formulas.model.spec} on {inputs}", (*blocks, Text(tuple(notes), "note")))


def _layers(formulas: Formulas, options: Options) -> Table:
    """The table of the example, with formulas instead of its shapes and costs."""
    by_call = {(layer.path, layer.call): layer for layer in formulas.layers}
    example = formulas.example
    table, layers = layer_rows(example.layers, example.totals, options, DEFAULT_COLUMNS)
    steps = steps_of(formulas)
    rows = []
    for row, layer in zip(table.rows, layers, strict=True):
        known = by_call.get((layer.path, layer.call))
        pairs = zip(table.columns, row.cells, strict=True)
        cells = [_cell(*pair, known, steps) for pair in pairs] if known else row.cells
        rows.append(Row(tuple(cells), row.depth, row.group))
    return Table(table.columns, tuple(rows), table.title, table.tree)


@dataclass(frozen=True)
class Formula:
    """The value of a cell: a number, or the sizes of a shape; `plain` is its text for programs.

    `steps` are the divisors that all valid sizes of a dimension have.
    """

    numbers: tuple[Number, ...]
    steps: Mapping[str, int]
    more: str = ""

    def __str__(self) -> str:
        if len(self.numbers) == 1 and not self.more:
            return format_number(self.numbers[0], self.steps)
        return format_symbolic_shape(self.numbers, self.steps) + self.more

    @property
    def plain(self) -> str:
        return ",".join(map(str, self.numbers))


def _cell(column: Column, cell: Cell, layer: LayerFormulas, steps: Mapping[str, int]) -> Cell:
    if column.key == "output" and layer.outputs:
        more = f" +{len(layer.outputs) - 1}" if len(layer.outputs) > 1 else ""
        return Cell(Formula(tuple(map(number_of, layer.outputs[0])), steps, more), "formula")
    if column.key == "macs":
        return formula_cell(layer.macs, steps)
    if column.key == "activation":
        return formula_cell(layer.activation_bytes, steps)
    # figures of the example that have no formula are left out
    return Cell(None) if column.key in _OF_ONE_SIZE else cell


_OF_ONE_SIZE = frozenset({"input", "macs-share", "other-ops", "backward-macs"})


def formula_cell(size: Size | None, steps: Mapping[str, int]) -> Cell:
    if not size:
        return Cell(None)
    return Cell(Formula((number_of(size),), steps), "formula")


def number_of(size: Size) -> Number:
    return parse(size) if isinstance(size, str) else size


def steps_of(formulas: Formulas) -> dict[str, int]:
    """The divisor of all valid sizes of each dimension that has one."""
    return {
        domain.letter: domain.ranges[0].step
        for domain in formulas.domains
        if len(domain.ranges) == 1 and domain.ranges[0].lowest % domain.ranges[0].step == 0
        and domain.ranges[0].lowest != domain.ranges[0].highest
    }  # fmt: skip


def _valid_sizes(formulas: Formulas) -> Facts:
    items = [(domain.letter, Cell(range_text(domain))) for domain in formulas.domains]
    return Facts(tuple(items), "Legal sizes")


def range_text(domain: ValidSizes) -> str:
    """`H ≥ 67`, `221 ≤ H ≤ 252`, `H ≥ 32, divisible by 32`."""
    if not domain.ranges:
        return "none found"
    return " or ".join(_range(domain.letter, part) for part in domain.ranges)


def _range(name: str, part: Range) -> str:
    if part.lowest == part.highest:
        return f"{name} = {part.lowest}"
    low, high = (f"{part.lowest} ≤ {name}", f" ≤ {part.highest}")
    text = f"{name} ≥ {part.lowest}" if part.highest is None else low + high
    if part.step == 1:
        return text
    rest = part.lowest % part.step
    return f"{text}, {_multiple(name, part.step, rest)}"


def _multiple(name: str, step: int, rest: int) -> str:
    return f"divisible by {step}" if not rest else f"{name}−{rest} divisible by {step}"


def limit_lines(domain: ValidSizes) -> list[str]:
    """The failures outside the ranges, a line for each end, and the joint conditions."""
    lines = [_limit(domain.letter, limit) for limit in domain.limits]
    for joint in domain.joint:
        number = parse(joint.number)
        assert isinstance(number, Expr)
        lines.append(f"{joint.layer} asks for {format_equation(number)}")
    return lines


def _limit(name: str, limit: Limit) -> str:
    reason = limit.reason.removeprefix(TORCH_PREFIX)
    return f"{name} = {limit.size}: {limit.layer}: {reason}".rstrip(": ")


def _costs(formulas: Formulas) -> Facts:
    totals, steps = formulas.totals, steps_of(formulas)
    items: list[tuple[str, Any]] = [
        ("Parameters", Cell(totals.params, "total", "0")),
        ("MACs", formula_cell(totals.macs, steps)),
        ("Activation memory, bytes", formula_cell(totals.activation_bytes, steps)),
        ("Peak memory at inference, bytes", formula_cell(totals.peak_bytes, steps)),
    ]
    return Facts(tuple(items), "Costs")


def _confirmations(formulas: Formulas) -> list[str]:
    """How the valid sizes were found, a sentence for each method."""
    sentences = []
    ways = {
        "symbols": "from a run with letters; plain runs confirm each bound and the sizes beyond it",
        "search": "found by trying: sizes between those that were tried may differ",
    }
    for way, text in ways.items():
        domains = [domain for domain in formulas.domains if domain.found_by == way]
        if domains:
            names = ", ".join(domain.letter for domain in domains)
            tried = sum(domain.tried for domain in domains)
            sentences.append(f"legal sizes of {names} {text} ({tried} plain runs)")
    if len(formulas.domains) > 1:
        values = ", ".join(f"{name} = {size}" for name, size in formulas.values.items())
        sentences.append(f"the sizes of each letter are those while the others stand at {values}")
    return sentences


def data(formulas: Formulas, options: Options) -> Data:
    """The layers with formulas as texts, or the totals in one row.

    The costs of a container are those of all layers inside, as formulas cannot be summed.
    """
    head: dict[str, Callable[[Any], Any]] = {}
    if options.totals:
        totals = formulas.totals
        head = {
            "model": lambda _: formulas.model.spec,
            "input": lambda _: " ".join(
                (f"{i.name}=" if i.name else "") + size_text(i.shape) for i in formulas.inputs
            ),
            **{name: attrgetter(name) for name in type(totals).__struct_fields__},
        }
        return data_table(head, [totals])
    keys = chosen_columns(
        options.columns, ("type", "role", "output", "params", "macs", "activation")
    )
    chosen = {"layer", "depth", *(name for key in keys for name in _DATA_COLUMNS.get(key, ()))}
    by_call = {(layer.path, layer.call): layer for layer in formulas.layers}
    example = formulas.example
    pairs = [
        (layer, by_call.get((layer.path, layer.call)))
        for layer in layer_rows(example.layers, example.totals, options, DEFAULT_COLUMNS)[1]
    ]
    return data_table({name: of for name, of in _DATA_VALUES.items() if name in chosen}, pairs)


_Pair = tuple[Layer, LayerFormulas | None]
_DATA_COLUMNS = {
    "type": ("type", "config"), "role": ("role",), "output": ("output",),
    "params": ("total_params",), "macs": ("total_macs",), "activation": ("total_activation_bytes",),
}  # fmt: skip
_DATA_VALUES: dict[str, Callable[[_Pair], Any]] = {
    "layer": lambda pair: (pair[0].path or pair[0].type) + pair[0].repetition,
    "depth": lambda pair: pair[0].depth,
    "type": lambda pair: pair[0].type,
    "config": lambda pair: pair[0].config,
    "role": lambda pair: pair[0].role,
    "output": lambda pair: " ".join(map(size_text, pair[1].outputs)) if pair[1] else None,
    "total_params": lambda pair: pair[0].total.params,
    "total_macs": lambda pair: pair[1] and pair[1].macs,
    "total_activation_bytes": lambda pair: pair[1] and pair[1].activation_bytes,
}
