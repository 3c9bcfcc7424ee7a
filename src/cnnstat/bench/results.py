"""The records of `bench`. Times are in seconds, memory in bytes, shares and accuracies 0 to 1.

`None` means that there is no such figure, never 0.
"""

from __future__ import annotations

from typing import Any, Literal

from ..analysis.results import Model, Tool
from ..choices import BenchPrecision, Init, OptimizerName, TrainingDevice
from ..results import Record, Result, Shape

Status = Literal["finished", "interrupted", "diverged"]
Phase = Literal["data", "forward", "backward", "optimizer"]


class Protocol(Record, frozen=True, kw_only=True):
    """The settings of a training, without the model. The defaults are those of d2l.

    `data`, `test_data` and `loss` are names; a loss that is None is cross-entropy. At most one of
    `steps`, `epochs` and `minutes` is set. `batch_size` is that of one process; a step of the
    optimizer uses `accumulate` batches of each process.
    """

    data: str = "digits"
    test_data: str | None = None
    data_dir: str | None = None
    loss: str | None = None
    steps: int | None = None
    epochs: int | None = None
    minutes: float | None = None
    batch_size: int = 128
    accumulate: int = 1
    optimizer: OptimizerName = "sgd"
    lr: float | None = None
    momentum: float = 0.9
    weight_decay: float = 0.0
    schedule: str = "constant"
    label_smoothing: float = 0.0
    patience: int | None = None
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
    """The machine and the software of a measurement."""

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


class Preparing(Record, frozen=True):
    """What is done before a training, in words: it may take a while."""

    what: str


class Step(Record, frozen=True, kw_only=True):
    """One step of the optimizer, or one forward pass with `--inference`.

    `examples` and the mean `loss` are over all processes, the times are of the first.
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
    """`train_loss` and `train_accuracy` are means over the epoch, during which the weights change.

    `seconds` is the time of its steps, without the test.
    """

    epoch: int
    step: int
    train_loss: float
    train_accuracy: float | None
    test_loss: float | None
    test_accuracy: float | None
    seconds: float


class Spread(Record, frozen=True):
    """The median and the quartiles of repeated measurements."""

    lower: float
    median: float
    upper: float

    @property
    def iqr(self) -> float:
        return self.upper - self.lower


class Timing(Record, frozen=True, kw_only=True):
    """The steps with full batches after the warm-up; `step_seconds` are the raw times.

    `examples_per_second` is the total of examples divided by the total of seconds. `settled` is
    false if the step time never settled; the figures are then those of the second half.
    """

    warmup_steps: int
    settled: bool
    step_seconds: tuple[float, ...]
    seconds: Spread
    phases: dict[Phase, Spread]
    examples_per_second: float
    data_share: float


class LayerTime(Record, frozen=True):
    """The forward pass of one layer on a batch, and its backward pass if it has one."""

    path: str
    type: str
    seconds: Spread
    backward: Spread | None = None

    @property
    def both(self) -> float:
        """The sum of both medians, in seconds."""
        return self.seconds.median + (self.backward.median if self.backward else 0.0)


class LayerTimes(Record, frozen=True):
    """The layers in the order of `named_modules`, and the whole pass with hooks and without.

    A pass is the forward pass and, in training, loss and backward pass. The times of layers are
    measured with hooks.
    """

    layers: tuple[LayerTime, ...]
    bare: Spread
    hooked: Spread

    @property
    def overhead(self) -> float:
        """The time that the hooks add, as a share of the pass without."""
        return self.hooked.median / self.bare.median - 1


class Prediction(Record, frozen=True, kw_only=True):
    """The predictions for a step of one process.

    `flops`: 2 × the MACs of its forward and backward passes. `seconds`: a lower bound on `device`,
    whose peak throughput is `peak_flops` FLOP/s; all three are None without known peaks.
    `memory_bytes`: the peak of its tensors; if it is None, `notes` have the reason.
    """

    flops: int
    seconds: float | None
    peak_flops: int | None
    device: str | None
    memory_bytes: int | None
    notes: tuple[str, ...]


class Mistake(Record, frozen=True, kw_only=True):
    """A test example whose class was predicted wrongly, with what `confidence`, 0 to 1.

    `pixels` are bytes in base64, row by row, `channels` of them per pixel, scaled to their range.
    """

    label: int
    predicted: int
    confidence: float
    height: int
    width: int
    channels: int
    pixels: str


class Confusion(Record, frozen=True):
    """The last test: `counts[label][predicted]`, and the first wrong examples."""

    classes: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    mistakes: tuple[Mistake, ...]


class Run(Record, frozen=True, kw_only=True):
    """The results of one model.

    `macs`: of the forward pass of one example. `memory_bytes`: the peak of the memory that
    `memory_kind` names. `flops_per_second`: in the median step; `mfu`: its share of the peak.
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
    confusion: Confusion | None = None


class DataFacts(Record, frozen=True):
    """The data: its name, the numbers of training and test examples, and of classes.

    `train` is None if no whole epoch of data of unknown length was seen.
    """

    name: str
    train: int | None
    test: int
    classes: int | None


class Benchmark(Result, frozen=True, kw_only=True):
    """The results of models trained by one protocol on one machine."""

    kind: Literal["benchmark"] = "benchmark"
    tool: Tool
    protocol: Protocol
    environment: Environment
    data: DataFacts
    runs: tuple[Run, ...]
    notes: tuple[str, ...]


class Job(Record, frozen=True, kw_only=True):
    """The arguments of `bench`, which are enough to repeat or to resume it.

    `objects` are the names that stand for Python objects of the caller, which are needed too.
    """

    models: tuple[str, ...]
    inputs: tuple[str, ...]
    arguments: dict[str, Any]
    protocol: Protocol
    objects: tuple[str, ...] = ()
