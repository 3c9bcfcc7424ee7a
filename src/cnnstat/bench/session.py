"""One model on its device, with its optimizer and batches, and its state."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from functools import partial
from typing import Any

import torch
from torch import nn

from ..errors import ModelError
from .batches import Batches, Part, Placement
from .clock import clock_of
from .confusion import Predictions
from .fabric import has_process_ended, is_distributed, process_ended
from .layer_times import layer_times
from .loop import Trainer, infer, train
from .machine import is_out_of_memory, peak, reset_peak
from .nonfinite import search
from .readings import Readings
from .results import Confusion, Epoch, LayerTimes, Protocol, Step
from .schedule import Limit, Patience, Position, base_rate, optimizer_of, rate
from .torch_schedules import torch_schedule
from .trainable import TrainableModel
from .user_batches import call
from .user_data import UserSplit


class Session:
    """A model, its optimizer and its batches. `records` trains."""

    def __init__(
        self, trainable: TrainableModel, protocol: Protocol, limit: Limit, fabric: Any,
        state: dict[str, Any] | None = None, start: Position | None = None,
    ) -> None:  # fmt: skip
        self.fabric, self.limit, self.protocol = fabric, limit, protocol
        self.start = start or Position()
        place = Placement(fabric.device, fabric.global_rank, fabric.world_size)
        self.batches = Batches(trainable.data, trainable.image, protocol, place)
        self.clock = clock_of(place.device)
        self.plain = trainable.build(protocol, place.device)
        self.class_names = trainable.data.class_names
        self.objective = trainable.objective
        counted = trainable.data.test is not None and self.objective.counted
        self.predictions = Predictions(trainable.data.classes if counted else None, place.device)
        if state is not None:
            self.plain.load_state_dict(state["model"])
        model: Any = self.plain
        if protocol.channels_last:
            model = model.to(memory_format=torch.channels_last)
        optimizer = None if protocol.inference else optimizer_of(protocol, model.parameters())
        self.patience = Patience(protocol.patience)
        self.scheduler: Any = None
        self.torch_schedule = torch_schedule(protocol.schedule)
        if optimizer is not None and self.torch_schedule is not None:
            steps = self.batches.epoch_steps
            self.scheduler = self.torch_schedule.build(optimizer, limit, steps)
        if optimizer is not None and state is not None:
            optimizer.load_state_dict(state["optimizer"])
            fabric.strategy.precision.load_state_dict(state["precision"])
            if self.scheduler is not None:
                self.scheduler.load_state_dict(state["scheduler"])
        if protocol.compile:
            # of the models of one class that were compiled before; beyond eight, torch would run
            # the next uncompiled
            torch.compiler.reset()
            model = torch.compile(model)
        self.model: Any
        self.optimizer: Any
        if optimizer is None:
            self.model, self.optimizer = fabric.setup(model), None
        elif self._is_plain():
            self.model, self.optimizer = _Cast(model, fabric), optimizer
        else:
            self.model, self.optimizer = fabric.setup(model, optimizer)
        self.readings = Readings(
            trainable.name, self.clock, self._summed, self.start.seconds,
            classes=None if self.objective.loss else trainable.data.classes,
            has_accuracy=self.objective.counted,
            agreed=float if limit.minutes is None else self._mean, alone=fabric.world_size == 1,
        )  # fmt: skip
        reset_peak(place.device)

    def records(self) -> Iterator[Step | Epoch]:
        """Train until the limit; yield every step and epoch."""

        def seconds() -> float:
            return self.readings.seconds

        if self.optimizer is None:
            events: Any = infer(self.model, self.batches, self.limit, self.clock.now, seconds)
        else:
            backward = torch.Tensor.backward if self._is_plain() else self.fabric.backward
            trainer = Trainer(
                self.model, self.optimizer, backward,
                partial(_no_sync, self.fabric, self.model) if is_distributed() else _always_sync,
                self.objective, self.protocol.seed, self._schedule(), self._after_step,
                self.predictions,
                lambda: self.patience.is_over,
            )  # fmt: skip
            events = train(trainer, self.batches, self.limit, self.clock.now, self.start, seconds)
        for record in self.readings.read(events):
            if isinstance(record, Epoch):
                self._after_epoch(record)
            yield record

    def _schedule(self) -> Callable[[float], float] | None:
        if self.scheduler is not None:
            return None
        return partial(rate, self.protocol.schedule, base_rate(self.protocol))

    def _after_step(self) -> None:
        if self.scheduler is not None and not self._is_stepped_in_epochs:
            try:
                self.scheduler.step()
            except ValueError as error:  # it is shorter than the training
                raise ModelError(f"--schedule {self.protocol.schedule}: {error}") from error

    def _after_epoch(self, epoch: Epoch) -> None:
        """Before the epoch is saved: the state contains what follows from it."""
        self.patience.see(epoch)
        if self.scheduler is None or not self._is_stepped_in_epochs:
            return
        if self.torch_schedule is not None and self.torch_schedule.needs_loss:
            loss = epoch.train_loss if epoch.test_loss is None else epoch.test_loss
            self.scheduler.step(loss)
        else:
            self.scheduler.step()

    @property
    def _is_stepped_in_epochs(self) -> bool:
        return self.torch_schedule is not None and self.torch_schedule.is_stepped_in_epochs

    def _is_plain(self) -> bool:
        """Whether the fabric's wrappers would only cast; they cost 0.2 ms per step."""
        return not is_distributed() and self.protocol.precision != "fp16"

    def not_finite(self, record: Step | Epoch, before: int) -> ModelError | None:
        """The value in the user's data because of which a loss is not finite; None without any.

        `before` is the number of steps in the epochs before.
        """
        split = self.batches.test if isinstance(record, Epoch) else self.batches.train
        if not isinstance(split, UserSplit):
            return None
        chosen = None
        if isinstance(record, Step):
            chosen = self.batches.examples_of(record.epoch, record.step - before - 1)
        return search(split, chosen)

    def state(self) -> dict[str, Any]:
        """The state that `--resume` needs, which is the same in every process."""
        assert self.optimizer is not None
        return {
            "model": self.plain.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "precision": self.fabric.strategy.precision.state_dict(),
            "scheduler": None if self.scheduler is None else self.scheduler.state_dict(),
        }

    def confusion(self) -> Confusion | None:
        """What the last test predicted."""
        return self.predictions.confusion(self.class_names, self._summed)

    def peak_memory(self) -> tuple[int | None, Any]:
        """Peak memory in bytes, and what it was measured of."""
        return peak(self.batches.place.device)

    def layer_times(self) -> LayerTimes:
        """The time of each layer on one batch of the training data, with gradients in training."""
        batch = self.batches.first()
        self.plain.train(self.optimizer is not None)

        def run() -> None:
            self.plain.zero_grad()
            self._pass(batch)

        return layer_times(self.plain, run, self.clock)

    def fits(self) -> bool:
        """Whether two steps fit into the memory of every process. The steps change the weights.

        The processes run them independently: if one ran out of memory before an all-reduce, the
        others would wait for it forever.
        """
        try:
            self._run_steps_locally()
        except Exception as error:  # out of memory has many types; others are raised
            if not is_out_of_memory(error):
                raise
            return self._mean(0.0) == 1.0
        return self._mean(1.0) == 1.0

    def _run_steps_locally(self) -> None:
        batch = self.batches.first()
        self.plain.train(self.optimizer is not None)
        for _ in range(2):  # the first allocates the optimizer's state
            for _ in range(min(2, self.protocol.accumulate)):
                self._pass(batch)
            if self.optimizer is not None:
                self.optimizer.optimizer.step()
                self.optimizer.zero_grad()

    def _pass(self, batch: Part) -> None:
        """Forward pass and, in training, backward pass without an exchange of gradients."""
        trains = self.optimizer is not None
        with torch.inference_mode(not trains), self.fabric.autocast():
            output = call(self.plain, batch.inputs)
            loss = None
            if trains:
                total, _ = self.objective(output, batch.targets, batch.examples)
                loss = total / batch.examples
        if loss is not None:
            loss.backward()  # type: ignore[no-untyped-call]  # torch declares no types

    def _mean(self, number: float) -> float:
        """The mean of a number over all processes."""
        mine = torch.tensor(number, dtype=torch.float64)
        total: float = self._summed(mine).item()
        processes: int = self.fabric.world_size
        return total / processes

    def _summed(self, sums: torch.Tensor) -> torch.Tensor:
        if not is_distributed():
            return sums
        try:
            total: torch.Tensor = self.fabric.all_reduce(sums, reduce_op="sum")
        except Exception as error:  # the backends raise several types for a lost process
            raise process_ended() if has_process_ended(error) else error from error
        return total


class _Cast(nn.Module):
    """Runs a model in the autocast of a fabric."""

    def __init__(self, module: nn.Module, fabric: Any) -> None:
        super().__init__()
        self.module = module
        self.fabric = fabric

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        with self.fabric.autocast():
            return self.module(*args, **kwargs)


def _always_sync(skip: bool) -> Any:
    return nullcontext()


def _no_sync(fabric: Any, model: Any, skip: bool) -> Any:
    return fabric.no_backward_sync(model, enabled=skip)
