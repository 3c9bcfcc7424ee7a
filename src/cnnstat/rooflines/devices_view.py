"""The view of devices: a table of their peak throughput, and the sources of the figures."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any

from ..choices import precisions_of
from ..render.blocks import Block, Cell, Column, Facts, Report, Text, table
from ..render.data import Data, data_table
from ..render.options import Options
from ..units import format_bytes
from .results import Device, Devices, Measured

_PRECISIONS = precisions_of("roofline")
_DROPPED = {"fp64": 5, "tf32": 4, "fp16": 3}
_COLUMNS = (
    Column("name", "Name", False),
    *(Column(p, p, True, _DROPPED.get(p, 0)) for p in _PRECISIONS),
    Column("bandwidth", "Bandwidth", True, 1),
    Column("memory", "Memory", True, 2),
)


def view(devices: Devices, options: Options) -> Report:
    """The report of the table of devices, or of the measured one."""
    measured = [device for device in devices.devices if device.measured is not None]
    if len(measured) == len(devices.devices) == 1:
        return _measured_view(measured[0], devices.notes)
    rows = [
        [
            Cell(device.name),
            *(Cell(device.peak_flops.get(precision), "tera") for precision in _PRECISIONS),
            Cell(device.bandwidth, "byte_rate"),
            Cell(device.memory_bytes, "bytes"),
        ]
        for device in devices.devices
    ]
    sources = Facts(tuple((d.name, Cell(f"{d.title}: {d.source}")) for d in devices.devices),
                    "Sources")  # fmt: skip
    blocks: list[Block] = [table(_COLUMNS, rows), sources]
    if devices.notes:
        blocks.append(Text(tuple(f"note: {note}" for note in devices.notes), "note"))
    return Report("peaks of devices: dense products in TFLOP/s, memory", tuple(blocks))


_STEADY = 0.1  # the spread on an idle machine


def _measured_view(device: Device, notes: tuple[str, ...]) -> Report:
    measured = device.measured
    assert measured is not None
    columns = (
        Column("what", "Measured", False), Column("rate", "Peak"),
        Column("spread", "Spread (IQR)"), Column("how", "Fastest", False, 1),
    )  # fmt: skip
    rows = [
        [
            Cell(precision),
            Cell(device.peak_flops[precision], "flop_rate"),
            Cell(measured.peak_flops_spread.get(precision), "share"),
            Cell(_product(measured, precision)),
        ]
        for precision in _PRECISIONS
        if precision in device.peak_flops
    ]
    arrays = f"arrays of {format_bytes(measured.bandwidth_bytes)}"
    rows.append(
        [
            Cell("memory"),
            Cell(device.bandwidth, "byte_rate"),
            Cell(measured.bandwidth_spread, "share"),
            Cell(f"{measured.bandwidth_kernel}, {arrays}"),
        ]
    )
    if max([measured.bandwidth_spread, *measured.peak_flops_spread.values()]) > _STEADY:
        notes = (
            *notes,
            "the repeats differ: with other work on the machine peaks come out too low",
        )
    lines = (f"note: torch {measured.torch}; each peak is the median of repeats",
            *(f"note: {note}" for note in notes))  # fmt: skip
    return Report(f"{device.name}: {device.title}", (table(columns, rows), Text(lines, "note")))


def _product(measured: Measured, precision: str) -> str | None:
    size = measured.matmul_size.get(precision)
    return f"{size}×{size} matrix product" if size else None


def data(devices: Devices, options: Options) -> Data:
    """A row per device: peaks in FLOP/s, bandwidth in bytes/s."""

    def peak(precision: str) -> Callable[[Device], int | None]:
        return lambda device: device.peak_flops.get(precision)

    columns: dict[str, Callable[[Device], Any]] = {
        "name": attrgetter("name"),
        "title": attrgetter("title"),
        "processor": attrgetter("processor"),
        **{f"{precision}_flops": peak(precision) for precision in _PRECISIONS},
        "bandwidth": attrgetter("bandwidth"),
        "memory_bytes": attrgetter("memory_bytes"),
        "measured": lambda device: device.measured is not None,
        "source": attrgetter("source"),
    }
    return data_table(columns, devices.devices)
