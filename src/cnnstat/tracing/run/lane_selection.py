"""Running a model on the first lane on which it runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Any

from torch import nn
from torch.nn.parameter import is_lazy

from ...choices import LANES, LaneName
from ...errors import NOT_OF_THE_MODEL, LaneError, ModelError, ShapeError, format_exception
from ...run_config import DEFAULT, RunConfig
from ...trace.records import About, Trace
from ...units import format_bytes
from ..process.global_state import preserve_rng_state, seeded_generators
from ..structure.modules import parameters_of
from ..user_code.value_effects import with_effects
from ..user_code.value_reads import ValueReads
from .lanes import META, Lane, available_bytes, cpu_lane, fake_lane
from .trace import trace

_SHARE = 0.5  # of the available memory, for a real run
_CAUSE = 200  # characters of an exception's message in a note
_SMALL = 2**30  # bytes of parameters up to which a model that fails is executed too


@dataclass(frozen=True, slots=True)
class Builders:
    """Functions that build a model again, without data or with it.

    `with_data` is None for a graph that cannot be executed. `argument_names` are the parameters of
    the model's factory, as far as they are known.
    """

    without_data: Callable[[], nn.Module]
    with_data: Callable[[], nn.Module] | None
    argument_names: frozenset[str] = frozenset()


def trace_on_lanes(
    model: nn.Module,
    build: Builders,
    inputs: Sequence[Any],
    named_inputs: Mapping[str, Any],
    config: RunConfig = DEFAULT,
) -> Trace:
    """Run a model on `config.lane`, or on the first of `meta`, `fake` and `cpu` that it runs on.

    The trace gives the reason for any lane but the first. `model` is on `meta` and runs there. It
    is built again for each further lane, as a run may change it.

    Raises:
        ShapeError: the model does not run on these inputs, on any lane.
        ModelError: it runs on no lane for which there is memory; the details have the reasons.
    """

    def on(name: LaneName) -> Trace:
        try:
            return on_with(name, config)
        except ModelError as error:
            if error.failure is None or About.GRADIENTS not in error.failure.about:
                raise
            return on_with(name, replace(config, gradients=True))

    def on_with(name: LaneName, config: RunConfig) -> Trace:
        plain = replace(config, training=False, mode=config.chosen_mode)
        return with_effects(run_on(name, config), lambda reads: run_on(name, plain, reads))

    def run_on(name: LaneName, config: RunConfig, reads: ValueReads | None = None) -> Trace:
        if name == "meta":
            again = reads is not None or config.gradients  # after a run, which may change it
            subject, where = (build.without_data() if again else model), META
        elif name == "fake":
            subject, where = build.without_data(), fake_lane()
        else:
            # A backward pass needs a copy of the model, and a gradient for each parameter.
            subject, where = executable(build, param_bytes(model) * (3 if config.training else 1))
        return trace(subject, inputs, named_inputs, config, lane=where, reads=reads)

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
    else:  # probably a fault of the model: the error of plain PyTorch is the one to report
        further = LANES[1:] if param_bytes(model) <= _SMALL else LANES[1:2]
    stopped = []
    for name in further:
        try:
            return replace(on(name), lane_reason=_reason(first))
        except LaneError as error:
            stopped.append(f"{name} lane: {error.message}")
        except ModelError as error:
            if name == "cpu":  # the error of plain PyTorch
                raise error from first
            stopped.append(f"{name} lane: {error.message}")
    raise ModelError(first.message, *first.details, *stopped) from first


def _reason(error: ModelError) -> str:
    """Why a lane was left: what failed, where in the source, and the cause."""
    failure = error.failure
    if failure is None:
        return ": ".join([error.message, *error.details[-1:]])
    frame = failure.frames[-1] if failure.frames else None
    place = f" ({PurePath(frame.file).name}:{frame.line})" if frame else ""
    operator = f" in {failure.op.name.removeprefix('aten.')}" if failure.op else ""
    cause = failure.reason.splitlines()[0][:_CAUSE]
    if failure.error == LaneError.__name__:  # a refusal of cnnstat's
        return f"{error.message}{place}"
    return f"{error.message}{operator}{place}: {failure.error}: {cause}"


def param_bytes(model: nn.Module) -> int:
    """The bytes of its parameters, as far as they have a shape."""
    return sum(
        tensor.numel() * tensor.element_size()
        for tensor in parameters_of(model)
        if not is_lazy(tensor)
    )


def executable(build: Builders, needed: int) -> tuple[nn.Module, Lane]:
    """The model with data, and a lane that executes it if `needed` bytes are left for it.

    Raises:
        LaneError: they are not, or it cannot be built.
    """
    if build.with_data is None:
        raise LaneError("it cannot be executed: it is no PyTorch model")
    allowed = int(_SHARE * available_bytes())
    if needed > allowed:
        raise LaneError(
            f"its parameters take {format_bytes(needed)}, and {format_bytes(allowed)} of memory "
            "are left for them"
        )
    try:
        with preserve_rng_state(), seeded_generators():  # for the same parameters every time
            return build.with_data(), cpu_lane(allowed - needed)
    except NOT_OF_THE_MODEL:
        raise
    except BaseException as error:  # a constructor may raise anything, MemoryError included
        reason = format_exception(error)
        raise LaneError(f"it cannot be built with data: {reason}") from error
