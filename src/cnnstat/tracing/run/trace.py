"""One run of a model on one lane, from inputs to `Trace`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import nn

from ...errors import NOT_OF_THE_MODEL, LaneError, ModelError, format_exception, hides_interrupt
from ...operators.value_origins import NEED_DATA
from ...run_config import DEFAULT, RunConfig
from ...trace.records import Backward, Parameter, Trace, TracedInput
from ..meta_device.memory_formats import composite_layouts
from ..process.class_state import class_state_preserved
from ..process.global_state import modes_preserved, preserve_rng_state, slow_attention
from ..process.interruptions import pass_to_caller
from ..process.isolation import process_preserved
from ..recording.open_calls import OpenCall
from ..recording.recorder import Observer, Recorder
from ..structure.containers import clone_inputs, complete, tensors_among
from ..structure.modules import (
    class_name,
    has_lazy_tensors,
    modules_by_id,
    parameters_of,
    set_training,
)
from ..user_code.created_modules import parameter_records, path_in, with_created
from ..user_code.value_reads import ValueReads
from .copies import split_by, substitutes_in
from .dispatch import Operators
from .lanes import META, Lane
from .observers import recording


def trace(
    model: nn.Module,
    inputs: Sequence[Any],
    named_inputs: Mapping[str, Any] | None = None,
    config: RunConfig = DEFAULT,
    *,
    lane: Lane = META,
    recorder_class: Callable[..., Recorder] = Recorder,
    on_return: Observer | None = None,
    reads: ValueReads | None = None,
) -> Trace:
    """Run `model` once on one lane and record its calls and operators.

    Args:
        model: on `meta`, or with data for the lane `cpu`. The run may change its attributes:
            `meta_copy(model)` protects the user's.
        inputs: positional arguments; an `InputSpec` or a tensor becomes a tensor of the lane,
            anything else is passed on unchanged.
        named_inputs: keyword arguments, likewise.
        config: how to run it; its `lane` and `diagnosed` are for callers that choose the lane.
        lane: where to run it.
        recorder_class: `Watcher` records places in the model's source too.
        on_return: called at the end of each call with the open call and its result.
        reads: what to do about reads of values; by default they are only recorded.

    Raises:
        ShapeError: the model does not run on these inputs.
        LaneError: it does not run on this lane.
        ModelError: the model itself fails. `failure` is the record up to there.
    """
    args, kwargs = lane.placed(inputs, named_inputs or {})
    try:
        model = lane.prepare(model)
    except Exception as error:  # a kind of tensor that the lane does not support
        raise LaneError(
            f"the model cannot be put on the {lane.name} lane", format_exception(error)
        ) from error
    set_training(model, config.chosen_mode == "train")
    subject = _Subject(model, args, kwargs)
    if has_lazy_tensors(model):
        # A first run gives lazy layers their parameters.
        plain = replace(config, fused=True, composites=False)
        first = recorder_class(modules_by_id(model), has_data=lane.has_data)
        _recorded(subject, first, plain, lane)
    # The gradients take a second run: what autograd keeps alive would count as memory of the first.
    # Its copies are made before the first run, which may change the model and its inputs.
    again = _with_gradients(subject, inputs, named_inputs, lane) if config.training else None
    recorder = recorder_class(
        modules_by_id(model), on_return, limit=lane.limit, has_data=lane.has_data
    )
    recorded = _recorded(subject, recorder, config, lane, reads)
    if again is None:
        return recorded
    return replace(recorded, backward=_backward(again, recorder.calls, config, lane))


class _Subject(NamedTuple):
    """A model and its inputs, on their lane."""

    model: nn.Module
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


def _recorded(
    subject: _Subject,
    recorder: Recorder,
    config: RunConfig,
    lane: Lane,
    reads: ValueReads | None = None,
) -> Trace:
    """One forward pass; an error that ends it carries the record so far."""
    reads = reads or ValueReads()
    recorder.on_read = partial(reads.read, recorder)
    model = subject.model
    recorder.find = partial(path_in, model)
    parameters = tuple(_parameters(model, recorder))
    for tensor in tensors_among((subject.args, subject.kwargs)):
        recorder.track(tensor)
        recorder.note_indices(tensor)
    input_bytes = recorder.live_bytes
    traced_inputs = tuple(_recorded_inputs(recorder, subject.args, subject.kwargs))

    def record() -> Trace:
        return Trace(
            model=class_name(model),
            mode=config.chosen_mode,
            lane=lane.name,
            inputs=traced_inputs,
            input_bytes=input_bytes,
            calls=tuple(call.record() for call in recorder.calls),
            ops=tuple(recorder.counted_ops()),
            modules={module.path: module for module in recorder.modules.values()},
            parameters=parameters,
            composites=tuple(op for op in recorder.composites if op is not None),
            devices=recorder.devices,
            unregistered=tuple(recorder.unregistered),
            control_flow=tuple(recorder.control_flow),
            uncounted_branches=tuple(recorder.left_out_ops),
            checkpoints=tuple(recorder.checkpoints),
            split_by=split_by(model),
            returns_none=recorder.returns_none,
        )

    try:
        _run(subject, recorder, config, lane, reads=reads)
    except ModelError as error:
        from .failures import failure_of

        error.failure = failure_of(error, recorder, record())
        raise
    recorded = with_created(record(), model, recorder)
    found = reads.raw(recorded)
    if not lane.has_data and (read := next((r for r in found if r.origin in NEED_DATA), None)):
        # A constant has values on every lane, but what is written to it from other tensors is lost.
        raise LaneError(
            f"the model needs values at {read.function}()",
            f"it was run on tensors that have a shape and no data; {read.function}() reads "
            f"{read.origin}",
        )
    return replace(recorded, value_reads=found)


def _with_gradients(subject: _Subject, inputs: Any, named_inputs: Any, lane: Lane) -> _Subject:
    """A copy of the subject; of its inputs, those that the caller gave a gradient require one."""
    with torch.inference_mode(False):  # a tensor created in that mode has no gradients
        return _Subject(
            lane.copy(subject.model),
            clone_inputs(inputs, subject.args),
            clone_inputs(named_inputs, subject.kwargs),
        )


def _backward(
    subject: _Subject, calls: Sequence[OpenCall], config: RunConfig, lane: Lane
) -> Backward:
    from ..recording.backward import BackwardRecorder, run_backward

    model = subject.model
    trainable = any(parameter.requires_grad for parameter in parameters_of(model))
    recorder = BackwardRecorder(modules_by_id(model), limit=lane.limit, has_data=lane.has_data)
    # Composite operators are delivered whole in inference mode only, which has no gradients.
    plain = replace(config, fused=True, composites=False)
    with torch.inference_mode(False):
        _run(subject, recorder, plain, lane, lambda result: run_backward(result, recorder))
    reached = {
        parameter.name for parameter, tensor in parameter_records(model)
        if tensor is not None and tensor.grad is not None
    }  # fmt: skip
    return recorder.record(calls, trainable, frozenset(reached))


def _run(
    subject: _Subject,
    recorder: Recorder,
    config: RunConfig,
    lane: Lane,
    backward: Callable[[Any], None] | None = None,
    reads: ValueReads | None = None,
) -> None:
    """Run the model, with gradients if `backward` is to be called with its result."""
    model, args, kwargs = subject
    operators = Operators(recorder, lane, config.fast)
    try:
        with (
            preserve_rng_state(has_drawn=False),
            modes_preserved(),
            process_preserved(),
            class_state_preserved(model),
            (reads or ValueReads()).generators(),
            slow_attention(),
            _gradients(backward is not None or config.gradients, config.composites),
            lane.context(),
            composite_layouts(),
            recording(recorder, operators, substitutes_in(model), config.fused),
        ):
            result = _called(model, args, kwargs, recorder)
            if backward is not None:
                backward(result)
    except (ModelError, *NOT_OF_THE_MODEL):
        raise
    except BaseException as error:  # the model's code may raise anything
        pass_to_caller(error)
        if hides_interrupt(error):
            raise KeyboardInterrupt from error
        from .failures import explain

        raise explain(error, recorder, lane) from error


def _called(model: nn.Module, args: Any, kwargs: Any, recorder: Recorder) -> Any:
    """Call the model; one with a `__call__` of its own has a row all the same."""
    classes = type(model).__mro__
    if not any("__call__" in vars(cls) for cls in classes[: classes.index(nn.Module)]):
        return model(*args, **kwargs)
    call = recorder.open_root(model, (args, kwargs))
    try:
        result = complete(model(*args, **kwargs))
    except BaseException as error:  # raised again
        recorder.close(call, error)
        raise
    recorder.close(call, result)
    return result


def _gradients(enabled: bool, composites: bool) -> AbstractContextManager[Any]:
    if enabled:
        return torch.enable_grad()
    # Composite operators are delivered whole in inference mode only.
    return torch.inference_mode() if composites else torch.no_grad()


def _recorded_inputs(
    recorder: Recorder, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Iterator[TracedInput]:
    for tensor in tensors_among(args):
        yield TracedInput(None, recorder.spec(tensor))
    for name, value in kwargs.items():
        for tensor in tensors_among(value):
            yield TracedInput(name, recorder.spec(tensor))


def _parameters(model: nn.Module, recorder: Recorder) -> Iterator[Parameter]:
    for parameter, tensor in parameter_records(model):
        if tensor is not None:
            recorder.register_parameter(parameter.name, tensor)
            recorder.note_indices(tensor)
        yield parameter
