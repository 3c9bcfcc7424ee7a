"""The view of `bench`: results, speed, epochs and curves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import attrgetter
from typing import Any

from ..inputs import format_shape
from ..render.blocks import (
    Block,
    Cell,
    Column,
    Curve,
    Curves,
    Facts,
    Heatmap,
    Image,
    ImageGrid,
    Panel,
    Report,
    Row,
    Table,
    Text,
)
from ..render.data import Data, data_table
from ..render.options import Options
from ..units import format_exact
from .results import Benchmark, Epoch, LayerTimes, Phase, Protocol, Run, Spread

_PHASES: tuple[Phase, ...] = ("data", "forward", "backward", "optimizer")
_NO_PEAKS = "not known: cnnstat devices --measure -o here.json, then --device-peaks here.json"
_ALL_EPOCHS = 12  # the table shows a selection of more than these


def view(result: Benchmark, options: Options) -> Report:
    """The report of a benchmark."""
    blocks: list[Block] = [_figures(result)]
    split = _split(result)
    if split is not None:
        blocks.append(split)
    if any(run.prediction is not None for run in result.runs):
        blocks.append(_predicted(result))
    blocks += [
        layers_table(run.layers, f"Layers of {run.model.spec}, batch {run.batch_size}")
        for run in result.runs if run.layers is not None
    ]  # fmt: skip
    if any(run.epochs for run in result.runs):
        epochs = {run.model.spec: run.epochs for run in result.runs}
        blocks += [_epochs(result), curves_of(epochs)]
    for number, run in enumerate(result.runs, start=1):
        blocks += _confusion(run, number)
    blocks.append(_conditions(result))
    notes = [f"note: {run.model.spec}: {note}" for run in result.runs for note in run.notes]
    notes += [f"note: {note}" for note in result.notes]
    if notes:
        blocks.append(Text(tuple(notes), "note"))
    names = ", ".join(run.model.spec for run in result.runs)
    return Report(f"{names} on {_data_text(result)}", tuple(blocks))


def _data_text(result: Benchmark) -> str:
    data = result.data
    if data.name == "synthetic":
        return "synthetic data"
    if data.train is None:
        return data.name
    tested = f", {format_exact(data.test)} to test" if data.test else ""
    return f"{data.name}: {format_exact(data.train)} to train{tested}"


def _figures(result: Benchmark) -> Table:
    """One row per model."""
    columns = (
        Column("model", "Model", False),
        Column("params", "Params", drop=4),
        Column("test_accuracy", "Test acc"),
        Column("train_accuracy", "Train acc", drop=2),
        Column("examples_per_second", "Examples/s"),
        Column("step_seconds", "Step"),
        Column("iqr_seconds", "IQR", drop=1),
        Column("data_share", "Data", drop=3),
        Column("memory", "Memory", drop=5),
    )
    return Table(columns, tuple(Row(tuple(_cells(run))) for run in result.runs))


def _cells(run: Run) -> Iterator[Cell]:
    last, timing = run.epochs[-1] if run.epochs else None, run.timing
    yield Cell(run.model.spec)
    yield Cell(run.params, "count")
    yield Cell(last.test_accuracy if last else None, "share")
    yield Cell(last.train_accuracy if last else None, "share")
    yield Cell(timing.examples_per_second if timing else None, "rate")
    yield Cell(timing.seconds.median if timing else None, "seconds")
    repeated = timing is not None and len(timing.step_seconds) > 1
    yield Cell(timing.seconds.iqr if timing and repeated else None, "seconds")
    yield Cell(timing.data_share if timing else None, "share")
    yield Cell(run.memory_bytes, "bytes")


def _split(result: Benchmark) -> Table | None:
    """The phases of a step. They are medians, so they need not add up."""
    rows = []
    for run in result.runs:
        if run.timing is not None:
            spreads = [run.timing.phases.get(phase) for phase in _PHASES]
            cells = [Cell(s.median if s else None, "seconds") for s in spreads]
            counts = (
                Cell(run.timing.warmup_steps, "number"),
                Cell(len(run.timing.step_seconds), "number"),
            )
            rows.append(Row((Cell(run.model.spec), *cells, *counts)))
    if not rows:
        return None
    columns = (
        Column("model", "Model", False),
        *(Column(phase, phase.capitalize()) for phase in _PHASES),
        Column("warmup_steps", "Warm-up", drop=1),
        Column("measured_steps", "Measured", drop=2),
    )
    return Table(columns, tuple(rows), "A step, medians")


def _predicted(result: Benchmark) -> Table:
    columns = (
        Column("model", "Model", False),
        Column("least_seconds", "Step at least"),
        Column("step_seconds", "Step"),
        Column("flops_per_second", "Achieved", drop=2),
        Column("mfu", "MFU", drop=1),
        Column("predicted_bytes", "Memory expected", drop=3),
        Column("memory_bytes", "Memory", drop=3),
    )
    rows = []
    for run in result.runs:
        expected, timing = run.prediction, run.timing
        rows.append(Row((
            Cell(run.model.spec),
            Cell(expected.seconds if expected else None, "seconds"),
            Cell(timing.seconds.median if timing else None, "seconds"),
            Cell(run.flops_per_second, "flop_rate"),
            Cell(run.mfu, "share"),
            Cell(expected.memory_bytes if expected else None, "bytes"),
            # memory of the whole process includes torch and the data: not comparable with tensors
            Cell(run.memory_bytes if run.memory_kind == "allocated on the device" else None,
                 "bytes"),
        )))  # fmt: skip
    return Table(columns, tuple(rows), "Predicted beside measured")


def layers_table(times: LayerTimes, title: str) -> Table:
    """The slowest layers first; the title gets the overhead of the hooks."""
    trained = any(layer.backward is not None for layer in times.layers)
    columns = [
        Column("layer", "Layer", False, shrinks=True),
        Column("type", "Type", False, drop=2),
        *_spread_columns("forward", "Forward"),
        *(_spread_columns("backward", "Backward") if trained else ()),
        Column("share", "%"),
    ]
    rows = []
    for layer in sorted(times.layers, key=lambda layer: -layer.both):
        cells = [Cell(layer.path), Cell(layer.type), *_spread_cells(layer.seconds)]
        cells += _spread_cells(layer.backward) if trained else ()
        rows.append(Row((*cells, Cell(layer.both / times.hooked.median, "share"))))
    cost = f"{100 * times.overhead:+.1f} %".replace("-", "−")
    return Table(tuple(columns), tuple(rows), f"{title}; timing them costs {cost}")


def _spread_columns(key: str, title: str) -> tuple[Column, Column]:
    return Column(f"{key}_seconds", title), Column(f"{key}_iqr_seconds", "IQR", drop=1)


def _spread_cells(spread: Spread | None) -> tuple[Cell, Cell]:
    if spread is None:
        return Cell(None, "seconds"), Cell(None, "seconds")
    return Cell(spread.median, "seconds"), Cell(spread.iqr, "seconds")


def _epochs(result: Benchmark) -> Table:
    several = len(result.runs) > 1
    columns = [Column("model", "Model", False, merged=True)] if several else []
    columns += [
        Column("epoch", "Epoch"),
        Column("train_loss", "Train loss"),
        Column("train_accuracy", "Train acc"),
        Column("test_loss", "Test loss"),
        Column("test_accuracy", "Test acc"),
        Column("seconds", "Training time", drop=1),
    ]
    rows = []
    for run in result.runs:
        for epoch in _shown(run.epochs):
            name = [Cell(run.model.spec)] if several else []
            rows.append(Row((*name, *_epoch_cells(epoch))))
    return Table(tuple(columns), tuple(rows), "Epochs")


def _shown(epochs: tuple[Epoch, ...]) -> tuple[Epoch, ...]:
    """All epochs, or about a dozen of them, the first and the last among them."""
    stride = -(-len(epochs) // _ALL_EPOCHS)
    return tuple(e for e in epochs if e.epoch % stride == 0 or e in (epochs[0], epochs[-1]))


def _epoch_cells(epoch: Epoch) -> list[Cell]:
    return [
        Cell(epoch.epoch, "number"),
        Cell(epoch.train_loss, "loss"),
        Cell(epoch.train_accuracy, "share"),
        Cell(epoch.test_loss, "loss"),
        Cell(epoch.test_accuracy, "share"),
        Cell(epoch.seconds, "seconds"),
    ]


def curves_of(epochs: Mapping[str, Sequence[Epoch]]) -> Curves:
    """The picture of loss and accuracy of the models, by their names."""

    def curves(fields: dict[str, str]) -> tuple[Curve, ...]:
        found = []
        for series, (model, records) in enumerate(epochs.items()):
            for field, label in fields.items():
                points = [(float(e.epoch), getattr(e, field)) for e in records]
                known = tuple((x, y) for x, y in points if y is not None)
                name = f"{model}, {label}" if len(epochs) > 1 else label
                found += [Curve(name, known, series, label == "test")] if known else []
        return tuple(found)

    losses = curves({"train_loss": "train", "test_loss": "test"})
    accuracies = curves({"train_accuracy": "train", "test_accuracy": "test"})
    panels = [Panel("Loss", "epoch", losses), Panel("Accuracy", "epoch", accuracies)]
    drawn = tuple(panel for panel in panels if panel.curves)
    return Curves("curves", f"Loss and accuracy of {', '.join(epochs)}", drawn)


def _confusion(run: Run, number: int) -> list[Block]:
    """The pictures of the last test: how often a class was predicted as which, and mistakes."""
    if run.confusion is None:
        return []
    names, counts, name = run.confusion.classes, run.confusion.counts, run.model.spec
    blocks: list[Block] = [
        Heatmap(f"confusion-{number}", f"Classes of {name} on the test data", names, counts,
                x_title="predicted", y_title="label")
    ]  # fmt: skip
    images = tuple(
        Image(f"{names[each.label]} → {names[each.predicted]} {each.confidence:.0%}",
              each.height, each.width, each.channels, each.pixels)
        for each in run.confusion.mistakes
    )  # fmt: skip
    if images:
        title = f"Test examples of which {name} predicts another class (label → predicted)"
        blocks.append(ImageGrid(f"mistakes-{number}", title, images))
    return blocks


def _conditions(result: Benchmark) -> Facts:
    """The protocol, the machine and the software."""
    where, protocol = result.environment, result.protocol
    device = f"{where.device_name} ({where.device})"
    items = [("Protocol", Cell(_protocol_text(protocol, result.runs)))]
    sizes = {format_shape(run.input): None for run in result.runs}
    items.append(("Input", Cell(", ".join(sizes))))
    items.append(("Device", Cell(f"{device}, {protocol.precision}, {where.threads} threads")))
    if where.processes > 1:
        items.append(("Processes", Cell(where.processes, "number")))
    versions = [f"torch {where.torch}", *([f"CUDA {where.cuda}"] if where.cuda else [])]
    versions += [f"driver {where.driver}"] if where.driver else []
    items.append(("Software", Cell(", ".join(versions))))
    kinds = {run.memory_kind: None for run in result.runs if run.memory_kind}
    if kinds:
        items.append(("Memory", Cell(f"the most that was {', '.join(kinds)}")))
    peaks = {run.prediction.device: None for run in result.runs if run.prediction}
    if peaks:
        (name,) = peaks
        items.append(("Peaks", Cell(name or _NO_PEAKS)))
    return Facts(tuple(items))


def _protocol_text(protocol: Protocol, runs: tuple[Run, ...]) -> str:
    sizes = ", ".join(str(n) for n in {run.batch_size: None for run in runs})
    batch = f"batch {sizes}" + (f" × {protocol.accumulate}" if protocol.accumulate > 1 else "")
    if protocol.inference:
        return f"inference, {batch}"
    rate = next((run.learning_rate for run in runs), None)
    parts = [f"{protocol.optimizer}, learning rate {rate:g} {protocol.schedule}", batch]
    parts += [f"weight decay {protocol.weight_decay:g}"] if protocol.weight_decay else []
    parts += [f"{protocol.init} weights", f"seed {protocol.seed}"]
    flags = {"augmented": protocol.augment, "compiled": protocol.compile,
             "channels last": protocol.channels_last}  # fmt: skip
    return ", ".join([*parts, *(name for name, on in flags.items() if on)])


def data(result: Benchmark, options: Options) -> Data:
    """A row per model."""

    def from_last(field: str) -> Callable[[Run], Any]:
        return lambda run: getattr(run.epochs[-1], field) if run.epochs else None

    def from_timing(field: str) -> Callable[[Run], Any]:
        return lambda run: attrgetter(field)(run.timing) if run.timing else None

    def from_prediction(field: str) -> Callable[[Run], Any]:
        return lambda run: getattr(run.prediction, field) if run.prediction else None

    columns: dict[str, Callable[[Run], Any]] = {
        "model": attrgetter("model.spec"),
        "data": lambda run: result.data.name,
        "input": attrgetter("input"),
        "device": lambda run: result.environment.device_name,
        "precision": lambda run: result.protocol.precision,
        "batch_size": attrgetter("batch_size"),
        "params": attrgetter("params"),
        "macs": attrgetter("macs"),
        "status": attrgetter("status"),
        "steps": attrgetter("steps"),
        "epochs": lambda run: run.epochs[-1].epoch if run.epochs else None,
        "learning_rate": attrgetter("learning_rate"),
        **{
            name: from_last(name)
            for name in ("train_loss", "train_accuracy", "test_loss", "test_accuracy")
        },
        "examples_per_second": from_timing("examples_per_second"),
        "step_seconds": from_timing("seconds.median"),
        "iqr_seconds": from_timing("seconds.iqr"),
        "data_share": from_timing("data_share"),
        "memory_bytes": attrgetter("memory_bytes"),
        "predicted_seconds": from_prediction("seconds"),
        "predicted_bytes": from_prediction("memory_bytes"),
        "flops_per_second": attrgetter("flops_per_second"),
        "mfu": attrgetter("mfu"),
    }
    return data_table(columns, result.runs)
