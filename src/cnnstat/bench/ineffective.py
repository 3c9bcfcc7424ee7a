"""What a training does not do: options without an effect, examples without a batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any

from ..choices import OPTIMIZERS
from ..errors import UsageError
from .datasets import data_kinds, is_downloaded
from .results import Protocol, Step
from .torch_schedules import torch_schedule

_OF_TRAINING = (
    "optimizer", "lr", "momentum", "weight_decay", "schedule", "label_smoothing", "patience",
    "loss", "test_data", "augment",
)  # fmt: skip


@dataclass(frozen=True)
class Rule:
    """An option; `reason` is why it has no effect beside the others, None if it has one."""

    option: str
    reason: Callable[[Protocol], str | None]
    hint: str | None = None


def _momentum(protocol: Protocol) -> str | None:
    if "momentum" in OPTIMIZERS[protocol.optimizer].settings:
        return None
    return f"{protocol.optimizer} has no momentum"


def _data_dir(protocol: Protocol) -> str | None:
    return None if is_downloaded(protocol.data) else f"{protocol.data} is not downloaded"


def _workers(protocol: Protocol) -> str | None:
    kind = protocol.data.partition(":")[0]
    if kind == "folder" or kind not in data_kinds():
        return None
    return f"{protocol.data} is in memory: there is nothing to read"


def _lr(protocol: Protocol) -> str | None:
    schedule = torch_schedule(protocol.schedule)
    if schedule is None or schedule.rate_argument is None:
        return None
    return f"{schedule.rate_argument} of {schedule.name} is the learning rate"


_RULES = (
    *(
        Rule(name, lambda p: "--inference does not train" if p.inference else None)
        for name in _OF_TRAINING
    ),
    Rule("momentum", _momentum, "--optimizer momentum, which is SGD with momentum"),
    Rule("data_dir", _data_dir),
    Rule("workers", _workers),
    Rule("lr", _lr),
    Rule("label_smoothing", lambda p: "it is of cross-entropy, --loss is another loss"
         if p.loss else None),
)  # fmt: skip


def check_effects(protocol: Protocol, settings: Mapping[str, Any]) -> None:
    """Raise for a setting that was chosen and has no effect.

    Raises:
        UsageError: it names the option and the reason.
    """
    chosen = set(_chosen(settings))
    for rule in _RULES:
        reason = rule.reason(protocol) if rule.option in chosen else None
        if reason is not None:
            option = f"--{rule.option.replace('_', '-')}"
            raise UsageError(
                f"{option} has no effect: {reason}", hint=rule.hint or f"leave out {option}"
            )


def _chosen(settings: Mapping[str, Any]) -> Iterator[str]:
    """The settings that were chosen: those without a default by any value, others by another."""
    defaults = Protocol()
    for name, value in settings.items():
        default = {"momentum": None, "workers": 0}.get(name, getattr(defaults, name, None))
        if value is not None and value is not default and not _equal(value, default):
            yield name


def _equal(value: Any, default: Any) -> bool:
    """Whether both are the same number or text; arrays and modules are never compared."""
    return isinstance(value, int | float | str) and bool(value == default)


def effect_notes(
    protocol: Protocol, has_test: bool, rank: int, epoch_steps: int | None
) -> Iterator[str]:
    """Notes on settings that do not do what they usually do. `rank`: axes of a batch of inputs."""
    if protocol.patience is not None:
        if not has_test:
            yield "there is no test data: --patience looks at the training loss"
        epochs = protocol.epochs
        if protocol.steps is not None and epoch_steps:
            epochs = ceil(protocol.steps / epoch_steps)
        if epochs is not None and epochs <= protocol.patience:
            count = f"{epochs} epoch{'s' * (epochs != 1)}"
            yield f"--patience {protocol.patience} cannot end a training of {count}"
    if protocol.channels_last and rank != 4:
        yield "--channels-last has no effect: the inputs are no batches of images"


def remainder_notes(left_out: int, examples: int, processes: int) -> Iterator[str]:
    """The note that the last batch of an epoch is too small to train on."""
    if left_out:
        each = " for each process" if processes > 1 else ""
        yield (
            f"{left_out} of {examples:,} examples, others in each epoch, are left out: the last "
            f"batch has less than two{each}, of which batch norm has no statistics"
        )


def schedule_notes(protocol: Protocol, steps: list[Step]) -> Iterator[str]:
    """The note that a schedule left the learning rate as it was."""
    rates = {step.learning_rate for step in steps}
    if protocol.schedule != "constant" and len(rates) == 1 and len(steps) > 1:
        (rate,) = rates
        yield f"the learning rate was {rate:g} in all steps: --schedule {protocol.schedule}"
