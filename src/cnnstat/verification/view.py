"""The view of a verification: the totals, and for each referee the steps from ours to theirs."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any, Literal

from ..analysis.totals import bound_of, bounds
from ..inputs import format_shape
from ..render.blocks import Block, Cell, Column, Report, Row, Table, Text, table
from ..render.data import Data, data_table
from ..render.options import Options
from .results import Bucket, LayerCheck, Referee, Verification

_MOST = 5  # layers shown of each referee


def view(verification: Verification, options: Options) -> Report:
    ours = verification.ours
    inputs = ", ".join(
        (f"{i.name}=" if i.name else "") + format_shape(i.shape) for i in ours.inputs
    )
    ran = [referee for referee in verification.referees if referee.status == "ran"]
    blocks: list[Block] = [_totals(verification)]
    for referee in ran:
        blocks += _bridges(verification, referee)
        blocks += _layers(referee)
    blocks.append(Text(tuple(f"note: {note}" for note in _notes(verification)), "note"))
    title = f"{ours.model.spec} on {inputs}, {ours.mode} mode"
    return Report(title, tuple(block for block in blocks if block != Text((), "note")))


def _totals(verification: Verification) -> Table:
    columns = (
        Column("counter", "Counter", False),
        Column("version", "Version", False, 4),
        Column("params", "Params", True, 1),
        Column("macs", "MACs"),
        Column("difference", "Difference", True, 2),
        Column("explained", "Explained", True, 3),
        Column("unexplained", "Unexplained"),
    )
    totals = verification.ours.totals
    ours = [
        Cell("cnnstat"),
        Cell(verification.tool.cnnstat),
        Cell(totals.params, "count", "0"),
        Cell(totals.macs, "count", "0", bound_of(verification.ours)),
        *(Cell(None, "difference", "") for _ in range(3)),
    ]
    rows = [ours, *(_row(verification, referee) for referee in verification.referees)]
    return table(columns, rows, "Totals (differences are of MACs)")


def _row(verification: Verification, referee: Referee) -> list[Cell]:
    silent = "–" if referee.status == "ran" else referee.status
    cells = [Cell(referee.name), Cell(referee.version), Cell(referee.params, "count", silent)]
    if referee.macs is None:
        return [*cells, Cell(None, "count", silent), *(Cell(None, "difference") for _ in range(3))]
    difference = referee.macs - verification.ours.totals.macs
    remainder = referee.macs_unexplained or 0
    return [
        *cells,
        Cell(referee.macs, "count", "0"),
        Cell(difference, "difference"),
        Cell(difference - remainder, "difference"),
        Cell(remainder, "difference"),
    ]


def _bridges(verification: Verification, referee: Referee) -> list[Block]:
    """Tables from our figures to the referee's, with a line per cause."""
    totals = verification.ours.totals
    params = referee.params, referee.params_unexplained
    macs = referee.macs, referee.macs_unexplained
    return [
        *_bridge(referee, "params", totals.params, *params),
        *_bridge(referee, "macs", totals.macs, *macs),
    ]


def _bridge(
    referee: Referee,
    figure: Literal["params", "macs"],
    ours: int,
    theirs: int | None,
    unexplained: int | None,
) -> list[Block]:
    buckets = [bucket for bucket in referee.buckets if bucket.figure == figure]
    if theirs is None or (not buckets and theirs == ours):
        return []
    name = "MACs" if figure == "macs" else "Params"
    columns = (
        Column("cause", "Cause", False, 1),
        Column("what", "What", False),
        Column("times", "Times", True, 2),
        Column("layers", "Layers", True, 3),
        Column(figure, name),
    )
    rows = [
        _line("", "cnnstat counts", Cell(ours, "count", "0"), True),
        *(_bucket(bucket) for bucket in buckets),
        _line("", "unexplained", Cell(unexplained, "difference")),
        _line("", f"{referee.name} counts", Cell(theirs, "count", "0"), True),
    ]
    return [Table(columns, tuple(rows), f"{name} of {referee.name}, from ours to theirs")]


def _bucket(bucket: Bucket) -> Row:
    value = Cell(bucket.value, "difference")
    counts = (Cell(bucket.count, "count"), Cell(len(bucket.layers), "count"))
    return Row((Cell(bucket.kind), Cell(bucket.what), *counts, value))


def _line(cause: str, what: str, value: Cell, total: bool = False) -> Row:
    return Row((Cell(cause), Cell(what), Cell(None, "count", ""), Cell(None, "count", ""), value),
               group=total)  # fmt: skip


def _layers(referee: Referee) -> list[Block]:
    """The layers with an unexplained difference, or else those that differ most."""
    unexplained = [layer for layer in referee.layers if layer.unexplained]
    differing = [layer for layer in referee.layers if layer.theirs != layer.ours]
    chosen, key = (unexplained, _unexplained) if unexplained else (differing, _difference)
    if not chosen:
        return []
    shown = sorted(chosen, key=key, reverse=True)[:_MOST]
    rest = f", {len(shown)} of {len(chosen)}" if len(shown) < len(chosen) else ""
    what = "with an unexplained difference" if unexplained else "that differ most"
    columns = (
        Column("layer", "Layer", False, shrinks=True),
        Column("ours", "cnnstat", True, 1),
        Column("theirs", referee.name, True, 2),
        Column("difference", "Difference"),
        Column("unexplained", "Unexplained"),
    )
    rows = [
        [
            Cell(layer.path or "(the model itself)"),
            Cell(layer.ours, "count"),
            Cell(layer.theirs, "count"),
            Cell(layer.theirs - layer.ours, "difference"),
            Cell(layer.unexplained, "difference"),
        ]
        for layer in shown
    ]
    return [table(columns, rows, f"Layers of {referee.name} {what}{rest}")]


def _unexplained(layer: LayerCheck) -> int:
    return abs(layer.unexplained)


def _difference(layer: LayerCheck) -> int:
    return abs(layer.theirs - layer.ours)


def _notes(verification: Verification) -> list[str]:
    notes = [
        f"{referee.name} {referee.status}: {referee.reason}"
        for referee in verification.referees if referee.status != "ran"
    ]  # fmt: skip
    for referee in verification.referees:
        if referee.unsupported:
            listed = ", ".join(f"{name} ({n}×)" for name, n in referee.unsupported.items())
            notes.append(f"{referee.name} says it cannot count {listed}")
    ours = (f"cnnstat: {sentence}" for sentence in bounds(verification.ours))
    return [*notes, *ours, *verification.notes]


def data(verification: Verification, options: Options) -> Data:
    """A row per counter; differences are its figure minus ours."""
    ours = verification.ours.totals
    first = Referee(
        name="cnnstat", version=verification.tool.cnnstat, device=None, seconds=None, status="ran",
        params=ours.params, macs=ours.macs, params_unexplained=0, macs_unexplained=0,
    )  # fmt: skip
    columns: dict[str, Callable[[Referee], Any]] = {
        "model": lambda _: verification.ours.model.spec,
        "counter": attrgetter("name"),
        "version": attrgetter("version"),
        "status": attrgetter("status"),
        "params": attrgetter("params"),
        "params_difference": lambda x: None if x.params is None else x.params - ours.params,
        "params_unexplained": attrgetter("params_unexplained"),
        "macs": attrgetter("macs"),
        "macs_difference": lambda x: None if x.macs is None else x.macs - ours.macs,
        "macs_unexplained": attrgetter("macs_unexplained"),
        "seconds": attrgetter("seconds"),
        "reason": attrgetter("reason"),
    }
    return data_table(columns, (first, *verification.referees))
