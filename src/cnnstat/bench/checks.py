"""What can be refused before anything is loaded."""

from __future__ import annotations

from collections import Counter
from typing import get_args

from ..choices import OPTIMIZERS, Init, Schedule, TrainingDevice, check_choice, precisions_of
from ..errors import UsageError
from .results import Job, Protocol

_CHOICES = {
    "optimizer": tuple(OPTIMIZERS),
    "precision": precisions_of("bench"),
    "device": get_args(TrainingDevice),
    "schedule": get_args(Schedule),
    "init": get_args(Init),
}

_LARGEST_SEED = 2**32 - 1  # torch takes 64 bits; each epoch has a seed of its own made of it


def check(job: Job) -> None:
    """Refuse what cannot be done.

    Raises:
        UsageError: naming the option.
    """
    twice = [spec for spec, count in Counter(job.models).items() if count > 1]
    if twice:
        raise UsageError(f"{twice[0]} is named twice: its steps could not be told apart")
    if not job.models:
        raise UsageError("bench takes at least one model", hint="cnnstat bench lenet")
    for name, known in _CHOICES.items():
        check_choice(name, getattr(job.protocol, name), known)
    _check_limit(job.protocol)
    _check_numbers(job.protocol)
    if job.protocol.inference and job.protocol.augment:
        raise UsageError("--augment is for training, --inference does not train")
    if job.protocol.layers and job.protocol.compile:
        raise UsageError("--compile fuses layers: --layers cannot time them one by one")


def _check_limit(protocol: Protocol) -> None:
    ends = {"--steps": protocol.steps, "--epochs": protocol.epochs, "--minutes": protocol.minutes}
    given = [name for name, value in ends.items() if value is not None]
    if len(given) > 1:
        raise UsageError(f"{' and '.join(given)} both say when to stop: give one of them")
    for name, value in ends.items():
        if value is not None and not value > 0:  # nor is NaN
            raise UsageError(f"{name} {value:g} is not positive")


def _check_numbers(protocol: Protocol) -> None:
    for name, least in (("batch_size", 1), ("accumulate", 1), ("workers", 0), ("seed", 0)):
        if getattr(protocol, name) < least:
            option = f"--{name.replace('_', '-')}"
            raise UsageError(f"{option} {getattr(protocol, name)} is less than {least}")
    if protocol.seed > _LARGEST_SEED:
        raise UsageError(f"--seed {protocol.seed} is more than {_LARGEST_SEED}")
    if protocol.lr is not None and not protocol.lr > 0:
        raise UsageError(f"--lr {protocol.lr:g} is not positive", hint="--lr 0.1")
