"""The results about devices and rooflines: frozen records, which are the JSON that is written.

Peaks are in FLOP/s (a multiply and an add are two) and bytes/s, times in seconds.
"""

from __future__ import annotations

from typing import Literal

from ..analysis.results import Input, Model, Role, Tool
from ..choices import Mode, OptimizerName, RooflinePrecision
from ..results import Record, Result

Bound = Literal["arithmetic", "bandwidth"]


class Measured(Record, frozen=True):
    """How the peaks of a machine were measured.

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
    """A processor with its peaks.

    `peak_flops` are dense matrix products by precision, accumulated in fp32 (fp64 in fp64); a
    precision that the device has no such units for is not in it. `bandwidth` is that of the memory.
    `memory_bytes` is None where it is not told. `source` names the document of each figure.
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
    """The devices that can be named, or the one that was measured."""

    kind: Literal["devices"] = "devices"
    devices: tuple[Device, ...]
    notes: tuple[str, ...] = ()


class Work(Record, frozen=True):
    """What operators do, and what they take at least.

    `bytes` are read from and written to memory. An operator takes the longer of `2·macs / peak` and
    `bytes / bandwidth`; `arithmetic_seconds` sums it over the operators for which the first is the
    longer, `bandwidth_seconds` over the others, `seconds` over all.
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
        """What takes most of the time; None where nothing takes any."""
        if not self.seconds:
            return None
        return "arithmetic" if self.arithmetic_seconds > self.bandwidth_seconds else "bandwidth"


class LayerWork(Record, frozen=True, kw_only=True):
    """One call: what its own operators do, and in `total` with its children, forward and backward.

    `backward` is None where there was no backward pass. `intensity` (FLOP per byte), `bound` and
    `seconds` are those of `total`. `exact` is False where an operator has no rule of cost.
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
        """`#2` for the second call of one path, nothing for the first."""
        return f"#{self.call + 1}" if self.call else ""


class Roofline(Result, frozen=True, kw_only=True):
    """What one step takes at least on a device.

    A step is a forward pass, with `training` also a backward pass and the `optimizer`'s update.
    `seconds` is a lower bound for the operators run one by one, `examples_per_second` an upper one;
    `batch_size` is None where the model has no input with a batch. `flops` are those of the step,
    `peak_flops` the device's peak at `precision`, `ridge` the intensity in FLOP per byte from which
    on arithmetic is the limit. `uncounted` are operators whose arithmetic is not known.
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
        """The share of the device's peak that a step of this length makes use of (MFU).

        `flops / seconds / peak_flops`: Chowdhery et al., PaLM, 2022, appendix B.
        """
        return self.flops / seconds / self.peak_flops
