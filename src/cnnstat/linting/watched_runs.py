"""Runs whose recorder notes more than others do: places, arguments, what forward creates."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar

from ..diagnosis.subjects import quietly
from ..errors import ModelError
from ..models.loaded import Loaded
from ..run_config import RunConfig
from ..tracing.recording.recorder import Recorder
from ..tracing.run.trace import trace

R = TypeVar("R", bound=Recorder)


def watched(
    loaded: Loaded,
    kind: type[R],
    config: RunConfig,
    during: AbstractContextManager[None] | None = None,
) -> tuple[list[R], ModelError | None]:
    """The recorders of a run of a newly built model, and how it failed.

    `during` is entered for the run, not for building the model.
    If another lane ran it, the calls up to where this one fails are recorded.
    """
    recorders: list[R] = []

    def recorder(*args: Any, **kwargs: Any) -> R:
        recorders.append(kind(*args, **kwargs))
        return recorders[-1]

    with quietly():
        model = loaded.builders.without_data()
        try:
            with during or nullcontext():
                trace(model, loaded.inputs, loaded.named_inputs, config, recorder_class=recorder)
        except ModelError as error:
            return recorders, error
    return recorders, None
