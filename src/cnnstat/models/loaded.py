"""What a source makes of a spec: a model to be run, or the record of a graph that is not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from ..choices import Mode
from ..errors import UsageError
from ..trace.records import Trace
from ..tracing.lane_selection import Builders


@dataclass(frozen=True)
class Loaded:
    """A model on `meta`, built for this call, how to build it anew, and the inputs it runs on."""

    spec: str
    source: str
    model: nn.Module
    builders: Builders
    inputs: tuple[Any, ...]
    named_inputs: dict[str, Any] = field(default_factory=dict)
    arguments: dict[str, Any] = field(default_factory=dict)
    mode: Mode | None = None
    """The mode that is part of a graph; None for modules, which can be set to either."""
    written: str = ""
    """`FILE.py:NAME` or `package.module:NAME`, where the model is built from Python of a user's."""


@dataclass(frozen=True)
class Recorded:
    """What running a graph would do: there is no module, so no variant of it can be run."""

    spec: str
    source: str
    trace: Trace
    inputs: tuple[Any, ...]
    named_inputs: dict[str, Any] = field(default_factory=dict)
    arguments: dict[str, Any] = field(default_factory=dict)
    mode: Mode | None = "eval"


def given_or(
    default: Sequence[Any], inputs: Sequence[Any], named: Mapping[str, Any], spec: str
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The positional and named inputs that are given; the default where none is.

    Raises:
        UsageError: there is neither.
    """
    if not inputs and not named:
        if not default:
            raise UsageError(f"{spec} needs an input", hint="--input 1,3,224,224")
        inputs = default
    return tuple(inputs), dict(named)
