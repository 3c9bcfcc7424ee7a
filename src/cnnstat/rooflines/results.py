"""The results of `devices` and `roofline`.

Peak throughput is in FLOP/s (a multiply and an add are two), bandwidth in bytes/s, time in seconds.
"""

from __future__ import annotations

from typing import Literal

from ..analysis.results import Input, Model, Role, Tool
from ..choices import Mode, OptimizerName, RooflinePrecision
from ..results import Record, Result

Bound = Literal["arithmetic", "bandwidth"]


class Measured(Record, frozen=True):
    """How the peak throughput of a machine was measured.

    `peak_flops_spread` and `bandwidth_spread` are interquartile ranges as fractions of the median,
    which is the peak. `matmul_size` is the side of the square matrices that were fastest,
    `bandwidth_kernel` the copy (b = a) or triad (a = b + s·c) that was.
    """

    torch: str
    threads: int
    peak_flops_spread: dict[str, float]
    bandwidth_spread: float
    matmul_size: dict[str, int]
    bandwidth_kernel: Literal["copy", "triad"]
    bandwidth_bytes: int


class Device(Record, frozen=True, kw_only=True):
    """A processor and its peak throughput.

    `peak_flops` is that of dense matrix products by precision, accumulated in fp32 (fp64 in fp64);
    precisions without hardware units are left out. `bandwidth` is that of the device memory.
    `memory_bytes` is None if unknown. `source` names the document of each figure.
    """

    name: str
    title: str
    processor: Literal["gpu", "cpu", "other"]
    peak_flops: dict[RooflinePrecision, int]
    bandwidth: int
    memory_bytes: int | None
    source: str
    driver_names: tuple[str, ...] = ()
    measured: Measured | None = None


class Devices(Result, frozen=True, kw_only=True):
    """The table of devices, or the one that was measured."""

    kind: Literal["devices"] = "devices"
    devices: tuple[Device, ...]
    notes: tuple[str, ...] = ()


class Work(Record, frozen=True):
    """The work of operators, and a lower bound on their time.

    `bytes` are read from and written to memory. The time of an operator is the longer of
    `2·macs / peak` and `bytes / bandwidth`. `arithmetic_seconds` sums it over the compute-bound
    operators, for which the first is longer, `bandwidth_seconds` over the memory-bound ones,
    `seconds` over all.
    """

    macs: int = 0
    bytes: int = 0
    arithmetic_seconds: float = 0.0
    bandwidth_seconds: float = 0.0

    def __add__(self, other: Work) -> Work:
        return Work(
            self.macs + other.macs,
            self.bytes + other.bytes,
            self.arithmetic_seconds + other.arithmetic_seconds,
            self.bandwidth_seconds + other.bandwidth_seconds,
        )

    @property
    def flops(self) -> int:
        return 2 * self.macs

    @property
    def seconds(self) -> float:
        return self.arithmetic_seconds + self.bandwidth_seconds

    @property
    def intensity(self) -> float | None:
        """FLOP per byte; None where no bytes are moved."""
        return self.flops / self.bytes if self.bytes else None

    @property
    def bound(self) -> Bound | None:
        """What limits most of the time; None if it is 0."""
        if not self.seconds:
            return None
        return "arithmetic" if self.arithmetic_seconds > self.bandwidth_seconds else "bandwidth"


class LayerWork(Record, frozen=True, kw_only=True):
    """One call: the work of its operators, and in `total` that of its children too.

    `backward` is None without a backward pass. `intensity` (FLOP per byte), `bound` and `seconds`
    are those of `total`. `exact` is False if the cost of an operator is unknown.
    """

    path: str
    call: int
    depth: int
    kind: Literal["module", "function"]
    type: str
    config: str
    role: Role
    forward: Work
    backward: Work | None
    total: Work
    seconds: float
    intensity: float | None
    bound: Bound | None
    exact: bool

    @property
    def repetition(self) -> str:
        """`#2` for the second call of one path, empty for the first."""
        return f"#{self.call + 1}" if self.call else ""


class Roofline(Result, frozen=True, kw_only=True):
    """A lower bound on the time of one step on a device.

    A step is a forward pass, with `training` also a backward pass and the `optimizer`'s update.
    `seconds` is a lower bound for operators run one by one, `examples_per_second` an upper bound.
    `batch_size` is None if no input has a batch dimension. `flops` are those of the step,
    `peak_flops` the peak throughput at `precision`, `ridge` the intensity in FLOP per byte above
    which operators are compute-bound. `uncounted` are operators whose MACs are unknown.
    """

    kind: Literal["roofline"] = "roofline"
    tool: Tool
    model: Model
    inputs: tuple[Input, ...]
    mode: Mode
    lane: str
    device: Device
    precision: RooflinePrecision
    peak_flops: int
    bandwidth: int
    ridge: float
    batch_size: int | None
    training: bool
    optimizer: OptimizerName | None
    forward: Work
    backward: Work | None
    update: Work | None
    flops: int
    bytes: int
    seconds: float
    examples_per_second: float | None
    uncounted: dict[str, int]
    layers: tuple[LayerWork, ...]
    notes: tuple[str, ...]

    def mfu(self, seconds: float) -> float:
        """The share of the peak throughput that a step of this length uses (MFU).

        `flops / seconds / peak_flops`: Chowdhery et al., PaLM, 2022, appendix B.
        """
        return self.flops / seconds / self.peak_flops
