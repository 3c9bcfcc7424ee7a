"""The result of loading a spec: a model to run, or the trace of an ONNX graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from ..choices import Mode
from ..errors import UsageError
from ..trace.records import Trace
from ..tracing.run.lane_selection import Builders


@dataclass(frozen=True)
class InputData:
    """The user's data whose batches are the inputs: its name, and whether it is one tensor."""

    name: str
    is_batch: bool


@dataclass(frozen=True)
class Loaded:
    """A new model on `meta`, how to build it again, and the inputs to run it on."""

    spec: str
    source: str
    model: nn.Module
    builders: Builders
    inputs: tuple[Any, ...]
    named_inputs: dict[str, Any] = field(default_factory=dict)
    arguments: dict[str, Any] = field(default_factory=dict)
    mode: Mode | None = None
    """The fixed mode of an exported graph; None for modules, whose mode can be set."""
    written: str = ""
    """`FILE.py:NAME` or `package.module:NAME` of a model in the user's Python code, else empty."""
    notes: tuple[str, ...] = ()
    """What the loader decided by itself."""
    devices: Mapping[str, str] = field(default_factory=dict)
    """The accelerators that the code names which builds the model, each with the file and line."""
    data: InputData | None = None
    """Where the inputs come from, if they cannot be typed."""


@dataclass(frozen=True)
class Recorded:
    """The trace of a graph that is not run: there is no module, so no variants can be traced."""

    spec: str
    source: str
    trace: Trace
    inputs: tuple[Any, ...]
    named_inputs: dict[str, Any] = field(default_factory=dict)
    arguments: dict[str, Any] = field(default_factory=dict)
    mode: Mode | None = "eval"


def inputs_or_default(
    default: Sequence[Any], inputs: Sequence[Any], named: Mapping[str, Any], spec: str
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The user's positional and named inputs, or the default if there are none.

    Raises:
        UsageError: there is no default either.
    """
    if not inputs and not named:
        if not default:
            raise UsageError(f"{spec} needs an input", hint="--input 1,3,224,224")
        inputs = default
    return tuple(inputs), dict(named)
