"""The model under diagnosis, in a form that can be run again with changes.

It is built again, and modules of it are replaced; one in the user's own files is executed again
from changed text (`source_subject.py`).
"""

from __future__ import annotations

import inspect
import io
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from ..choices import Mode
from ..errors import LaneError, ModelError, text_of
from ..models.loaded import Loaded
from ..run_config import RunConfig
from ..trace.records import Failure, Trace
from ..tracing.places import frames_of, is_model_source, local_integers
from ..tracing.recording.recorder import Recorder
from ..tracing.recording.watcher import Watcher
from ..tracing.run.failures import about
from ..tracing.run.lane_selection import Builders, trace_on_lanes
from ..tracing.run.trace import trace
from ..tracing.structure.containers import tensors_among
from .changes import NO_CHANGE, Change
from .outcomes import Outcome
from .replaced_layers import with_layers_replaced


class Subject:
    """A model that `loaded.builders` builds; its source is unknown or not the user's to change."""

    place = ""

    def __init__(self, loaded: Loaded, mode: Mode) -> None:
        self.loaded = loaded
        self.mode = mode

    @property
    def inputs(self) -> tuple[Any, ...]:
        return tuple(self.loaded.inputs)

    @property
    def is_adjustable(self) -> bool:
        """Whether its layers may be replaced: those of an object that the user passed."""
        return self.loaded.source == "object"

    def run(self, change: Change = NO_CHANGE, watched: bool = False) -> Outcome:
        """Run the model as changed, without output and without data.

        A run that is `watched` records where numbers and modules come from, which takes longer.
        """
        builders = self.loaded.builders
        with_data = builders.with_data
        with quietly():
            try:
                model = with_layers_replaced(builders.without_data(), change)
            except Exception as error:  # torch refuses the arguments in many ways
                return Outcome(self.without_a_run(error), cause=error)
            outcome = self._traced(
                model, change, watched,
                None if with_data is None else lambda: with_layers_replaced(with_data(), change),
            )  # fmt: skip
        return outcome.described() if watched else outcome

    @contextmanager
    def changed(self, change: Change) -> Iterator[tuple[Loaded, dict[str, str]]]:
        """The model as changed, which runs inside, and the sources that it was built from.

        Raises:
            BaseException: whatever the code of the model raises.
        """
        builders = self.loaded.builders
        with_data = builders.with_data
        changed = Builders(
            lambda: with_layers_replaced(builders.without_data(), change),
            None if with_data is None else lambda: with_layers_replaced(with_data(), change),
        )
        yield replace(self.loaded, builders=changed, model=changed.without_data()), {}

    def _traced(
        self, model: nn.Module, change: Change, watched: bool,
        with_data: Callable[[], nn.Module] | None,
    ) -> Outcome:  # fmt: skip
        inputs = self.inputs if change.inputs is None else change.inputs
        named = self.loaded.named_inputs
        recorder_class = Watcher if watched else Recorder
        config = RunConfig(self.mode)
        output: list[tuple[int, ...]] = []

        def note(call: Any, result: Any) -> None:
            if call.parent is None:
                output[:] = [tuple(tensor.shape) for tensor in tensors_among(result)]

        signature = _signature(model)
        try:
            # On meta too: what a `forward` creates without a device is on that of its parameters.
            with torch.device("meta"):
                run = trace(
                    model, inputs, named, config, recorder_class=recorder_class, on_return=note
                )
        except LaneError as error:
            if watched or with_data is None:
                return self._failed(error, signature)
            # It needs values: the run without data got past the failure, or to another.
            builders = Builders(lambda: model, with_data)
            try:
                run = trace_on_lanes(model, builders, inputs, named, replace(config, lane="cpu"))
            except ModelError:
                return self._failed(error, signature)
            shapes = tuple(out.shape for out in run.calls[0].outputs)
            return Outcome(None, shapes, signature=signature, trace=run)
        except ModelError as error:
            return self._failed(error, signature)
        return Outcome(None, tuple(output), signature=signature, trace=run)

    def _failed(self, error: ModelError, signature: str) -> Outcome:
        failure = error.failure or self.without_a_run(error.__cause__ or error)
        return Outcome(failure, signature=signature, cause=error.__cause__ or error)

    def without_a_run(self, error: BaseException) -> Failure:
        """The failure of a model that could not be built."""
        empty = Trace(self.loaded.spec, self.mode, "meta", (), 0, (), (), {}, ())
        frames, file = frames_of(error)
        in_model = is_model_source(file)
        return Failure(empty, (), None, type(error).__name__, text_of(error), frames, in_model,
                       "model", local_integers(error), about=about(error))  # fmt: skip


@contextmanager
def quietly() -> Iterator[None]:
    """Suppress output and warnings inside."""
    with ExitStack() as stack:
        stack.enter_context(redirect_stdout(io.StringIO()))
        stack.enter_context(redirect_stderr(io.StringIO()))
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        yield


def _signature(model: nn.Module) -> str:
    try:
        return str(inspect.signature(model.forward))
    except (TypeError, ValueError):
        return ""
