"""The closed sets of values for options and arguments, each defined once.

The command line, the public functions, the results and their JSON Schema import them from here. The
names of optimizers and precisions are the keys of a table, so a new one is a row. Type checkers
cannot derive a `Literal` from a table and see `str`, so functions check a name at run time
(`check_choice`), as the command line does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, get_args

from .errors import UsageError

Mode = Literal["eval", "train"]
"""The mode that `nn.Module.train` sets on the modules of a model."""
MODES: tuple[Mode, ...] = get_args(Mode)

LaneName = Literal["meta", "fake", "cpu"]
"""How a model is run: without data (torch's `meta` device, its `FakeTensor`s), or executed."""
LANES: tuple[LaneName, ...] = get_args(LaneName)
LaneOrAuto = Literal["auto", LaneName]
"""The values on the command line; `auto` is the first lane on which the model runs."""

DeviceKind = Literal["cuda", "cpu"]
"""Devices with known kernels, memory and peak throughput."""
DEVICE_KINDS: tuple[DeviceKind, ...] = get_args(DeviceKind)
TrainingDevice = Literal["auto", "cpu", "cuda", "mps"]
"""Devices on which `bench` and `latency` run; `auto` is the fastest one available."""

SCHEDULES = ("constant", "cosine", "step")
"""The learning rate schedules of cnnstat; others are torch's, `StepLR(step_size=5)`."""
ProtocolName = Literal["auto", "textbook"]
"""The defaults of `bench`: those for its data, or those of Dive into Deep Learning for all data."""
LogName = Literal["tensorboard", "csv", "wandb"]
"""Where the course of a training is written too."""
Init = Literal["xavier", "default"]
"""Initial weights; `default` are those of the model's constructor."""

DATA: dict[str, str] = {
    "digits": "1,797 handwritten digits, no download", "fashion-mnist": "60,000 grey images",
    "mnist": "60,000 handwritten digits", "cifar10": "50,000 colour images",
    "folder:": "a folder for each class", "synthetic": "noise: speed only",
}  # fmt: skip
"""The data that `bench` trains on."""

LOSSES: dict[str, str | None] = {
    "cross-entropy": None, "mse": "torch.nn:MSELoss", "l1": "torch.nn:L1Loss",
    "huber": "torch.nn:HuberLoss", "bce-logits": "torch.nn:BCEWithLogitsLoss",
    "bce": "torch.nn:BCELoss", "nll": "torch.nn:NLLLoss",
}  # fmt: skip
"""The losses that `bench` knows by a name, as the place of torch's; None is its own."""

Severity = Literal["error", "warning", "hint"]
"""How sure and how bad a finding of `lint` is."""
SEVERITIES: tuple[Severity, ...] = get_args(Severity)
FailOn = Literal[Severity, "never"]
"""From which severity on findings are a failure."""
Loss = Literal["cross-entropy", "bce-logits"]
"""A loss that applies its own softmax or sigmoid."""
LintFormat = Literal["table", "json", "github", "sarif", "markdown", "csv"]


@dataclass(frozen=True)
class Optimizer:
    """One of torch's optimizers.

    `settings` are the arguments that differ from torch's defaults. `accesses` are the memory reads
    and writes per trained parameter and step by a fused kernel, each array once. `learning_rate` is
    the default of `bench`.
    """

    title: str
    torch_class: str
    accesses: int
    learning_rate: float
    settings: Mapping[str, Any] = field(default_factory=dict)


# An update reads the parameter p and its gradient g and writes p: 3 accesses. Each state array of
# the size of p is read and written: 2 more. The sources define the state.
OPTIMIZERS: dict[str, Optimizer] = {
    # p ← p − η·g
    "sgd": Optimizer("SGD", "SGD", 3, 0.1),
    # m ← μ·m + g (Sutskever et al. 2013)
    "momentum": Optimizer("SGD with momentum", "SGD", 5, 0.1, {"momentum": 0.9}),
    "nesterov": Optimizer(
        "SGD with Nesterov's momentum", "SGD", 5, 0.1, {"momentum": 0.9, "nesterov": True}
    ),
    # the means m of g and v of g² (Kingma and Ba 2015, algorithm 1)
    "adam": Optimizer("Adam", "Adam", 7, 1e-3),
    "adamw": Optimizer("AdamW", "AdamW", 7, 1e-3),  # Loshchilov and Hutter 2019, algorithm 2
    # the mean of g² (Tieleman and Hinton 2012)
    "rmsprop": Optimizer("RMSprop", "RMSprop", 5, 1e-3),
    # the sum of g² (Duchi, Hazan and Singer 2011)
    "adagrad": Optimizer("Adagrad", "Adagrad", 5, 1e-2),
    # the means of g² and of the squared updates (Zeiler 2012, algorithm 1)
    "adadelta": Optimizer("Adadelta", "Adadelta", 7, 1.0),
    # the mean m of g and the largest |g| so far, decayed (Kingma and Ba 2015, algorithm 2)
    "adamax": Optimizer("Adamax", "Adamax", 7, 2e-3),
    # m and v as Adam (Dozat 2016)
    "nadam": Optimizer("NAdam", "NAdam", 7, 2e-3),
    # m and v as Adam (Liu et al. 2020, algorithm 2)
    "radam": Optimizer("RAdam", "RAdam", 7, 1e-3),
}


def learning_rates() -> str:
    """The default learning rates as text: "0.1; 0.001 for adam and adamw; …"."""
    names_by_rate: dict[float, list[str]] = {}
    for name, row in OPTIMIZERS.items():
        names_by_rate.setdefault(row.learning_rate, []).append(name)
    usual = OPTIMIZERS["sgd"].learning_rate
    others = [(rate, names) for rate, names in names_by_rate.items() if rate != usual]
    return "; ".join([f"{usual:g}", *(f"{rate:g} for {_joined(names)}" for rate, names in others)])


def _joined(names: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


Command = Literal["bench", "latency", "memory", "roofline"]
_BYTES = {"float64": 8, "float32": 4, "bfloat16": 2, "float16": 2}


@dataclass(frozen=True)
class Precision:
    """A precision of training or inference, and the commands that support it.

    `parameters` is the dtype of parameters, gradients and optimizer state. `autocast` is the lower
    dtype of `torch.autocast`, None without it. `fabric` is its name in Lightning Fabric. `tf32`:
    matrix products round fp32 to TF32.

    `bench` and `latency` run in it, and `memory` tracks the tensors of such a run. `roofline`
    assumes the lower dtype for all products and floating-point tensors of a step, which gives a
    lower bound.
    """

    commands: tuple[Command, ...]
    parameters: str
    autocast: str | None = None
    fabric: str | None = None
    tf32: bool = False

    @property
    def lowest(self) -> str:
        """The dtype of matrix products; with TF32 that of their operands in memory."""
        return self.autocast or self.parameters

    @property
    def itemsize(self) -> int:
        """Bytes of an element of the dtype `lowest`."""
        return _BYTES[self.lowest]

    @property
    def parameter_itemsize(self) -> int:
        return _BYTES[self.parameters]


PRECISIONS: dict[str, Precision] = {
    "fp32": Precision(("bench", "latency", "memory", "roofline"), "float32", fabric="32-true"),
    "tf32": Precision(("bench", "latency", "roofline"), "float32", fabric="32-true", tf32=True),
    "bf16": Precision(
        ("bench", "latency", "memory", "roofline"), "float32", "bfloat16", "bf16-mixed"
    ),
    # with the loss scaled, or gradients would vanish
    "fp16": Precision(("bench", "latency", "memory", "roofline"), "float32", "float16", "16-mixed"),
    "bf16-true": Precision(("latency", "memory"), "bfloat16"),
    "fp16-true": Precision(("latency", "memory"), "float16"),
    "fp64": Precision(("roofline",), "float64"),
}


PRECISION_NAMES: dict[str, str] = {
    **{row.fabric: name for name, row in PRECISIONS.items() if row.fabric and not row.tf32},
    "16-true": "fp16-true", "16": "fp16", "32": "fp32", "64": "fp64", "float32": "fp32",
    "float64": "fp64", "bfloat16": "bf16", "float16": "fp16", "half": "fp16", "amp": "fp16",
    "double": "fp64", "float": "fp32",
}  # fmt: skip
"""Other names of precisions: those of Lightning, and of the dtype of `torch.autocast`."""


def precisions_of(command: Command) -> tuple[str, ...]:
    """The names of the precisions that a command supports."""
    return tuple(name for name, row in PRECISIONS.items() if command in row.commands)


if TYPE_CHECKING:
    OptimizerName = str
    BenchPrecision = str
    LatencyPrecision = str
    MemoryPrecision = str
    RooflinePrecision = str
else:
    OptimizerName = Literal[tuple(OPTIMIZERS)]
    BenchPrecision = Literal[precisions_of("bench")]
    LatencyPrecision = Literal[precisions_of("latency")]
    MemoryPrecision = Literal[precisions_of("memory")]
    RooflinePrecision = Literal[precisions_of("roofline")]


def check_choice(what: str, choice: str | None, known: Sequence[str | None]) -> None:
    """Raise UsageError if a choice is unknown."""
    if choice not in known:
        raise UsageError(f"unknown {what} {choice!r}", f"known: {', '.join(filter(None, known))}")
