"""One run of a model on one lane, from inputs to `Trace`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from ..errors import LaneError, ModelError
from ..trace.records import Backward, Parameter, Trace
from .copies import substitutes_in
from .inputs import placed, placed_again, recorded_inputs
from .lanes import META, Lane
from .modules import described, has_lazy_tensors, named_tensors
from .nested import tensors_among
from .observers import recording
from .open_calls import Observer, OpenCall
from .operators import Operators
from .randomness import random_state_kept
from .recorder import Recorder


def trace(
    model: nn.Module,
    inputs: Sequence[Any],
    named_inputs: Mapping[str, Any] | None = None,
    *,
    mode: str = "eval",
    training: bool = False,
    on_return: Observer | None = None,
    fast: bool = True,
    lane: Lane = META,
    fused: bool = True,
    composites: bool = False,
    books: Callable[..., Recorder] = Recorder,
) -> Trace:
    """Run `model` once on one lane and record what it did.

    Args:
        model: a model that belongs to the caller, for the run may change its attributes: on `meta`,
            or with data for the lane `cpu`. `meta_copy(model)` makes one of the user's.
        inputs: positional arguments; an `InputSpec` or a tensor becomes a tensor of the lane,
            anything else is passed on as it is.
        named_inputs: keyword arguments, likewise.
        mode: "eval" or "train", as set on all modules before the run.
        training: whether to run the backward pass too, in a second run: keeping what gradients
            need would change what the first one tells of memory.
        on_return: called at the end of each call with the open call and its result.
        fast: whether to use our own shape kernels where they apply; the result is the same.
        fused: whether recurrent layers are one operator each, which torch unrolls on `meta`.
        composites: whether to note composite operators too.
        books: what keeps the record; a `Watcher` notes places in the model's source too.

    Raises:
        ShapeError: the model does not run on these inputs.
        LaneError: it does not run on this lane.
        ModelError: the model fails for a reason of its own. Its `failure` is the record so far.
    """
    try:
        args = placed(tuple(inputs), lane.place)
        kwargs = placed(dict(named_inputs or {}), lane.place)
    except RuntimeError as error:
        shown = ", ".join(str(value) for value in inputs)
        raise ModelError(f"the input {shown} is larger than any memory") from error
    try:
        model = lane.fitted(model)
    except Exception as error:  # tensors of a kind that the lane has none of
        raise LaneError(
            f"the model cannot be put on the {lane.name} lane", f"{type(error).__name__}: {error}"
        ) from error
    model.train(mode == "train")
    if has_lazy_tensors(model):
        # gives lazy layers their parameters
        _recorded(model, (args, kwargs), books(described(model)), mode, lane, fast)
    # both made before the run, which may change what it is given
    again = _second_run(model, (inputs, args), (named_inputs, kwargs), lane) if training else None
    recorder = books(described(model), on_return, limit=lane.limit)
    first = _recorded(model, (args, kwargs), recorder, mode, lane, fast, fused, composites)
    return replace(first, backward=_backward(again, recorder.calls, fast, lane)) if again else first


def _recorded(
    model: nn.Module,
    inputs: tuple[tuple[Any, ...], dict[str, Any]],
    recorder: Recorder,
    mode: str,
    lane: Lane,
    fast: bool,
    fused: bool = True,
    composites: bool = False,
) -> Trace:
    """One run by the books of `recorder`; an error that ends it carries the record so far."""
    parameters = tuple(_parameters(model, recorder))
    for tensor in tensors_among(inputs):
        recorder.watch(tensor)
    input_bytes = recorder.live_bytes
    traced_inputs = tuple(recorded_inputs(recorder, *inputs))

    def record() -> Trace:
        return Trace(
            model=type(model).__name__,
            mode=mode,
            lane=lane.name,
            inputs=traced_inputs,
            input_bytes=input_bytes,
            calls=tuple(call.record() for call in recorder.calls),
            ops=tuple(recorder.ops),
            modules={module.path: module for module in recorder.modules.values()},
            parameters=parameters,
            composites=tuple(op for op in recorder.composites if op is not None),
        )

    try:
        _run(model, *inputs, recorder, fast, lane, fused, composites)
    except ModelError as error:
        from .failures import failure_of

        error.failure = failure_of(error, recorder, record())
        raise
    return record()


_Prepared = tuple[nn.Module, tuple[Any, ...], dict[str, Any]]
"""A model and its positional and named inputs."""


def _second_run(
    model: nn.Module, positional: tuple[Any, Any], named: tuple[Any, Any], lane: Lane
) -> _Prepared:
    """The same run with gradients. The inputs come as they were given and as they were placed."""
    with torch.inference_mode(False):  # what is made in that mode has no gradients
        return lane.copied(model), placed_again(*positional), placed_again(*named)


def _backward(run: _Prepared, calls: Sequence[OpenCall], fast: bool, lane: Lane) -> Backward:
    from .backward import BackwardRecorder, run_backward

    model = run[0]
    trainable = any(parameter.requires_grad for parameter in model.parameters())
    recorder = BackwardRecorder(described(model), lane.limit)
    with torch.inference_mode(False):
        _run(*run, recorder, fast, lane, then=lambda result: run_backward(result, recorder))
    return recorder.record(calls, trainable)


def _run(
    model: nn.Module,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    recorder: Recorder,
    fast: bool,
    lane: Lane,
    fused: bool = True,
    composites: bool = False,
    then: Callable[[Any], None] | None = None,
) -> None:
    """`then` is what is done with the result, for which the run keeps what gradients need."""
    try:
        with (
            random_state_kept(),
            slow_attention(),
            _gradients(then is not None, composites),
            lane.active(),
            recording(recorder, Operators(recorder, lane, fast), substitutes_in(model), fused),
        ):
            result = model(*args, **kwargs)
            if then is not None:
                then(result)
    except ModelError:
        raise
    except Exception as error:  # the model's code: anything may come out of it
        from .failures import explain

        raise explain(error, recorder, lane) from error


def _gradients(wanted: bool, composites: bool) -> AbstractContextManager[Any]:
    if wanted:
        return torch.enable_grad()
    # Only in inference mode do composite operators come whole.
    return torch.inference_mode() if composites else torch.no_grad()


def _parameters(model: nn.Module, recorder: Recorder) -> Iterator[Parameter]:
    """Each parameter and buffer once, under its first name, with its other names."""
    names: dict[int, list[str]] = {}
    tensors: dict[int, tuple[Tensor, bool]] = {}
    for name, tensor, buffer in named_tensors(model):
        names.setdefault(id(tensor), []).append(name)
        tensors.setdefault(id(tensor), (tensor, buffer))
    for key, (tensor, buffer) in tensors.items():
        if is_lazy(tensor):
            continue
        name, *aliases = names[key]
        recorder.register_parameter(name, tensor)
        yield Parameter(
            name=name,
            owner=name.rpartition(".")[0],
            aliases=tuple(aliases),
            shape=tuple(tensor.shape),
            dtype=str(tensor.dtype).removeprefix("torch."),
            itemsize=tensor.element_size(),
            trainable=tensor.requires_grad,
            buffer=buffer,
        )


@contextmanager
def slow_attention() -> Iterator[None]:
    """Keep attention out of the fused fast path, an operator without a shape equation."""
    enabled = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(enabled)
