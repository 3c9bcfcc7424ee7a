"""Peak throughput measured on this machine: matrix products and memory bandwidth.

A product of two n×n matrices is 2·n³ FLOP. Memory is measured as STREAM does (McCalpin 1995): a
copy moves two arrays, a triad a = b + s·c three, each much larger than the caches; reads that a
processor adds before a write are not counted.
"""

from __future__ import annotations

import platform
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from statistics import median, quantiles
from typing import Literal

import torch

from ..choices import PRECISIONS, RooflinePrecision
from ..errors import UsageError
from ..tracing.run.lanes import available_bytes
from .results import Device, Measured

_SIZES = {"cpu": (512, 1024, 2048, 3072), "cuda": (2048, 4096, 8192, 16384)}
_ARRAY_BYTES = {"cpu": 256 * 2**20, "cuda": 4 * 2**30}
_SECONDS = {"cpu": 0.3, "cuda": 0.3}  # for each size, kernel and precision
_LEAST_REPEATS = 5


@dataclass(frozen=True)
class _Rate:
    """Work per second over repeats: the median, and the interquartile range as a fraction of it."""

    median: float
    spread: float


@dataclass(frozen=True)
class _Timer:
    """Times functions on a kind of device."""

    kind: str
    clock: Callable[[], float]

    def rate(self, work: int, run: Callable[[], object]) -> _Rate:
        """`work` per second, over repeats after two for warm-up."""
        for _ in range(2):
            self._timed(run)
        seconds: list[float] = []
        while len(seconds) < _LEAST_REPEATS or sum(seconds) < _SECONDS[self.kind]:
            seconds.append(self._timed(run))
        rates = [work / s for s in seconds]
        low, _, high = quantiles(rates, n=4)
        return _Rate(median(rates), (high - low) / median(rates))

    def _timed(self, run: Callable[[], object]) -> float:
        self._synchronise()
        start = self.clock()
        run()
        self._synchronise()
        return self.clock() - start

    def _synchronise(self) -> None:
        if self.kind == "cuda":
            torch.cuda.synchronize()


def measured_device(device: str | None, clock: Callable[[], float]) -> Device:
    """Measure this machine, with a clock that returns seconds.

    Raises:
        UsageError: it has no such device.
    """
    kind = device or ("cuda" if torch.cuda.is_available() else "cpu")
    if kind not in _SIZES or (kind == "cuda" and not torch.cuda.is_available()):
        known = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
        raise UsageError(f"cannot measure {kind!r} here", f"known: {', '.join(known)}")
    with torch.inference_mode():
        timer = _Timer(kind, clock)
        products = {p: _fastest_product(timer, p) for p in _precisions(kind)}
        moved, traffic, kernel = _fastest_traffic(timer)
    sizes: dict[str, int] = {precision: size for precision, (size, _) in products.items()}
    rates = {precision: rate for precision, (_, rate) in products.items()}
    title, memory = _title_and_memory(kind)
    return Device(
        name=f"this-{kind}", title=title, processor="cpu" if kind == "cpu" else "gpu",
        peak_flops={precision: round(rate.median) for precision, rate in rates.items()},
        bandwidth=round(traffic.median), memory_bytes=memory,
        source="measured by cnnstat devices --measure",
        measured=Measured(
            torch=str(torch.__version__), threads=torch.get_num_threads(),
            peak_flops_spread={p: rate.spread for p, rate in rates.items()},
            bandwidth_spread=traffic.spread, matmul_size=sizes, bandwidth_kernel=kernel,
            bandwidth_bytes=moved,
        ),
    )  # fmt: skip


def _precisions(kind: str) -> tuple[RooflinePrecision, ...]:
    if kind == "cpu":
        return ("fp64", "fp32", "bf16", "fp16")
    tensor_cores: tuple[RooflinePrecision, ...] = ("tf32", "bf16", "fp16")
    if torch.cuda.get_device_capability()[0] < 8 and torch.version.hip is None:
        tensor_cores = ("fp16",)  # before Ampere: neither TF32 nor bf16
    return ("fp64", "fp32", *tensor_cores)


def _fastest_product(timer: _Timer, precision: RooflinePrecision) -> tuple[int, _Rate]:
    """The size at which matrix products are fastest, and their FLOP/s there."""
    kind = timer.kind
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = PRECISIONS[precision].tf32
    dtype: torch.dtype = getattr(torch, PRECISIONS[precision].lowest)
    rates: dict[int, _Rate] = {}
    try:
        for size in _SIZES[kind]:
            a, b = (torch.rand(size, size, device=kind).to(dtype) for _ in "ab")
            out = torch.empty_like(a)
            work = 2 * size**3
            if rates and work / rates[max(rates)].median > _SECONDS[kind]:
                break  # this size would take too long
            rates[size] = timer.rate(work, partial(torch.mm, a, b, out=out))
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before
    size = max(rates, key=lambda n: rates[n].median)
    return size, rates[size]


def _fastest_traffic(timer: _Timer) -> tuple[int, _Rate, Literal["copy", "triad"]]:
    """The bytes of one array, and the bytes per second of the faster kernel."""
    kind = timer.kind
    free = available_bytes() if kind == "cpu" else torch.cuda.mem_get_info()[0]
    count = min(_ARRAY_BYTES[kind], free // 8) // 4
    a, b, c = (torch.ones(count, device=kind) for _ in "abc")
    copy = timer.rate(2 * a.nbytes, partial(a.copy_, b))
    triad = timer.rate(3 * a.nbytes, partial(torch.add, b, c, alpha=2.0, out=a))
    return (a.nbytes, copy, "copy") if copy.median > triad.median else (a.nbytes, triad, "triad")


def _title_and_memory(kind: str) -> tuple[str, int | None]:
    """The name of the device, and its memory in bytes."""
    if kind == "cuda":
        properties = torch.cuda.get_device_properties(0)
        return properties.name, properties.total_memory
    threads = torch.get_num_threads()
    return f"{processor_name()}, {threads} thread{'s' if threads > 1 else ''}", None


def processor_name() -> str:
    """The name of the processor, as far as the system reports it."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as cpuinfo:
            names = [x.partition(":")[2].strip() for x in cpuinfo if x.startswith("model name")]
    except OSError:  # not Linux
        names = []
    return names[0] if names else platform.processor() or platform.machine()
