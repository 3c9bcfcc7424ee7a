"""One run of a model on `meta`, from inputs to `Trace`."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from ..errors import ModelError, ShapeError
from ..shapes import InputSpec, format_shape
from .checks import Refused
from .copies import originals_of
from .observers import recording
from .recorder import (
    Attempt,
    Observer,
    OpenCall,
    Recorder,
    describe_module,
    rebuilt,
    tensors_among,
)
from .records import Parameter, Trace, TracedInput


def trace(
    model: nn.Module,
    inputs: Sequence[Any],
    named_inputs: Mapping[str, Any] | None = None,
    *,
    mode: str = "eval",
    on_return: Observer | None = None,
    fast: bool = True,
) -> Trace:
    """Run `model` once on tensors without data and record what it did.

    Args:
        model: a model on `meta` that belongs to the caller: the run may change its attributes.
            Give `meta_copy(model)` for one that belongs to the user.
        inputs: positional arguments; an `InputSpec` or a tensor becomes a meta tensor, anything
            else is passed on as it is.
        named_inputs: keyword arguments, likewise.
        mode: "eval" or "train", as set on all modules before the run.
        on_return: called at the end of each call with the open call and its result.
        fast: whether to use our own shape kernels where they apply; the result is the same.

    Raises:
        ShapeError: the model does not run on these inputs.
        ModelError: the model needs values, or fails for a reason of its own.
    """
    try:
        args, kwargs = _on_meta(tuple(inputs)), _on_meta(dict(named_inputs or {}))
    except RuntimeError as error:
        shown = ", ".join(str(value) for value in inputs)
        raise ModelError(f"the input {shown} is larger than any memory") from error
    model.train(mode == "train")
    if any(is_lazy(tensor) for tensor in (*model.parameters(), *model.buffers())):
        _run(model, args, kwargs, Recorder({}), fast)  # gives lazy layers their parameters
    modules = {id(m): describe_module(path, m) for path, m in model.named_modules()}
    recorder = Recorder(modules, on_return)
    parameters = tuple(_parameters(model, recorder))
    for tensor in tensors_among((args, kwargs)):
        recorder.watch(tensor)
    input_bytes = recorder.live_bytes
    traced_inputs = tuple(_traced_inputs(recorder, args, kwargs))
    _run(model, args, kwargs, recorder, fast)
    return Trace(
        model=type(model).__name__,
        mode=mode,
        lane="meta",
        inputs=traced_inputs,
        input_bytes=input_bytes,
        calls=tuple(call.record() for call in recorder.calls),
        ops=tuple(recorder.ops),
        modules={module.path: module for module in modules.values()},
        parameters=parameters,
    )


def _run(
    model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], recorder: Recorder, fast: bool
) -> None:
    try:
        with (
            _random_state_kept(),
            _slow_attention(),
            torch.no_grad(),
            recording(recorder, fast, originals_of(model)),
        ):
            model(*args, **kwargs)
    except ModelError:
        raise
    except Exception as error:  # the model's code: anything may come out of it
        raise _explain(error, recorder) from error


def _on_meta(value: Any) -> Any:
    if isinstance(value, InputSpec):
        return torch.empty(value.shape, dtype=getattr(torch, value.dtype), device="meta")
    if isinstance(value, Tensor):
        return torch.empty_like(value, device="meta", requires_grad=False)
    if isinstance(value, tuple | list):
        return rebuilt(value, [_on_meta(item) for item in value])
    if isinstance(value, dict):
        return {key: _on_meta(item) for key, item in value.items()}
    return value


def _traced_inputs(
    recorder: Recorder, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Iterator[TracedInput]:
    for tensor in tensors_among(args):
        yield TracedInput(None, recorder.spec(tensor))
    for name, value in kwargs.items():
        for tensor in tensors_among(value):
            yield TracedInput(name, recorder.spec(tensor))


def _parameters(model: nn.Module, recorder: Recorder) -> Iterator[Parameter]:
    """Each parameter and buffer once, under its first name, with its other names."""
    names: dict[int, list[str]] = {}
    tensors: dict[int, tuple[Tensor, bool]] = {}
    for buffer, named in (
        (False, model.named_parameters(remove_duplicate=False)),
        (True, model.named_buffers(remove_duplicate=False)),
    ):
        for name, tensor in named:
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
def _random_state_kept() -> Iterator[None]:
    torch_state, python_state = torch.get_rng_state(), random.getstate()
    try:
        yield
    finally:
        torch.set_rng_state(torch_state)
        random.setstate(python_state)


@contextmanager
def _slow_attention() -> Iterator[None]:
    """Keep attention out of the fused fast path, an operator without a shape equation."""
    enabled = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(enabled)


_VALUES = re.compile(r"\bmeta\b", re.IGNORECASE)
_REFUSALS = (RuntimeError, ValueError, IndexError, TypeError)


def _explain(error: Exception, recorder: Recorder) -> ModelError:
    """The failure as the user's: which layer, on which operands, what torch said."""
    attempt = recorder.attempt
    calls = attempt.calls if attempt is not None else recorder.failed
    reason = _first_line(error)
    if isinstance(error, Refused) and attempt is not None:
        kind = ShapeError if error.what == "shapes" else ModelError
        place = f"{error.what} don't fit at {_place(calls)}"
        return kind(place, _operands(attempt, recorder), reason)
    unimplemented = isinstance(error, NotImplementedError) and attempt is not None
    if unimplemented or (isinstance(error, RuntimeError | TypeError) and _VALUES.search(reason)):
        return ModelError(
            f"the model needs values at {_place(calls)}",
            f"it was run on tensors that have a shape and no data; {reason}",
        )
    # torch refuses before an operator runs too, in the Python of a layer or function of its own
    by_a_layer = bool(calls) and calls[-1].library and not isinstance(error, TypeError)
    is_refusal = isinstance(error, _REFUSALS) and not isinstance(error, NotImplementedError)
    if not is_refusal or (attempt is None and not by_a_layer):
        return ModelError(
            f"the model fails at {_place(calls)}", f"{type(error).__name__}: {reason}"
        )
    headline = f"shapes don't fit at {_place(calls)}"
    if attempt is None:
        return ShapeError(headline, f"torch says: {reason}")
    explanation = _mismatch(attempt) or f"torch says: {reason}"
    return ShapeError(headline, _operands(attempt, recorder), explanation)


def _place(calls: Sequence[OpenCall]) -> str:
    if not calls:
        return "its first step"
    innermost = calls[-1]
    if innermost.kind == "function":
        return f"{innermost.path}()"
    return f"{innermost.path} ({innermost.type})" if innermost.path else innermost.type


def _operands(attempt: Attempt, recorder: Recorder) -> str:
    specs = recorder.specs_in(attempt.args, attempt.kwargs)
    texts = [f"{spec.parameter or 'input'} {format_shape(spec.shape)}" for spec in specs]
    return f"{attempt.name.removeprefix('aten.')} got {', '.join(texts) or 'no tensor'}"


def _mismatch(attempt: Attempt) -> str | None:
    """What was expected, derived from the operands of the operators that fail most often."""
    args = attempt.args
    if attempt.name == "aten.convolution" and not args[6]:
        x, weight, groups = args[0], args[1], args[8]
        takes = weight.shape[1] * groups
        if x.dim() != weight.dim():
            return f"the layer takes {weight.dim()} dimensions, the input has {x.dim()}"
        if x.shape[1] != takes:
            return f"the layer takes {takes} channels, the input has {x.shape[1]}"
    if attempt.name in ("aten.addmm", "aten.mm"):
        x, weight = args[-2], args[-1]
        if x.shape[-1] != weight.shape[0]:
            return f"the layer takes {weight.shape[0]} features, the input has {x.shape[-1]}"
    return None


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).strip().splitlines()[0]
