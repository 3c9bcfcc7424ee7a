"""The training of one model, from retries with less memory to the summary of its run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from msgspec import structs

from ..errors import CnnstatError, ModelError
from .fabric import ProcessEnded, is_distributed
from .folder import Checkpoint, RunFolder
from .ineffective import effect_notes, remainder_notes, schedule_notes
from .machine import is_out_of_memory, release, throttling
from .prediction import predicted
from .readings import DivergedError
from .results import Epoch, Prediction, Preparing, Protocol, Run, Status, Step
from .schedule import Limit, Position, base_rate, limit_of
from .session import Session
from .timing import learning_notes, timing, timing_notes
from .trainable import TrainableModel
from .user_data import Stream


@dataclass(frozen=True)
class Started:
    """The training of a model starts; `examples` is the number in an epoch."""

    model: str
    limit: Limit
    batch_size: int
    examples: int


Watch = Callable[[Preparing | Started | Step | Epoch | str], None]
"""Called with every event when it happens; a text is a note."""


@dataclass
class Runner:
    """The training of one model, the `number`-th of its job."""

    number: int
    trainable: TrainableModel
    protocol: Protocol
    fabric: Any
    folder: RunFolder | None
    first: bool
    watch: Watch
    resumed: bool

    def run(self) -> tuple[Run, ModelError | None]:
        """Train; if memory runs out, start again with half the batch size.

        Several processes first try two steps, because they must agree on the size. The error is
        DivergedError; the run then has the steps before it.
        """
        self.notes: list[str] = []
        together = self.fabric.world_size > 1
        while True:
            size = self.protocol.batch_size
            try:
                if not together or size == 1 or self.resumed or self._fits():
                    return self._attempt()
            except Exception as error:  # out of memory has many types; others are raised
                if not is_out_of_memory(error) or size == 1:
                    raise
                if isinstance(self.trainable.data.train, Stream):
                    raise ModelError(
                        f"batches of {size} do not fit into memory",
                        hint=f"batch_size={size // 2} where {self.trainable.data.name} makes them",
                    ) from error
                if together:  # the others wait in an all-reduce
                    raise ModelError(
                        f"batches of {size} do not fit into memory",
                        hint=f"--batch-size {size // 2}",
                    ) from error
            self.resumed = False
            self.protocol = structs.replace(self.protocol, batch_size=size // 2)
            self._note(f"batches of {size} did not fit into memory: {size // 2} are taken")

    def _fits(self) -> bool:
        """Whether two steps fit into memory in all processes, tried in a separate session."""
        return self._session(limit_of(self.protocol)).fits()

    def _note(self, text: str) -> None:
        self.notes.append(text)
        self.watch(text)

    def _attempt(self) -> tuple[Run, ModelError | None]:
        spec, limit = self.trainable.name, limit_of(self.protocol)
        self.watch(Preparing(f"{spec}: building"))
        for note in self.trainable.data.notes:
            self._note(note)
        steps, epochs, session = self._prepared(limit)
        for note in effect_notes(
            self.protocol, self.trainable.data.test is not None, len(self.trainable.image) + 1,
            session.batches.epoch_steps,
        ):  # fmt: skip
            self._note(note)
        examples = len(self.trainable.data.train)
        left_out = 0 if self.protocol.inference else session.batches.left_out
        for note in remainder_notes(left_out, examples, self.fabric.world_size):
            self._note(note)
        self.watch(Started(spec, limit, self.protocol.batch_size, len(self.trainable.data.train)))
        status: Status = "finished"
        failure: ModelError | None = None
        with throttling(self.fabric.device) as throttled:
            try:
                for record in session.records():
                    self.watch(record)
                    if isinstance(record, Step):
                        steps.append(record)
                        if self.folder is not None and self.first:
                            self.folder.add(record)
                        session.readings.check(record)
                    else:
                        epochs.append(record)
                        self._check_test(session, record)
                        self._save(session, epochs)
            except KeyboardInterrupt:
                status = "interrupted"
            except DivergedError as error:
                status, failure = "diverged", error
                if not session.readings.is_finite(steps[-1]):
                    before = epochs[-1].step if epochs else 0
                    failure = session.not_finite(steps[-1], before) or error
            except ProcessEnded as error:
                if self.folder is not None and epochs:
                    error.hint = f"torchrun … -m cnnstat bench --resume {self.folder.path}"
                raise
        for note in throttled:
            self._note(note)
        if session.patience.is_over and status == "finished":
            waited = session.patience.waited
            loss = "training" if self.trainable.data.test is None else "test"
            self._note(
                f"stopped after epoch {len(epochs)}: the {loss} loss has not improved for "
                f"{waited} epoch{'s' * (waited > 1)}"
            )
        return self._summary(session, steps, epochs, status), failure

    def _check_test(self, session: Session, epoch: Epoch) -> None:
        """Note a test loss that is not finite, with what it is computed from.

        Raises:
            ModelError: the test data has a value that is not finite.
        """
        if session.readings.is_finite(epoch):
            return
        if (failure := session.not_finite(epoch, 0)) is not None:
            raise failure
        self._note(f"the test loss of epoch {epoch.epoch} is {epoch.test_loss}")

    def _prepared(self, limit: Limit) -> tuple[list[Step], list[Epoch], Session]:
        """The steps and epochs before, if the run is resumed, and the session that continues."""
        known = None
        if self.folder is not None and self.resumed:
            known = self.folder.checkpoint(self.number)
        spec = self.trainable.name
        if known is None:
            if self.folder is not None and self.first:
                self.folder.steps(spec, until=0)  # removes those of an attempt without checkpoint
            return [], [], self._session(limit)
        self.protocol = structs.replace(self.protocol, batch_size=known.batch_size)
        session = self._session(limit, known.state, known.position)
        for epoch in known.epochs:
            session.patience.see(epoch)
        assert self.folder is not None
        steps = self.folder.steps(spec, until=known.position.step) if self.first else []
        return steps, list(known.epochs), session

    def _session(self, limit: Limit, *known: Any) -> Session:
        release(self.fabric.device)  # of the previous session
        return Session(self.trainable, self.protocol, limit, self.fabric, *known)

    def _predicted(self) -> Prediction | None:
        try:
            return predicted(self.trainable, self.protocol, self.fabric.device, is_distributed())
        except Exception as error:  # even a bug must not lose the measurements
            reason = error.message if isinstance(error, CnnstatError) else repr(error)
            self._note(f"nothing is predicted: {reason}")
            return None

    def _save(self, session: Session, epochs: Sequence[Epoch]) -> None:
        if self.folder is None or not self.first:
            return
        last = epochs[-1]
        position = Position(last.epoch, last.step, session.readings.seconds)
        batch_size = self.protocol.batch_size
        self.folder.save(
            self.number, Checkpoint(position, tuple(epochs), batch_size, session.state())
        )

    def _summary(
        self, session: Session, steps: Sequence[Step], epochs: Sequence[Epoch], status: Status
    ) -> Run:
        analysis, found = self.trainable.analysis, timing(steps)
        together = status == "finished" or self.fabric.world_size == 1
        memory, kind = session.peak_memory()
        timed = self.protocol.layers and status == "finished"
        layers = session.layer_times() if timed else None
        expected = self._predicted() if self.first else None
        notes = [*self.notes, *(timing_notes(found) if found else ())]
        notes += expected.notes if expected else ()
        notes += schedule_notes(self.protocol, list(steps)) if status == "finished" else ()
        reached = expected.flops / found.seconds.median if expected and found else None
        peak = expected.peak_flops if expected else None
        objective, classes = self.trainable.objective, self.trainable.data.classes
        if objective.used:
            notes.append(objective.used)
        if objective.loss is None and objective.counted and classes is not None:
            notes += learning_notes(epochs, classes)
        return Run(
            model=structs.replace(analysis.model, spec=self.trainable.name),
            input=self.trainable.image,
            params=analysis.totals.params,
            macs=analysis.totals.macs // analysis.inputs[0].shape[0],
            batch_size=self.protocol.batch_size,
            learning_rate=None if self.protocol.inference else base_rate(self.protocol),
            status=status,
            steps=len(steps),
            epochs=tuple(epochs),
            timing=found,
            memory_bytes=memory,
            memory_kind=kind,
            layers=layers,
            prediction=expected,
            flops_per_second=reached,
            mfu=reached / peak if reached and peak else None,
            notes=tuple(notes),
            # processes that were interrupted may wait for each other in a sum
            confusion=session.confusion() if together else None,
        )
