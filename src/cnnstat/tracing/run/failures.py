"""From the exception of a failed run to an error for the user: which layer, operands, and why."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ...errors import (
    TORCH_PREFIX,
    LaneError,
    ModelError,
    ModelPhase,
    ShapeError,
    format_exception,
    message_of,
    short_path,
    text_of,
)
from ...inputs import InputSpec, format_shape
from ...operators.convolution import in_channels
from ...operators.linear import PLACES
from ...trace.records import About, Failure, Op, Trace
from ..meta_device.meta_rules import OutOfRange, Refused
from ..places import frames_of, is_model_source, local_integers, raising_line
from ..recording.open_calls import Attempt, OpenCall
from ..recording.recorder import Recorder
from ..structure.containers import rebuilt, tensors_among
from .lanes import Lane

_NO_DATA = re.compile(r"\bmeta\b|\bfake|data.?dependent|tensor subclass", re.IGNORECASE)
_NO_MEMORY = re.compile(r"(can't|cannot) allocate memory|not enough memory|out of memory")
_REFUSALS = (RuntimeError, ValueError, IndexError, TypeError)
_NO_GRADIENTS = "does not require grad"
_IN_PLACE = re.compile(r"\bin-?place\b")
_RECURSION_LIMIT = "maximum recursion depth"
_DEVICES = re.compile(r"\bsame device\b|\bexpected device\b")
_ONE_VALUE = "more than 1 value per channel"  # a batch norm's, in training
# Functions that neither compute a shape nor compare any.
_NOT_ABOUT_SHAPES = {
    "grad", "backward", "cuda", "cpu", "to", "type", "item", "tolist", "numpy", "requires_grad",
    "retain_grad", "register_hook", "data_ptr",
}  # fmt: skip
_REPLAYED_BYTES = 64 * 2**20
_PHASES: dict[ModelPhase, str] = {
    "forward with gradients": "with gradients the model", "loss": "the loss",
    "backward": "the backward pass", "optimizer": "the optimizer's step",
}  # fmt: skip
"""Subjects of the message for a run that fails although one without gradients succeeded."""


def explain(error: BaseException, recorder: Recorder, lane: Lane) -> ModelError:
    """The error for an exception; a LaneError if another lane might help."""
    explained = _explained(error, recorder, lane)
    explained.phase = recorder.phase
    explained.calls = tuple((call.path, call.call) for call in recorder.failed_calls)
    return explained


def _explained(error: BaseException, recorder: Recorder, lane: Lane) -> ModelError:
    attempt = recorder.attempt
    calls = recorder.failed_calls
    reason = _first_line(error)
    if About.RECURSION in about(error):
        place = f"the recursion limit is reached at {_place(calls)}"
        return ModelError(place, *raising_line(error), format_exception(error))
    if isinstance(error, Refused) and attempt is not None:
        kind = ShapeError if error.what == "shapes" else ModelError
        place = f"{error.what} don't fit at {_place(calls)}"
        refused = kind(place, _operands(attempt, recorder), reason)
        refused.unfit = error.what
        return refused
    if lane.has_data and _is_out_of_memory(error):
        return LaneError(f"the memory does not suffice at {_place(calls)}", reason)
    if not lane.has_data and _needs_values(error, attempt):
        return LaneError(
            f"the model needs values at {_place(calls)}",
            f"it was run on tensors that have a shape and no data; {reason}",
        )
    if recorder.phase in _PHASES:  # the run without gradients succeeded, so the shapes fit
        text, _, _ = reason.partition(" Hint:")  # for an anomaly mode that is off
        what = f"{_PHASES[recorder.phase]} fails at {_place(calls)}"
        return ModelError(what, f"{type(error).__name__}: {text}")
    # torch's layers and functions check operands in Python too, before an operator runs.
    by_a_layer = (
        bool(calls) and calls[-1].library and not isinstance(error, TypeError)
        and calls[-1].type not in _NOT_ABOUT_SHAPES
    )  # fmt: skip
    is_refusal = isinstance(error, _REFUSALS) and not isinstance(error, NotImplementedError)
    without_operands = attempt is not None and not tensors_among((attempt.args, attempt.kwargs))
    if not is_refusal or without_operands or (attempt is None and not by_a_layer):
        place = f"the model fails at {_place(calls)}"
        return ModelError(place, *raising_line(error), format_exception(error))
    headline = f"shapes don't fit at {_place(calls)}"
    if attempt is None:
        hint = _batch_of_two(recorder) if _ONE_VALUE in reason else None
        return ShapeError(headline, f"{TORCH_PREFIX}{reason}", hint=hint)
    explanation = _mismatch(attempt) or f"{TORCH_PREFIX}{reason}"
    return ShapeError(headline, _operands(attempt, recorder), explanation)


def _batch_of_two(recorder: Recorder) -> str:
    """What to type where a batch norm in training has one value per channel."""
    specs = recorder.calls[0].inputs if recorder.calls else ()
    if not any(spec.shape[:1] == (1,) for spec in specs):
        return "--mode eval"
    inputs = (
        InputSpec((2, *s.shape[1:]) if s.shape[:1] == (1,) else s.shape, s.dtype) for s in specs
    )
    return f"a batch of two ({' '.join(f'--input {item}' for item in inputs)}), or --mode eval"


def failure_of(error: ModelError, recorder: Recorder, trace: Trace) -> Failure:
    """The record of a run that ended in `error`, whose cause is the model's exception."""
    cause = error.__cause__ or error
    attempt = recorder.attempt
    op = None
    if attempt is not None:
        innermost = attempt.calls[-1].index if attempt.calls else -1
        op = Op(attempt.name, "", recorder.freeze(attempt.args), recorder.freeze(attempt.kwargs),
                (), innermost, recorder.live_bytes)  # fmt: skip
    frames, raised_in = frames_of(cause)
    return Failure(
        trace,
        tuple(call.index for call in recorder.failed_calls),
        op,
        type(cause).__name__,
        text_of(cause),
        frames,
        is_model_source(raised_in) or isinstance(cause, AssertionError),  # torch._assert
        error.unfit,
        local_integers(cause),
        getattr(recorder, "called_at", {}),
        getattr(recorder, "arguments", {}),
        about(cause),
        cause.index if isinstance(cause, OutOfRange) else None,
    )


def about(error: BaseException) -> About:
    """What an exception is about, by its text: Python and torch offer nothing else."""
    text = text_of(error)
    found = About.NOTHING
    if isinstance(error, RecursionError) and _RECURSION_LIMIT in text:
        found |= About.RECURSION
    if isinstance(error, TypeError):
        for flag, words in _OF_A_CALL.items():
            found |= flag if words in text else About.NOTHING
    if isinstance(error, TypeError | AttributeError):
        for flag, several in _OF_PYTHON.items():
            found |= flag if any(words in text for words in several) else About.NOTHING
    if _NO_GRADIENTS in text:
        found |= About.GRADIENTS
    if _ONE_VALUE in text:
        found |= About.ONE_VALUE
    if _IN_PLACE.search(text):
        found |= About.IN_PLACE
    if _DEVICES.search(text):
        found |= About.DEVICES
    if any(word in text.lower() for word in _DTYPE_WORDS):
        found |= About.DTYPES
    return found


_OF_A_CALL = {
    About.FUNCTION: "()", About.FORWARD: "forward()", About.NUMBER_OF_INPUTS: "positional argument",
}  # fmt: skip
_OF_PYTHON = {
    About.UNINITIALIZED: (
        "Module.__init__() call", "attribute '_modules'", "attribute '_parameters'",
        "attribute '_buffers'", "attribute '_forward_hooks'",
    ),
    About.SUPER: ("super(type", "super():"),
    About.FLOAT_SIZE: (
        "but got float", "of type float", "tuple of ints, not float", "be int, not float",
        "float' object cannot be interpreted as an integer",
    ),
    About.NOT_CALLABLE: ("object is not callable",),
    About.TUPLE: ("tuple",),
    About.METHOD_INDEXED: ("method' object is not subscriptable", "method' and"),
    About.SIZES_CALLED: ("'torch.Size' object is not callable",),
}  # fmt: skip
_DTYPE_WORDS = ("dtype", "float", "long", "int", "type", "scalar")


def _needs_values(error: BaseException, attempt: Attempt | None) -> bool:
    """Whether the run failed only because its tensors have no data."""
    if attempt is None:
        return bool(
            _NO_DATA.search(f"{type(error).__name__}: {message_of(error)} {_first_line(error)}")
        )
    if isinstance(error, NotImplementedError) or _NO_DATA.search(_first_line(error)):
        return True
    # torch's shape rules refuse some operands that its kernels accept: the kernel decides.
    return isinstance(error, _REFUSALS) and _runs_for_real(attempt)


def _is_out_of_memory(error: BaseException) -> bool:
    return isinstance(error, MemoryError) or bool(_NO_MEMORY.search(message_of(error)))


def _runs_for_real(attempt: Attempt) -> bool:
    """Whether the operator accepts real tensors of these shapes; False if they are too large."""
    tensors = tensors_among((attempt.args, attempt.kwargs))
    if sum(tensor.numel() * tensor.element_size() for tensor in tensors) > _REPLAYED_BYTES:
        return False
    try:
        with torch.random.fork_rng(devices=[]):
            attempt.operator(*_real(attempt.args), **_real(attempt.kwargs))
    except Exception:  # the operator's own refusal, whatever its class
        return False
    return True


def _real(value: Any) -> Any:
    if isinstance(value, Tensor):
        # With the same strides, on which a view depends.
        pairs = zip(value.shape, value.stride(), strict=True)
        span = 1 + sum((size - 1) * step for size, step in pairs if size > 0)
        ones = torch.ones(span, dtype=value.dtype, device="cpu")
        return ones.as_strided(value.shape, value.stride())
    if isinstance(value, torch.device):
        return torch.device("cpu")
    if isinstance(value, tuple | list):
        return rebuilt(value, [_real(item) for item in value])
    if isinstance(value, dict):
        return {key: _real(item) for key, item in value.items()}
    return value


def _place(calls: Sequence[OpenCall]) -> str:
    if not calls:
        return "its first step"
    innermost = calls[-1]
    if innermost.kind == "function":
        return f"{short_path(innermost.path)}()"
    kind = innermost.type
    return f"{short_path(innermost.path)} ({kind})" if innermost.path else kind


def _operands(attempt: Attempt, recorder: Recorder) -> str:
    specs = recorder.specs_in(attempt.args, attempt.kwargs)
    texts = [f"{spec.parameter or 'input'} {format_shape(spec.shape)}" for spec in specs]
    return f"{attempt.name.removeprefix('aten.')} got {', '.join(texts) or 'no tensor'}"


def _mismatch(attempt: Attempt) -> str | None:
    """Expected and actual size, for the operators that fail most often."""
    args = attempt.args
    if attempt.name == "aten.convolution" and not args[6]:
        x, weight, groups = args[0], args[1], args[8]
        if x.dim() != weight.dim():
            return f"the layer takes {weight.dim()} dimensions, the input has {x.dim()}"
        if weight.dim() < 2:  # in a damaged file
            return None
        expected = in_channels(weight.shape, False, groups)
        if x.shape[1] != expected:
            return f"the layer takes {expected} channels, the input has {x.shape[1]}"
    if attempt.name in ("aten.addmm", "aten.mm"):
        left, right, _ = PLACES[attempt.name]
        x, weight = args[left], args[right]
        if x.shape[-1] != weight.shape[0]:
            return f"the layer takes {weight.shape[0]} features, the input has {x.shape[-1]}"
    return None


_BY_TORCHSCRIPT = "failed in the TorchScript interpreter"  # what failed is in the last line


def _first_line(error: BaseException) -> str:
    if type(error) is RuntimeError and _BY_TORCHSCRIPT in str(error):
        return str(error).strip().splitlines()[-1]
    return text_of(error).splitlines()[0]
