"""One model on its device, ready to be trained, and its state."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from functools import partial
from typing import Any

import torch
from torch.nn import functional as F

from ..analysis.benchmark.records import Epoch, LayerTimes, Protocol, Step
from .batches import Batches, Place
from .building import Subject
from .clock import clock_of
from .layers import layer_times
from .loop import Trainer, infer, logits_of, train
from .memory import peak, reset_peak
from .readings import Readings
from .schedule import Limit, Position, base_rate, optimizer_of


class Session:
    """A model, its optimizer and its batches. `records` trains."""

    def __init__(
        self, subject: Subject, protocol: Protocol, limit: Limit, fabric: Any,
        state: dict[str, Any] | None = None, start: Position | None = None,
    ) -> None:  # fmt: skip
        self.fabric, self.limit, self.protocol = fabric, limit, protocol
        self.start = start or Position()
        place = Place(fabric.device, fabric.global_rank, fabric.world_size)
        self.batches = Batches(subject.data, subject.image, protocol, place)
        self.clock = clock_of(place.device)
        self.plain = subject.build(protocol)
        if state is not None:
            self.plain.load_state_dict(state["model"])
        model: Any = self.plain
        if protocol.channels_last:
            model = model.to(memory_format=torch.channels_last)
        if protocol.compile:
            model = torch.compile(model)
        if protocol.inference:
            self.model, self.optimizer = fabric.setup(model), None
        else:
            optimizer = optimizer_of(protocol, self.plain.parameters())
            self.model, self.optimizer = fabric.setup(model, optimizer)
            if state is not None:
                self.optimizer.load_state_dict(state["optimizer"])
                fabric.strategy.precision.load_state_dict(state["precision"])
            if self._is_plain():
                self.model, self.optimizer = self.model.module, self.optimizer.optimizer
        self.readings = Readings(
            subject.loaded.spec, subject.data.classes, self.clock, self._summed,
            self.start.seconds, has_accuracy=subject.data.test is not None,
        )  # fmt: skip
        reset_peak(place.device)

    def records(self) -> Iterator[Step | Epoch]:
        """Train until the limit: every step, and the end of every epoch."""

        def seconds() -> float:
            return self.readings.seconds

        if self.optimizer is None:
            events: Any = infer(self.model, self.batches, self.limit, self.clock.now, seconds)
        else:
            alone = self.fabric.world_size == 1
            backward = torch.Tensor.backward if self._is_plain() else self.fabric.backward
            trainer = Trainer(
                self.model, self.optimizer, backward,
                _together if alone else partial(_apart, self.fabric, self.model),
                self.protocol.seed, self.protocol.schedule, base_rate(self.protocol),
            )  # fmt: skip
            events = train(trainer, self.batches, self.limit, self.clock.now, self.start, seconds)
        return self.readings.read(events)

    def _is_plain(self) -> bool:
        """Whether the fabric's wrappers would only pass on what they are given, 0.2 ms a step."""
        return self.fabric.world_size == 1 and self.protocol.precision in ("fp32", "tf32")

    def state(self) -> dict[str, Any]:
        """What `--resume` needs: it is the same in every process."""
        assert self.optimizer is not None
        return {
            "model": self.plain.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "precision": self.fabric.strategy.precision.state_dict(),
        }

    def peak_memory(self) -> tuple[int | None, Any]:
        """The most memory that was held, and what that is of."""
        return peak(self.batches.place.device)

    def layer_times(self) -> LayerTimes:
        """The time of each layer on one batch of the training data, gradients too if it learns."""
        images, labels = next(self.batches.training(self.batches.plans(1), 1))
        learns = not self.protocol.inference
        self.plain.train(learns)

        def run() -> None:
            with torch.inference_mode(not learns), self.fabric.autocast():
                output = self.plain(images)
                loss = F.cross_entropy(logits_of(output), labels) if learns else None
            if loss is not None:
                self.plain.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]  # torch declares no types

        return layer_times(self.plain, run, self.clock)

    def _summed(self, sums: torch.Tensor) -> torch.Tensor:
        if self.fabric.world_size == 1:
            return sums
        total: torch.Tensor = self.fabric.all_reduce(sums, reduce_op="sum")
        return total


def _together(apart: bool) -> Any:
    return nullcontext()


def _apart(fabric: Any, model: Any, apart: bool) -> Any:
    return fabric.no_backward_sync(model, enabled=apart)
