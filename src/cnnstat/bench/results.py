"""The records of `bench`. Times are in seconds, memory in bytes, shares and accuracies 0 to 1.

`None` means that there is no such figure, never 0.
"""

from __future__ import annotations

from typing import Any, Literal

from ..analysis.results import Model, Tool
from ..choices import BenchPrecision, Init, OptimizerName, Schedule, TrainingDevice
from ..results import Record, Result, Shape

Status = Literal["finished", "interrupted", "diverged"]
Phase = Literal["data", "forward", "backward", "optimizer"]


class Protocol(Record, frozen=True, kw_only=True):
    """How models are trained: everything but the model. The defaults are the textbook's.

    At most one of `steps`, `epochs` and `minutes` is given. `batch_size` is what one process
    computes at once; a step of the optimizer takes `accumulate` of them from each process.
    """

    data: str = "digits"
    data_dir: str | None = None
    steps: int | None = None
    epochs: int | None = None
    minutes: float | None = None
    batch_size: int = 128
    accumulate: int = 1
    optimizer: OptimizerName = "sgd"
    lr: float | None = None
    momentum: float = 0.9
    weight_decay: float = 0.0
    schedule: Schedule = "constant"
    init: Init = "xavier"
    augment: bool = False
    precision: BenchPrecision = "fp32"
    compile: bool = False
    channels_last: bool = False
    workers: int = 2
    seed: int = 0
    device: TrainingDevice = "auto"
    inference: bool = False
    layers: bool = False
    device_peaks: str | None = None


class Environment(Record, frozen=True, kw_only=True):
    """Where it was measured."""

    torch: str
    python: str
    platform: str
    cpu: str
    threads: int
    device: str
    device_name: str
    cuda: str | None
    driver: str | None
    processes: int
    git_revision: str | None


class Step(Record, frozen=True, kw_only=True):
    """One step of the optimizer, or one forward pass with `--inference`.

    `loss` is the mean over the step's examples of all processes. `examples` counts those of all
    processes, the times are of the first.
    """

    model: str
    step: int
    epoch: int
    examples: int
    loss: float | None
    accuracy: float | None
    learning_rate: float | None
    seconds: float
    phases: dict[Phase, float]


class Epoch(Record, frozen=True, kw_only=True):
    """`train_loss` and `train_accuracy` are means over the epoch, while the weights changed.

    `seconds` is the time of its steps alone.
    """

    epoch: int
    step: int
    train_loss: float
    train_accuracy: float | None
    test_loss: float | None
    test_accuracy: float | None
    seconds: float


class Spread(Record, frozen=True):
    """The median of repeated measurements, and the quartiles around it."""

    lower: float
    median: float
    upper: float

    @property
    def iqr(self) -> float:
        return self.upper - self.lower


class Timing(Record, frozen=True, kw_only=True):
    """The steps after the warm-up, full batches only; `step_seconds` are the raw times.

    `examples_per_second` is all their examples through all their seconds. `settled` is false where
    the step time never did, and the second half of the steps was taken.
    """

    warmup_steps: int
    settled: bool
    step_seconds: tuple[float, ...]
    seconds: Spread
    phases: dict[Phase, Spread]
    examples_per_second: float
    data_share: float


class LayerTime(Record, frozen=True):
    """The forward pass of one layer, on a batch, and its backward pass where it had one."""

    path: str
    type: str
    seconds: Spread
    backward: Spread | None = None

    @property
    def both(self) -> float:
        """The median seconds of the two together."""
        return self.seconds.median + (self.backward.median if self.backward else 0.0)


class LayerTimes(Record, frozen=True):
    """The layers in the order in which the model holds them; the whole pass with hooks and bare.

    That is the forward pass and, in training, loss and backward pass. The times of the layers are
    those with hooks.
    """

    layers: tuple[LayerTime, ...]
    bare: Spread
    hooked: Spread

    @property
    def overhead(self) -> float:
        """The share that the hooks add to the pass."""
        return self.hooked.median / self.bare.median - 1


class Prediction(Record, frozen=True, kw_only=True):
    """What was to be expected of a step of one process.

    `flops` are 2 × the MACs of its forward and backward passes. `seconds` is the least that it
    takes on `device`, whose peak arithmetic is `peak_flops`: all three None where no peaks are
    known. `memory_bytes` is the peak of what its tensors hold, None with the reason in `notes`.
    """

    flops: int
    seconds: float | None
    peak_flops: int | None
    device: str | None
    memory_bytes: int | None
    notes: tuple[str, ...]


class Run(Record, frozen=True, kw_only=True):
    """What became of one model.

    `macs` are those of one example's forward pass. `memory_bytes` is the peak, of what
    `memory_kind` says. `flops_per_second` is reached in the median step, `mfu` its share of the
    device's peak.
    """

    model: Model
    input: Shape
    params: int
    macs: int
    batch_size: int
    learning_rate: float | None
    status: Status
    steps: int
    epochs: tuple[Epoch, ...]
    timing: Timing | None
    memory_bytes: int | None
    memory_kind: Literal["allocated on the device", "resident, whole process"] | None
    layers: LayerTimes | None
    prediction: Prediction | None
    flops_per_second: float | None
    mfu: float | None
    notes: tuple[str, ...]


class DataFacts(Record, frozen=True):
    """The data that was trained on; `test` is 0 where nothing is tested."""

    name: str
    train: int
    test: int
    classes: int


class Benchmark(Result, frozen=True, kw_only=True):
    """Models trained by one protocol on one machine."""

    kind: Literal["benchmark"] = "benchmark"
    tool: Tool
    protocol: Protocol
    environment: Environment
    data: DataFacts
    runs: tuple[Run, ...]
    notes: tuple[str, ...]


class Job(Record, frozen=True, kw_only=True):
    """What `bench` was asked for: enough to do it again, or to go on with it."""

    models: tuple[str, ...]
    inputs: tuple[str, ...]
    arguments: dict[str, Any]
    protocol: Protocol
