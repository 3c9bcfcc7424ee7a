"""What the recorder is notified by during a run:

- `Module.__call__`, replaced while the run lasts, reports when a module starts and ends. (Hooks
  would have to be put on the user's model, do not see keyword arguments and miss exceptions.)
- a function mode, `Functions`, sees the functional operators that a container's `forward` calls;
- a dispatch mode sees every ATen operator, and runs it without data: `dispatch.py`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import _disable_current_modes

from ...fast_meta import gc_paused
from ..meta_device.autocast_regions import dtype_of_recurrent
from ..meta_device.complex_convolutions import convolve, is_complex_convolution
from ..meta_device.constants import changes_constant
from ..process.global_state import deeper_recursion, original_of, replaced_here
from ..recording.recorder import Recorder
from ..structure.containers import complete
from ..user_code.compilation import user_code
from ..user_code.constant_masks import splits_as_numbers
from ..user_code.control_flow import HigherOrder, HigherOrderCalls, is_higher_order
from ..user_code.created_modules import move_to_meta
from ..user_code.meta_branches import refuse_meta_branch
from ..user_code.nested_tensors import (
    attend,
    attend_rows,
    is_jagged_attention,
    is_nested_attention,
)
from ..user_code.threads import noting_threads
from ..user_code.triton_kernels import without_launches
from ..user_code.user_rules import module_rule_of, run_by_rule
from .copies import Substitutes, meta_copy
from .dispatch import Operators, is_packed, on_one_device


@contextmanager
def recording(
    recorder: Recorder,
    operators: Operators,
    substitutes: Substitutes | None = None,
    fused: bool = True,
) -> Iterator[None]:
    """Record everything that this thread runs inside.

    `substitutes` run instead of the modules that the model was copied from: a function of the model
    may refer to those. `fused`: without data a recurrent layer is one operator.
    """
    known = substitutes or Substitutes()
    # Inside another run, whose model calls cnnstat, that run does not record this one's modules.
    original = original_of(nn.Module.__call__)

    def call_and_note(module: nn.Module, /, *args: Any, **kwargs: Any) -> Any:
        module = known.of(module)
        if operators.lane.name == "meta" and _has_data(module):
            with torch._C.DisableTorchFunction(), _disable_current_modes():
                module = without_data(module)
        if recorder.is_open_root(module):
            return original(module, *args, **kwargs)
        with torch._C.DisableTorchFunction():  # what the recorder calls is no row of the model
            call = recorder.open_module(module, (args, kwargs))
        rule = module_rule_of(module)
        try:
            if is_nested_attention(module, args, kwargs):
                result = attend_rows(original, module, *args, **kwargs)
            elif rule is None:
                result = original(module, *args, **kwargs)
            else:
                result = run_by_rule(rule, call, recorder, module, args, kwargs, original)
            if call.parent is None:
                result = complete(result)
        except BaseException as error:  # raised again
            recorder.close(call, error)
            raise
        with torch._C.DisableTorchFunction():
            recorder.close(call, result)
        return result

    def without_data(module: nn.Module) -> nn.Module:
        """The module on `meta`, so that no gradient passes from one device to another.

        A forward may create tensors on a module of the model, and modules on it. A module that is
        not the model's, created in a forward or referred to by a function, stays as it is: its copy
        runs.
        """
        if recorder.is_registered(module):
            move_to_meta(module, recorder)
            return module
        copied = meta_copy(module)
        known.add(module, copied)
        return copied

    has_data = operators.lane.has_data
    # Without data, no collection of cycles: the live bytes would depend on when Python collects.
    # With data, cycles of tensors would fill the memory.
    collector = nullcontext() if has_data else gc_paused()
    with (
        noting_threads(recorder),
        replaced_here(nn.Module, "__call__", call_and_note),
        HigherOrderCalls() as calls,
        collector,
        _noting_checkpoints(recorder),
        operators,
    ):
        operators.on_import = calls.refresh
        functions = Functions(recorder, fused and not has_data, has_data)
        kernels = without_launches(recorder, has_data)
        with functions, deeper_recursion(), kernels, user_code() as recorder.devices:
            yield


@contextmanager
def _noting_checkpoints(recorder: Recorder) -> Iterator[None]:
    """Notify the recorder of reentrant checkpoints, whose code runs without gradients."""
    checkpoints: Any = sys.modules.get("torch.utils.checkpoint")  # a model needs its import
    if checkpoints is None:
        yield
        return
    original = checkpoints.CheckpointFunction.forward

    def forward(ctx: Any, function: Any, preserve: Any, *args: Any) -> Any:
        with torch._C.DisableTorchFunction():
            noting = recorder.checkpoint(args)
        with noting:
            return original(ctx, function, preserve, *args)

    with ExitStack() as stack:
        if not torch.is_grad_enabled():  # its warning that nothing has a gradient is no news
            silent = replaced_here(checkpoints, "check_backward_validity", lambda args: None)
            stack.enter_context(silent)
        stack.enter_context(replaced_here(checkpoints.CheckpointFunction, "forward", forward))
        yield


def _has_data(module: nn.Module) -> bool:
    for tensors in (module._parameters, module._buffers):
        for tensor in tensors.values():
            if tensor is not None and not tensor.is_meta:
                return True
    return False


def _has_no_data(tensor: Tensor) -> bool:
    return tensor.is_meta or hasattr(tensor, "fake_mode")


_READS = {"tolist", "numpy", "__array__"}  # they return values to Python without any operator
# Properties of a tensor that run an operator; the others only return information.
_COMPUTED_PROPERTIES = {"T", "mT", "H", "mH", "real", "imag"}
_is_autocast = torch.is_autocast_enabled  # torch's own, which `libraries.py` replaces during a run
_NOT_OPERATORS = {"__get__", "__set__", "__len__", "__repr__", "__format__", "__iter__", "__hash__",
                  "size", "dim", "numel", "stride", "requires_grad_"}  # fmt: skip


class Functions(TorchFunctionMode):
    """Opens a call for each functional operator in the `forward` of a container."""

    def __init__(self, recorder: Recorder, fused: bool, has_data: bool) -> None:
        super().__init__()
        self.recorder = recorder
        self.fused = fused
        self.has_data = has_data
        self.higher_order = HigherOrder(recorder, self, has_data)
        self._names: dict[Any, str | None] = {}

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        recorder = self.recorder
        if is_higher_order(func):
            return self.higher_order.run(func, args, kwargs)
        if func is torch.tensor:
            return self._constant(args, kwargs)
        operator = getattr(func, "__name__", "")
        if operator == "__get__" and not self.has_data:
            refuse_meta_branch(func, args)
        elif not self.has_data and changes_constant(operator, args, kwargs):
            with torch._C.DisableTorchFunction(), _disable_current_modes():
                recorder.move_to_meta(args[0])
        if operator in RECURRENT and not self.has_data and not is_packed(args):
            # torch compares devices before any operator runs; a state may be created on the CPU
            args, kwargs = on_one_device(args, kwargs)
        if self.fused and operator in RECURRENT:
            result = self._recurrent(operator, args, kwargs)
            if result is not None:
                return result
        # Read here: in the dispatch mode autocast always appears to be off.
        recorder.autocast = _is_autocast("cpu") or _is_autocast("cuda")
        run = func
        if is_complex_convolution(func, args, kwargs):
            run = partial(convolve, func)
        elif is_jagged_attention(func, args, kwargs):
            run = partial(attend, recorder.on_read)
        elif func is torch._nested_view_from_jagged:
            recorder.require_lengths()
        if operator == "tensor_split":
            args, kwargs = splits_as_numbers(args, kwargs, recorder)
        if operator in _READS and recorder.on_read is not None and not _has_no_data(args[0]):
            value = func(*args, **kwargs)
            return recorder.on_read(operator.strip("_"), args[:1], value)
        if recorder.in_library_module or (name := self._name(func)) is None:
            return run(*args, **kwargs)
        call = recorder.open_function(name, (args, kwargs))
        try:
            result = run(*args, **kwargs)
        except BaseException as error:  # raised again
            recorder.close(call, error)
            raise
        recorder.close(call, result)
        return result

    def _constant(self, args: Any, kwargs: Any) -> Tensor:
        result = torch.tensor(*args, **kwargs)
        data = args[0] if args else kwargs.get("data")
        with torch._C.DisableTorchFunction(), _disable_current_modes():
            self.recorder.note_constant(result, data)
        return result

    def _name(self, func: Any) -> str | None:
        try:
            return self._names[func]
        except KeyError:
            name = self._names[func] = function_name(func)
            return name
        except TypeError:  # unhashable
            return function_name(func)

    def _recurrent(self, name: str, args: Any, kwargs: Any) -> Any:
        if kwargs or (isinstance(args[1], Tensor) and isinstance(args[2], Tensor)):
            return None  # a packed sequence, whose lengths are values
        with torch._C.DisableTorchFunction():
            result = recurrent_outputs(*args, dtype=dtype_of_recurrent(name))
            if result is not None:
                self.recorder.record_op(RECURRENT[name], "input", args, kwargs, result)
        return result


def function_name(func: Any) -> str | None:
    """The name for the row: `add` for `+=`; None for a function that is no operator."""
    name = getattr(func, "__name__", "")
    if isinstance(func, torch._ops.OpOverload):  # called as such: torch.ops.aten.add.Tensor
        name = name.partition(".")[0]
    if name == "__get__":
        name = getattr(getattr(func, "__self__", None), "__name__", "")
        return name if name in _COMPUTED_PROPERTIES else None
    if not name or name in _NOT_OPERATORS or name.startswith(("is_", "_is_")):
        return None
    if name.startswith("__"):
        name = name.strip("_")
        # __iadd__ and __radd__ are both the addition.
        return name[1:] if name[0] in "ir" and hasattr(Tensor, f"__{name[1:]}__") else name
    return name.strip("_")


RECURRENT = {"lstm": "aten.lstm", "gru": "aten.gru", "rnn_tanh": "aten.rnn_tanh",
             "rnn_relu": "aten.rnn_relu"}  # fmt: skip


def recurrent_outputs(
    x: Tensor,
    hidden: Any,
    weights: Sequence[Tensor],
    has_biases: bool,
    layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
    batch_first: bool,
    *,
    dtype: torch.dtype | None = None,
) -> tuple[Tensor, ...] | None:
    """The results of `torch.lstm`, `torch.gru` and the like; None to leave it to torch.

    On `meta` torch unrolls an LSTM into some twenty operators per time step; on a device it is one
    call. The shapes of its results follow from those of its weights.

    x is [steps, batch, features], each state [layers · directions, batch, hidden]; the result is
    [steps, batch, directions · hidden] and the states. `dtype` is that of the results under
    autocast, which casts the operands.
    """
    states = tuple(hidden) if isinstance(hidden, list | tuple) else (hidden,)
    same_dtype = (x, *states, *weights) if dtype is None else (*weights,)
    if not _share_a_dtype(*same_dtype) or x.dim() != 3 or torch.is_grad_enabled():
        return None
    directions = 2 if bidirectional else 1
    rows = layers * directions
    batch = x.shape[0 if batch_first else 1]
    if any(state.dim() != 3 or state.shape[:2] != (rows, batch) for state in states):
        return None
    if len(weights) % rows or x.shape[2] != weights[0].shape[1]:
        return None
    width = directions * states[0].shape[2]
    shapes = [(*x.shape[:2], width), *(state.shape for state in states)]
    return tuple(_empty(shape, dtype or x.dtype) for shape in shapes)


def _share_a_dtype(*tensors: Any) -> bool:
    """Whether all are `meta` tensors of the same floating dtype, none empty."""
    return all(
        isinstance(t, Tensor) and t.is_meta and t.is_floating_point() and 0 not in t.shape
        and t.dtype is tensors[0].dtype
        for t in tensors
    )  # fmt: skip


def _empty(shape: Sequence[int], dtype: torch.dtype) -> Tensor:
    return torch.empty(tuple(shape), dtype=dtype, device="meta")
