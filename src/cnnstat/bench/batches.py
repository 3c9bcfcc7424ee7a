"""The examples of each step, and their batches: on the device, in the model's input size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count, islice
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import ModelError, UsageError
from ..tracing.structure.containers import map_inputs
from .datasets import Data, Files, InMemory, Split, Synthetic
from .results import Protocol
from .targets import IGNORED, NameOf, in_batch, in_data, labels_of
from .user_batches import Arguments, Guarded, batch_of, collate, gpu_in_workers, next_of
from .user_data import Examples, Stream, UserSplit, as_examples

Batch = tuple[Any, Any]
"""Inputs, a tensor or `Arguments`, and targets."""
_GRAY = (0.299, 0.587, 0.114)  # of red, green and blue: ITU-R BT.601


@dataclass(frozen=True)
class StepPlan:
    """The examples of one step.

    `parts`: indices of the examples of this process, batch by batch. `examples`: their number in
    all processes.
    """

    parts: tuple[Tensor, ...]
    examples: int


@dataclass(frozen=True)
class Placement:
    """The device, and the rank of this process among all."""

    device: torch.device
    rank: int = 0
    processes: int = 1


class Part(NamedTuple):
    """A batch of this process, one of `accumulate` in a step.

    `step_examples` are those of the step in all processes.
    """

    inputs: Any
    targets: Any
    examples: int
    step_examples: int
    is_last: bool


@dataclass(frozen=True)
class EpochOfBatches:
    """The batches of an epoch; `steps` is their number, None if it is not known."""

    steps: int | None
    parts: Iterator[Part]


class Batches:
    """The batches of a run. The batches of an epoch depend on the seed and its number only."""

    def __init__(
        self, data: Data, image: Sequence[int], protocol: Protocol, place: Placement
    ) -> None:
        self.data = data
        self.channels, *sides = image
        self.sides = list(sides)
        self.protocol = protocol
        self.place = place
        self.classes = None if protocol.loss else data.classes  # other losses have other targets
        self.train = self._divided(_on(data.train, place.device))
        if isinstance(self.train, Files | Examples) and not self.plans(1):
            least = self._fewest
            raise ModelError(
                f"{data.name} has {len(self.train)} example{'s' * (len(self.train) != 1)}",
                f"a step takes {least} at least: 2 for each process, for batch norm",
                hint="--data with more examples",
            )
        for split in (data.train, data.test):
            if isinstance(split, Examples) and split.device and protocol.workers:
                raise gpu_in_workers(split.name, "--workers 0")
        self.noise: Batch | None = None
        if isinstance(self.train, Synthetic):  # always the same batch: prepared once
            images, labels = self.train.drawn(place.device)
            self.noise = self._with_memory_format(images), labels
        self.test: Split | None = None
        if data.test is not None:
            self.test = self._divided(_on(data.test, place.device))

    def _divided(self, split: Split) -> Split:
        """The data, of which each process takes its part.

        Raises:
            UsageError: it makes its own batches, in every process the same.
        """
        if not isinstance(split, Stream) or self.place.processes == 1:
            return split
        examples = as_examples(split)
        if examples is None:
            raise UsageError(
                f"{split.name} makes its own batches, which cannot be divided among processes",
                hint="a Dataset, of which each process gets its part",
            )
        return examples

    @property
    def left_out(self) -> int:
        """The number of examples of an epoch that are in no batch."""
        if isinstance(self.train, Stream | Synthetic):
            return 0
        return len(self.train) - sum(plan.examples for plan in self.plans(1))

    @property
    def examples_per_step(self) -> int:
        return self.protocol.batch_size * self.protocol.accumulate * self.place.processes

    def plans(self, epoch: int) -> list[StepPlan]:
        """The steps of an epoch. Each process takes its part of every batch.

        The last batch is dropped if it has less than two examples per process, because batch norm
        cannot train on one.
        """
        order = torch.randperm(len(self.train), generator=_generator(self.protocol.seed, epoch))
        plans = []
        for chunk in _in_pieces(order, self.examples_per_step):
            parts = _in_pieces(chunk, self.protocol.batch_size * self.place.processes)
            parts = [part for part in parts if len(part) >= self._fewest]
            if parts:
                mine = tuple(self._mine(part) for part in parts)
                plans.append(StepPlan(mine, sum(map(len, parts))))
        return plans

    @property
    def _fewest(self) -> int:
        return min(2, self.protocol.batch_size) * self.place.processes

    def _mine(self, indices: Tensor) -> Tensor:
        return indices.tensor_split(self.place.processes)[self.place.rank]

    def epoch(self, number: int) -> EpochOfBatches:
        """The training batches of an epoch."""
        if isinstance(self.train, Stream):
            steps = self.train.steps
            steps = steps and -(-steps // self.protocol.accumulate)
            return EpochOfBatches(steps, self._of_stream(self.train))
        plans = self.plans(number)
        return EpochOfBatches(len(plans), self._of_plans(plans, number))

    def examples_of(self, epoch: int, step: int) -> list[int] | None:
        """Indices of the examples of a step, from 0 in the epoch; None if they are not known."""
        if not isinstance(self.train, Examples):
            return None
        order = torch.randperm(len(self.train), generator=_generator(self.protocol.seed, epoch))
        chosen: list[int] = _in_pieces(order, self.examples_per_step)[step].tolist()
        return chosen

    @property
    def epoch_steps(self) -> int | None:
        """The number of steps in an epoch; None if it is not known."""
        return self.epoch(1).steps

    def first(self) -> Part:
        """The first batch, to measure or to try."""
        return next(self.epoch(1).parts)

    def _of_plans(self, plans: Sequence[StepPlan], epoch: int) -> Iterator[Part]:
        batches = self.training(plans, epoch)
        for plan in plans:
            last = len(plan.parts) - 1
            for place, indices in enumerate(plan.parts):
                inputs, targets = next(batches)
                yield Part(inputs, targets, len(indices), plan.examples, place == last)

    def _of_stream(self, stream: Stream) -> Iterator[Part]:
        """The batches of a stream; those of a step are all loaded before its first."""
        steps = examples = 0
        batches = self._loaded(stream)
        while chunk := list(islice(batches, self.protocol.accumulate)):
            total = sum(number for _, _, number in chunk)
            for place, (inputs, targets, number) in enumerate(chunk, start=1):
                yield Part(inputs, targets, number, total, place == len(chunk))
            steps += len(chunk)
            examples += total
        if not steps:
            raise ModelError(
                f"{stream.name} has no batch",
                "where a generator is used up after an epoch, name the function that makes it",
            )
        stream.steps, stream.examples = steps, examples

    def _loaded(self, stream: Stream) -> Iterator[tuple[Any, Any, int]]:
        """The batches that the user's code makes, on the device."""
        iterator = iter(stream.batches())
        for number in count(1):
            try:
                value = next_of(iterator, stream.name)
            except StopIteration:
                return
            yield self._placed(value, stream.name, in_batch(number, stream.name))

    def _placed(self, value: Any, name: str, name_of: NameOf) -> tuple[Any, Any, int]:
        """A batch of the user's code on the device.

        Raises:
            ModelError: it is not inputs and targets, or these are not the model's classes.
        """
        inputs, targets, examples = batch_of(value, name)
        if self.classes is not None:
            targets = labels_of(targets, self.classes, name, name_of)
        if type(inputs) is Arguments:
            positional, named = (map_inputs(part, self._move) for part in inputs)
            return Arguments(positional, named), map_inputs(targets, self._move), examples
        return map_inputs(inputs, self._move), map_inputs(targets, self._move), examples

    def _move(self, tensor: Any) -> Tensor:
        # from a GPU to the CPU, a copy that is not waited for has no values yet
        to_gpu = self.place.device.type != "cpu"
        placed: Tensor = tensor.to(self.place.device, non_blocking=to_gpu)
        if self.protocol.channels_last and placed.ndim == 4:
            return placed.contiguous(memory_format=torch.channels_last)
        return placed

    def training(self, plans: Sequence[StepPlan], epoch: int) -> Iterator[Batch]:
        """The training batches of the plans."""
        parts = [part for plan in plans for part in plan.parts]
        if isinstance(self.train, Examples):
            for inputs, targets, _ in self._of_examples(self.train, parts):
                yield inputs, targets
            return
        augmented = None
        if self.protocol.augment:
            augmented = _Augmentation(len(self.train), self.sides, self.protocol.seed, epoch)
        for indices, (images, labels) in zip(parts, self._read(self.train, parts), strict=True):
            prepared = self._prepared(images, self.train)
            if augmented is not None:
                prepared = augmented(prepared, indices)
            yield self._with_memory_format(prepared), labels

    def _of_examples(
        self, split: Examples, parts: Sequence[Tensor]
    ) -> Iterator[tuple[Any, Any, int]]:
        guarded = Guarded(split.dataset, lambda index: f"example {index} of {split.name}")
        indices = [part.tolist() for part in parts]
        is_pinned = self.place.device.type == "cuda" and not split.device
        loader = iter(_loader(guarded, indices, self.protocol.workers, is_pinned))
        for chosen in indices:
            yield self._placed(next_of(loader, split.name), split.name,
                               in_data(split.name, chosen))  # fmt: skip

    def testing(self) -> Iterator[tuple[Any, Any, int]]:
        """The test batches of this process, with their number of examples that have a class."""
        for inputs, targets, examples in self._tested():
            if self.classes is not None and isinstance(self.test, UserSplit) and targets.ndim == 1:
                examples = int((targets != IGNORED).sum())
            yield inputs, targets, examples

    def _tested(self) -> Iterator[tuple[Any, Any, int]]:
        assert self.test is not None
        if isinstance(self.test, Stream):
            yield from self._loaded(self.test)
            return
        indices = torch.arange(len(self.test))[self.place.rank :: self.place.processes]
        parts = _in_pieces(indices, self.protocol.batch_size)
        if isinstance(self.test, Examples):
            yield from self._of_examples(self.test, parts)
            return
        for images, labels in self._read(self.test, parts):
            prepared = self._with_memory_format(self._prepared(images, self.test))
            yield prepared, labels, len(labels)

    def _read(self, split: Split, parts: Sequence[Tensor]) -> Iterator[Batch]:
        device = self.place.device
        if isinstance(split, InMemory):
            for part in parts:
                chosen = part.to(device)
                yield split.images[chosen], split.labels[chosen]
        elif isinstance(split, Files):
            batches = [split.indices[part].tolist() for part in parts]
            guarded = Guarded(split.dataset, split.name_of, is_user_code=False)
            loader = iter(_loader(guarded, batches, self.protocol.workers, device.type == "cuda"))
            for _ in parts:
                images, labels = next_of(loader, self.data.name)
                yield images.to(device, non_blocking=True), labels.to(device, non_blocking=True)
        else:
            assert self.noise is not None
            images, labels = self.noise
            for part in parts:
                yield images[: len(part)], labels[: len(part)]

    def _prepared(self, images: Tensor, split: Split) -> Tensor:
        """Scale images to 0…1, and to the model's size and channels."""
        if isinstance(split, Synthetic):
            return images
        images = images.float() / (split.largest if isinstance(split, InMemory) else 255.0)
        sides = list(images.shape[2:])
        if sides != self.sides:
            shrinks = any(new < old for new, old in zip(self.sides, sides, strict=True))
            images = F.interpolate(images, self.sides, mode="bilinear", antialias=shrinks)
        if images.shape[1] == self.channels:
            return images
        if images.shape[1] == 1:
            return images.expand(-1, self.channels, -1, -1)
        weights = images.new_tensor(_GRAY).view(1, 3, 1, 1)
        return (images * weights).sum(1, keepdim=True)

    def _with_memory_format(self, images: Tensor) -> Tensor:
        if self.protocol.channels_last:
            return images.contiguous(memory_format=torch.channels_last)
        return images.contiguous()


def _in_pieces(indices: Tensor, size: int) -> list[Tensor]:
    return [indices[start : start + size] for start in range(0, len(indices), size)]


def _on(split: Split, device: torch.device) -> Split:
    """Move images that are in memory to the device."""
    if isinstance(split, InMemory):
        return InMemory(split.images.to(device), split.labels.to(device), split.largest)
    return split


def _loader(
    dataset: Any, batches: list[list[int]], workers: int, is_pinned: bool
) -> Iterator[Batch]:
    from torch.utils.data import DataLoader

    yield from DataLoader(
        dataset, batch_sampler=batches, num_workers=workers, collate_fn=collate,
        pin_memory=is_pinned,
    )  # fmt: skip


def _generator(seed: int, epoch: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed * 1_000_003 + epoch)


class _Augmentation:
    """Random crops of the image padded by an eighth, and horizontal flips.

    They are drawn for all examples of the epoch at once, so that they do not depend on the process
    that an example is in.
    """

    def __init__(self, count: int, sides: Sequence[int], seed: int, epoch: int) -> None:
        generator = _generator(seed, -epoch)
        self.margins = [side // 8 for side in sides]
        shifts = [torch.randint(2 * m + 1, (count,), generator=generator) for m in self.margins]
        self.shifts = torch.stack(shifts, 1)
        self.flips = torch.rand(count, generator=generator) < 0.5

    def __call__(self, images: Tensor, indices: Tensor) -> Tensor:
        count, channels, height, width = images.shape
        shifts = self.shifts[indices].to(images.device)
        flips = self.flips[indices].to(images.device)
        top, left = self.margins
        # one gather crops and flips all images: each has its own rows and columns
        padded = F.pad(images, (left, left, top, top))
        rows = shifts[:, :1] + torch.arange(height, device=images.device)
        columns = shifts[:, 1:] + torch.arange(width, device=images.device)
        columns = torch.where(flips[:, None], columns.flip(1), columns)
        example = torch.arange(count, device=images.device)[:, None, None, None]
        channel = torch.arange(channels, device=images.device)[None, :, None, None]
        return padded[example, channel, rows[:, None, :, None], columns[:, None, None, :]]
