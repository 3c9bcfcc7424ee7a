"""Running a model on the first lane that takes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import nn
from torch.nn.parameter import is_lazy

from ..choices import LANES, LaneName
from ..errors import LaneError, ModelError, ShapeError
from ..run_config import DEFAULT, RunConfig
from ..trace.records import Trace
from ..units import format_bytes
from .lanes import META, Lane, available_bytes, cpu_lane, fake_lane
from .run import trace

_SHARE = 0.5  # of the memory there is, that a real run may take
_SMALL = 2**30  # bytes of parameters: a model that fails is run again for real up to this size


@dataclass(frozen=True, slots=True)
class Builders:
    """The ways to make a model anew, without its data or with it.

    `with_data` is None for what cannot be executed. `takes` are the names of the arguments that
    the model's factory takes, as far as they are known.
    """

    without_data: Callable[[], nn.Module]
    with_data: Callable[[], nn.Module] | None
    takes: frozenset[str] = frozenset()


def trace_on_lanes(
    model: nn.Module,
    build: Builders,
    inputs: Sequence[Any],
    named_inputs: Mapping[str, Any],
    config: RunConfig = DEFAULT,
) -> Trace:
    """Run a model on `config.lane`, or on the first of `meta`, `fake` and `cpu` that it runs on.

    The reason for any other than the first is in the trace. `model` is on `meta` and is run there;
    for each further lane it is built anew, as a run may leave traces on it.

    Raises:
        ShapeError: the model does not run on these inputs, wherever it is run.
        ModelError: it runs on no lane that there is memory for; what stopped it on each is said.
    """

    def on(name: LaneName) -> Trace:
        if name == "meta":
            subject, where = model, META
        elif name == "fake":
            subject, where = build.without_data(), fake_lane()
        else:
            # a backward pass takes a copy of the model, and the gradients of its parameters
            subject, where = _with_data(build, _param_bytes(model) * (3 if config.training else 1))
        return trace(subject, inputs, named_inputs, config, lane=where)

    if config.lane is not None:
        try:
            return on(config.lane)
        except LaneError as error:
            error.hint = "--lane auto takes the first lane that the model runs on"
            raise
    try:
        return on("meta")
    except ShapeError:
        raise
    except ModelError as error:
        first = error
    if isinstance(first, LaneError):
        further = LANES[1:]
    else:  # a fault of the model's own, it seems: what plain PyTorch says is what counts
        further = LANES[2:] if _param_bytes(model) <= _SMALL else LANES[1:2]
    stopped = []
    for name in further:
        try:
            return replace(on(name), lane_reason=first.message)
        except LaneError as error:
            stopped.append(f"{name} lane: {error.message}")
        except ModelError as error:
            if name == "cpu":  # what plain PyTorch says
                raise error from first
            stopped.append(f"{name} lane: {error.message}")
    raise ModelError(first.message, *first.details, *stopped) from first


def _param_bytes(model: nn.Module) -> int:
    return sum(
        tensor.numel() * tensor.element_size()
        for tensor in model.parameters()
        if not is_lazy(tensor)
    )


def _with_data(build: Builders, needed: int) -> tuple[nn.Module, Lane]:
    if build.with_data is None:
        raise LaneError("it cannot be executed: it is no PyTorch model")
    allowed = int(_SHARE * available_bytes())
    if needed > allowed:
        raise LaneError(
            f"its parameters take {format_bytes(needed)}, and {format_bytes(allowed)} of memory "
            "are left for them"
        )
    try:
        return build.with_data(), cpu_lane(allowed - needed)
    except Exception as error:  # a constructor may raise anything, memory that is short included
        reason = f"{type(error).__name__}: {error}"
        raise LaneError(f"it cannot be built with data: {reason}") from error
