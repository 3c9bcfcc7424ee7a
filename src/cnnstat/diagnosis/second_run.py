"""The second run that tells whether a model mixes its batch."""

from __future__ import annotations

from dataclasses import replace

from ..choices import Mode
from ..errors import ModelError
from ..inputs import InputSpec
from ..models.loaded import Loaded
from ..run_config import RunConfig
from ..trace.records import Trace
from ..tracing.run import trace
from .mixed_batch import mixed
from .subjects import quietly


def mixed_batch(loaded: Loaded, mode: Mode, first: Trace) -> list[str]:
    """What is to be said of the batch, nothing where it is kept; `first` is the run as given."""
    inputs = [_one_more(value) for value in loaded.inputs]
    named = {name: _one_more(value) for name, value in loaded.named_inputs.items()}
    if None in inputs or None in named.values() or first.lane != "meta":
        return []
    with quietly():
        try:
            second = trace(loaded.builders.without_data(), inputs, named, RunConfig(mode))
        except ModelError as error:
            if error.failure is None:
                return []
            second = error.failure
    told = mixed(first, second)
    return [told] if told else []


def _one_more(value: object) -> InputSpec | None:
    """The input with one image more."""
    if not isinstance(value, InputSpec) or not value.shape:
        return None
    return replace(value, shape=(value.shape[0] + 1, *value.shape[1:]))
