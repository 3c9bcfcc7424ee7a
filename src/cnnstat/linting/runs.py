"""The runs of a model that rules look at, each made when a rule first asks for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from typing import Any, Literal

from torch import Tensor, nn

from ..choices import Loss
from ..diagnosis.creation import noting_creations, scopes_of
from ..diagnosis.subjects import quietly
from ..errors import ModelError, UsageError
from ..inputs import InputSpec
from ..models.loaded import Loaded, Recorded
from ..models.model_inputs import BatchAxes, batch_of, with_batch
from ..results import Shape
from ..run_config import RunConfig
from ..trace.records import Backward, Frame, Module, Trace
from ..tracing.recording.recorder import Recorder
from ..tracing.recording.watcher import Watcher
from ..tracing.run.lane_selection import trace_on_lanes
from ..tracing.structure.containers import map_inputs
from .batches import Batches
from .flow import Flow
from .watched_runs import watched

RunName = Literal["eval", "train", "backward", "batch of 11", "batch of 13"]
BATCHES = (11, 13)
"""Two batch sizes that share no factor with each other, and rarely one with another axis."""


class NotRun(Exception):
    """A run that a rule needs failed, or is not possible: the rule is undecided."""

    def __init__(self, run: str, reason: str) -> None:
        super().__init__(run, reason)
        self.run = run
        self.reason = reason


class Runs:
    """The runs of one model.

    A run that fails raises `NotRun`, which a rule lets through: it is then listed as undecided. A
    rule about failures asks `failure(name)`, which does not raise.

    Attributes:
        loss: the loss that the user names; None if unknown.
        batch_axis: of the inputs, or by their names; None if they have none.
    """

    def __init__(
        self,
        loaded: Loaded | Recorded,
        eval_trace: Trace | None = None,
        loss: Loss | None = None,
        batch_axis: BatchAxes | None = 0,
    ) -> None:
        self.loaded = loaded
        self.loss = loss
        self.batch_axis = batch_axis
        self._results: dict[RunName, Trace | ModelError | NotRun] = {}
        if eval_trace is not None:
            self._results["eval"] = eval_trace
        elif isinstance(loaded, Recorded):
            self._results["eval"] = loaded.trace

    @classmethod
    def of_trace(cls, loaded: Loaded | Recorded, trace: Trace) -> Runs:
        """The runs of a model of which one was made, which then is the one in either mode."""
        runs = cls(loaded, trace)
        runs._results["train"] = runs._results["backward"] = trace
        return runs

    @property
    def eval(self) -> Trace:
        """The run in eval mode, on the inputs of the user or of the model."""
        return self._trace("eval")

    @property
    def train(self) -> Trace:
        """The run in train mode, with a batch of two at least; `backward` too if that ran."""
        result = self._result("backward")  # both at once, where that is possible
        return result if isinstance(result, Trace) else self._trace("train")

    @property
    def backward(self) -> Backward:
        """The backward pass in train mode from all outputs, with a batch of two at least."""
        backward = self._trace("backward").backward
        assert backward is not None
        return backward

    @property
    def batches(self) -> tuple[Trace, Trace]:
        """Two runs in eval mode on batches of `BATCHES`."""
        return self._trace("batch of 11"), self._trace("batch of 13")

    @cached_property
    def model(self) -> nn.Module:
        """The model without data, before its first run."""
        loaded = self._loaded("the model itself")
        with quietly():
            return loaded.builders.without_data()

    @property
    def modules(self) -> dict[str, Module]:
        """The modules of the runs so far, by each of their paths."""
        found: dict[str, Module] = {}
        for result in self._results.values():
            for module in result.modules.values() if isinstance(result, Trace) else ():
                for path in (module.path, *module.aliases):
                    found.setdefault(path, module)
        return found

    @cached_property
    def flow(self) -> Flow:
        """The data flow in eval mode."""
        return Flow(self.eval)

    @cached_property
    def train_flow(self) -> Flow:
        """The data flow in train mode."""
        return Flow(self.train)

    @cached_property
    def batch_pair(self) -> Batches:
        """The runs on two batch sizes, operator by operator."""
        small, large = self.batches
        try:
            return Batches(small, large, BATCHES, axis_is_known=self.batch_axis != 0)
        except ValueError as error:
            raise NotRun("batches", str(error)) from error

    @cached_property
    def batch_flows(self) -> tuple[Flow, Flow]:
        """The data flow on each of two batch sizes."""
        return Flow(self.batch_pair.small), Flow(self.batch_pair.large)

    @cached_property
    def on_larger_images(self) -> Trace | None:
        """The run in eval mode on images of twice the size; None if that fails.

        Images are the inputs of four dimensions.
        """
        if isinstance(self.loaded, Recorded):
            return None
        loaded = self.loaded

        def doubled(value: InputSpec | Tensor) -> Any:
            if len(value.shape) != 4:
                return value
            shape = (*value.shape[:2], *(2 * size for size in value.shape[2:]))
            return InputSpec(shape, str(value.dtype).removeprefix("torch."))

        larger = replace(loaded, inputs=map_inputs(loaded.inputs, doubled))
        try:
            with quietly():
                return _traced(larger, RunConfig("eval"))
        except ModelError:  # it takes images of one size
            return None

    def shape_of(self, number: int) -> Shape | None:
        """The shape of the first operand of an operator of `batch_pair`, on the user's inputs."""
        aligned = self.flow.is_like(self.batch_flows[0])
        return self.flow.ops[number].inputs[0].shape if aligned else None

    @cached_property
    def arguments_of_calls(self) -> dict[tuple[str, int], tuple[Any, Any]]:
        """The positional and the named arguments of each call in eval mode, by path and number."""
        recorders, error = watched(self._loaded("the model itself"), Watcher, RunConfig("eval"))
        if error is not None:  # it runs on another lane
            raise NotRun("meta lane", error.message) from error
        last = recorders[-1]
        return {
            (call.path, call.call): last.arguments[call.index]
            for call in last.calls if call.index in last.arguments
        }  # fmt: skip

    def require_eval(self) -> None:
        """Raise ModelError if the model does not run at all."""
        if error := self.failure("eval"):
            raise error

    @cached_property
    def created_in_forward(self) -> dict[str, tuple[Frame, ...]]:
        """The unregistered layers that a forward creates: the calls that do, by path."""
        recorders, _ = watched(
            self._loaded("eval"), _CreationRecorder, RunConfig("eval"), noting_creations()
        )
        found: dict[str, tuple[Frame, ...]] = {}
        for part in recorders:
            found.update(part.places)
        return found

    def failure(self, name: RunName) -> ModelError | None:
        """How a run failed; None if it reached its end.

        Raises:
            NotRun: it is not possible.
        """
        result = self._result(name)
        if isinstance(result, NotRun):
            raise result
        return result if isinstance(result, ModelError) else None

    def _trace(self, name: RunName) -> Trace:
        result = self._result(name)
        if isinstance(result, ModelError):
            raise NotRun(name, result.message) from result
        if isinstance(result, NotRun):
            raise result
        return result

    def _result(self, name: RunName) -> Trace | ModelError | NotRun:
        if name not in self._results:
            try:
                with quietly():
                    self._results[name] = self._run(name)
            except (ModelError, NotRun) as error:
                self._results[name] = error
        return self._results[name]

    def _run(self, name: RunName) -> Trace:
        loaded = self._loaded(name)
        if name == "eval":
            return _traced(loaded, RunConfig("eval"))
        if name in ("train", "backward"):
            if loaded.mode == "eval":
                raise NotRun(name, "its graph was exported in eval mode")
            axes = self.batch_axis or 0
            if batch_of(loaded, axes) == 1:
                loaded = with_batch(loaded, 2, axes)  # a batch norm needs two values per channel
            return _traced(loaded, RunConfig("train", training=name == "backward"))
        if self.batch_axis is None:
            raise NotRun(name, "the settings say that the inputs have no batch axis")
        try:
            loaded = with_batch(loaded, BATCHES[name == "batch of 13"], self.batch_axis)
        except UsageError as error:
            raise NotRun(name, error.message) from error
        return _traced(loaded, RunConfig("eval"))

    def _loaded(self, what: str) -> Loaded:
        if isinstance(self.loaded, Recorded):
            raise NotRun(what, "it is a graph that is not run")
        return self.loaded


class _CreationRecorder(Recorder):
    """A recorder that also records where the run created the layers that no module registers."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.places: dict[str, tuple[Frame, ...]] = {}

    def _note_unregistered(self, module: nn.Module, record: Module) -> None:
        super()._note_unregistered(module, record)
        if scopes := scopes_of(module):
            self.places.setdefault(record.path, tuple(scope.frame for scope in scopes))


def _traced(loaded: Loaded, config: RunConfig) -> Trace:
    """A run of a newly built model: the one that was loaded may have run."""
    build: Callable[[], nn.Module] = loaded.builders.without_data
    return trace_on_lanes(build(), loaded.builders, loaded.inputs, loaded.named_inputs, config)
