"""The view of `latency`: one row per model, precision, number of threads and batch size."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from operator import attrgetter
from typing import Any

from ..analysis.layer_data import inputs_text
from ..bench.view import layers_table
from ..inputs import format_shape
from ..render.blocks import (
    Block,
    Cell,
    Column,
    Curve,
    Curves,
    Facts,
    Panel,
    Report,
    Row,
    Table,
    Text,
)
from ..render.data import Data, data_table
from ..render.options import Options
from .results import Latencies, Measurement

_NO_PEAKS = "not known: cnnstat devices --measure -o here.json, then --device-peaks here.json"
_NOTABLE = 0.02  # a precision of the median below this is not mentioned
_SHOWN = 3  # rows in one note


def view(result: Latencies, options: Options) -> Report:
    """The report of a measurement."""
    blocks: list[Block] = [_table(result)]
    blocks += [
        layers_table(row.layers, f"Layers of {_label(row, result.rows)}")
        for row in result.rows if row.layers is not None
    ]  # fmt: skip
    curves = _curves(result.rows)
    if curves is not None:
        blocks.append(curves)
    blocks.append(_conditions(result))
    notes = [
        *result.notes,
        *_failures(result.rows),
        *_imprecise(result),
        *_outliers(result.rows),
        *_noise(result.rows),
    ]
    if notes:
        blocks.append(Text(tuple(f"note: {note}" for note in notes), "note"))
    names = ", ".join(_distinct(row.model.spec for row in result.rows))
    return Report(f"{names}: latency of inference", tuple(blocks))


def _distinct(values: Iterator[str] | Sequence[str]) -> list[str]:
    return list(dict.fromkeys(values))


def _table(result: Latencies) -> Table:
    rows = result.rows
    on_gpu = any(row.memory_bytes is not None for row in rows)
    compared = any(row.relative is not None for row in rows)
    columns = [
        Column("model", "Model", False, merged=True),
        *([Column("precision", "Precision", False)] if _varies(rows, "precision") else []),
        *([Column("threads", "Threads")] if _varies(rows, "threads") else []),
        Column("batch_size", "Batch"),
        Column("seconds", "Median"),
        Column("iqr_seconds", "IQR", drop=1),
        Column("p90_seconds", "p90", drop=4),
        Column("p99_seconds", "p99", drop=3),
        Column("examples_per_second", "Examples/s"),
        *([Column("relative", "Relative")] if compared else []),
        *([Column("memory", "Memory", drop=5)] if on_gpu else []),
        Column("predicted_bytes", "Memory expected", drop=6),
        *([Column("bound_seconds", "At least")] if result.peaks else []),
        Column("runs", "Runs", drop=2),
    ]
    keys = {column.key for column in columns}
    cells = [{key: cell for key, cell in _cells(row).items() if key in keys} for row in rows]
    return Table(
        tuple(columns), tuple(Row(tuple(c[column.key] for column in columns)) for c in cells)
    )


def _varies(rows: Sequence[Measurement], name: str) -> bool:
    values = {row.model.spec if name == "model" else getattr(row, name) for row in rows}
    return len(values) > 1


def _cells(row: Measurement) -> dict[str, Cell]:
    found = row.latency
    ratio = row.relative
    return {
        "model": Cell(row.model.spec),
        "precision": Cell(row.precision),
        "threads": Cell(row.threads, "number"),
        "batch_size": Cell(row.batch_size, "number"),
        "seconds": Cell(found.quartiles.median if found else None, "seconds"),
        "iqr_seconds": Cell(found.quartiles.iqr if found and found.runs > 1 else None, "seconds"),
        "p90_seconds": Cell(found.p90 if found else None, "seconds"),
        "p99_seconds": Cell(found.p99 if found else None, "seconds"),
        "examples_per_second": Cell(found.examples_per_second if found else None, "rate"),
        "relative": Cell(ratio.ratio if ratio else None, "ratio"),
        "memory": Cell(row.memory_bytes, "bytes"),
        "predicted_bytes": Cell(row.predicted_bytes, "bytes"),
        "bound_seconds": Cell(row.bound_seconds, "seconds"),
        "runs": Cell(found.runs if found else None, "number"),
    }


def _threads(row: Measurement) -> str:
    return "1 thread" if row.threads == 1 else f"{row.threads} threads"


def _label(row: Measurement, rows: Sequence[Measurement]) -> str:
    """The model, and what distinguishes its rows: "resnet18, bf16, batch 8"."""
    parts = [row.model.spec]
    parts += [row.precision] if _varies(rows, "precision") else []
    parts += [_threads(row)] if _varies(rows, "threads") else []
    parts += [f"batch {row.batch_size}"] if _varies(rows, "batch_size") else []
    return ", ".join(parts)


def _imprecise(result: Latencies) -> Iterator[str]:
    """Rows whose time was over before their median was known."""
    known, unknown = [], []
    for row in result.rows:
        share = row.latency.precision if row.latency else None
        if row.latency and share is None:
            unknown.append(f"{row.latency.runs} ({_label(row, result.rows)})")
        elif share is not None and share > _NOTABLE:
            known.append(f"±{100 * share:.0f} % ({_label(row, result.rows)})")
    seconds = result.settings.seconds
    hint = f"--seconds {6 * seconds:g} measures longer"
    if known:
        yield f"after {seconds:g} s the median is known only to {_listed(known)}: {hint}"
    if unknown:
        yield f"{seconds:g} s were enough for few runs, {_listed(unknown)}: {hint}"


def _failures(rows: Sequence[Measurement]) -> Iterator[str]:
    return (f"{_label(row, rows)}: {row.failure}" for row in rows if row.failure is not None)


def _outliers(rows: Sequence[Measurement]) -> Iterator[str]:
    found = [
        f"{row.latency.outliers} of {row.latency.runs}, up to "
        f"{row.latency.slowest / row.latency.quartiles.median:.1f}× ({_label(row, rows)})"
        for row in rows
        if row.latency is not None and row.latency.outliers
    ]
    if found:
        yield (
            "runs that took much longer than the median, by other work on the machine or by "
            f"changes of its clocks: {_listed(found)}"
        )


def _noise(rows: Sequence[Measurement]) -> Iterator[str]:
    """Rows that cannot be distinguished from the first of their batch size."""
    for row in rows:
        if row.relative is None or not row.relative.is_noise:
            continue
        first = next(other for other in rows if other.batch_size == row.batch_size)
        between = row.relative.interval
        ratio = f" (ratio {between.lower:.3f} to {between.upper:.3f})" if between else ""
        yield (
            f"{_label(first, rows)} and {_label(row, rows)}: the difference is within the noise"
            f"{ratio}"
        )


def _listed(parts: Sequence[str]) -> str:
    """The first few, and how many others."""
    more = len(parts) - _SHOWN
    return ", ".join([*parts[:_SHOWN], *([f"and {more} more"] if more > 0 else [])])


def _curves(rows: Sequence[Measurement]) -> Curves | None:
    """Throughput over batch size, one curve per model, precision and number of threads."""
    if not _varies(rows, "batch_size"):
        return None
    points: dict[str, list[tuple[float, float]]] = {}
    several = any(_varies(rows, name) for name in ("model", "precision", "threads"))
    for row in rows:
        if row.latency and row.batch_size and row.latency.examples_per_second:
            label = _label(row, [r for r in rows if r.batch_size == row.batch_size])
            name = label if several else "examples/s"
            points.setdefault(name, []).append(
                (float(row.batch_size), row.latency.examples_per_second)
            )
    curves = tuple(Curve(name, tuple(sorted(xy))) for name, xy in points.items() if len(xy) > 1)
    if not curves:
        return None
    panel = Panel("Examples/s", "batch size", curves)
    return Curves("throughput", "Throughput over batch size", (panel,))


def _conditions(result: Latencies) -> Facts:
    where, settings = result.environment, result.settings
    first = result.rows[0]
    how = [] if _varies(result.rows, "precision") else [first.precision]
    if where.device == "cpu" and not _varies(result.rows, "threads"):
        how.append(_threads(first))
    how += ["compiled"] if settings.compile else []
    how += ["channels last"] if settings.channels_last else []
    items = [("Device", Cell(", ".join([f"{where.device_name} ({where.device})", *how])))]
    shapes = _distinct(
        [", ".join(format_shape(x.shape) for x in row.inputs) for row in result.rows]
    )
    items.append(("Input", Cell("; ".join(shapes[:4]) + ("; …" if len(shapes) > 4 else ""))))
    versions = [f"torch {where.torch}", *([f"CUDA {where.cuda}"] if where.cuda else [])]
    versions += [f"driver {where.driver}"] if where.driver else []
    items.append(("Software", Cell(", ".join(versions))))
    items.append(("Latency", Cell("from the call until the output is computed, one run at a time")))
    if any(row.latency and row.latency.back_to_back for row in result.rows):
        items.append(("Examples/s", Cell("of runs that are queued without waiting for each other")))
    if any(row.relative for row in result.rows):
        items.append(("Relative", Cell("to the first row with the same batch, measured in turns")))
    items.append(("Peaks", Cell(result.peaks or _NO_PEAKS)))
    return Facts(tuple(items))


def data(result: Latencies, options: Options) -> Data:
    """A row per model, precision, number of threads and batch size."""

    def cell(key: str) -> Callable[[Measurement], Any]:
        return lambda row: _cells(row)[key].value

    columns: dict[str, Callable[[Measurement], Any]] = {
        "model": attrgetter("model.spec"),
        "input": lambda row: inputs_text(row.inputs),
        "device": lambda row: result.environment.device_name,
        "params": attrgetter("params"),
        "macs": attrgetter("macs"),
        **{name: cell(name) for name in ("precision", "threads", "batch_size", "seconds",
           "iqr_seconds", "p90_seconds", "p99_seconds", "examples_per_second", "relative")},
        "memory_bytes": attrgetter("memory_bytes"),
        "predicted_bytes": attrgetter("predicted_bytes"),
        "bound_seconds": attrgetter("bound_seconds"),
        "runs": cell("runs"),
        "failure": attrgetter("failure"),
    }  # fmt: skip
    return data_table(columns, result.rows)
