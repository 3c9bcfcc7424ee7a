"""What tells the recorder what happens during a run:

- `Module.__call__`, replaced while the run lasts, tells when a module starts and ends. (Hooks
  would have to be put on the user's model, do not see keyword arguments and miss exceptions.)
- a function mode sees the functional operators that a container's `forward` calls;
- a dispatch mode sees every ATen operator, and answers it without data.
"""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes

from ..garbage import uncollected
from ..torch_import import import_rules
from . import recurrent
from .bounds import LARGEST
from .checks import DTYPE_CHECKS, SHAPE_CHECKS
from .copies import Substitutes, meta_copy
from .kernels import KERNELS
from .kernels.mode import by_torchs_rules, taken_apart
from .kernels.registry import Kernel
from .lanes import Lane
from .nested import PLAIN, PLAIN_TENSORS, rebuilt, tensors_among
from .open_calls import Attempt
from .recorder import Recorder

# Properties of a tensor that run an operator; every other property is mere information.
_COMPUTED_PROPERTIES = {"T", "mT", "H", "mH", "real", "imag"}
_is_autocast = torch.is_autocast_enabled  # of torch itself: `answers` puts another in its place
_NOT_OPERATORS = {"__get__", "__set__", "__len__", "__repr__", "__format__", "__iter__", "__hash__",
                  "size", "dim", "numel", "stride", "requires_grad_"}  # fmt: skip


class Functions(TorchFunctionMode):
    """Opens a row for each functional operator that a container's `forward` calls."""

    def __init__(self, recorder: Recorder, fused: bool) -> None:
        super().__init__()
        self.recorder = recorder
        self.fused = fused
        self._names: dict[Any, str | None] = {}

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        recorder = self.recorder
        if self.fused and (operator := getattr(func, "__name__", "")) in recurrent.OPERATORS:
            result = self._recurrent(operator, args, kwargs)
            if result is not None:
                return result
        # Asked here: below, where operators are dispatched, autocast always seems to be off.
        recorder.autocast = _is_autocast("cpu") or _is_autocast("cuda")
        if recorder.in_library_module or (name := self._name(func)) is None:
            return func(*args, **kwargs)
        call = recorder.open_function(name, (args, kwargs))
        try:
            result = func(*args, **kwargs)
        except BaseException as error:
            recorder.close(call, error)
            raise
        recorder.close(call, result)
        return result

    def _name(self, func: Any) -> str | None:
        try:
            return self._names[func]
        except KeyError:
            name = self._names[func] = function_name(func)
            return name
        except TypeError:  # of an object that cannot be hashed
            return function_name(func)

    def _recurrent(self, name: str, args: Any, kwargs: Any) -> Any:
        if kwargs or (isinstance(args[1], Tensor) and isinstance(args[2], Tensor)):
            return None  # a packed sequence, whose lengths are values
        with torch._C.DisableTorchFunction():
            result = recurrent.answer(*args)
            if result is not None:
                self.recorder.note(recurrent.OPERATORS[name], "input", args, kwargs, result)
        return result


_Known = tuple[str, str, Callable[..., Any] | None, bool, Callable[..., Any]]
"""Of an operator: its name and overload, our kernel, whether it is composite, how to run it."""


class Operators(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch declares no types
    """Notes every ATen operator, and without data checks and answers it."""

    def __init__(
        self,
        recorder: Recorder,
        lane: Lane,
        fast: bool = True,
        kernels: Mapping[str, Kernel] | None = None,
    ) -> None:
        """`kernels` answer before ours do, where there is no data."""
        super().__init__()  # type: ignore[no-untyped-call]
        self.kernels = {**KERNELS, **(kernels or {})}
        self.recorder = recorder
        self.lane = lane
        self.fast = fast
        self._known: dict[Any, _Known] = {}
        self._modules = len(sys.modules)
        if not fast or lane.name == "fake":
            import_rules()

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        # True makes torch import torch._dynamo for the first operator (1 s); nothing is
        # compiled here. A torch that does not know this method ignores it.
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if types and any(hasattr(cls, "__tensor_flatten__") for cls in types):
            return NotImplemented  # a tensor made of others: it asks for the operators on those
        known = self._known.get(func)
        if known is None:
            known = self._known[func] = self._look_up(func)
        name, overload, fast, composite, run = known
        if composite:  # only torch.inference_mode delivers operators whole
            return self._decomposed(func, name, overload, args, kwargs)
        recorder = self.recorder
        if not self.lane.has_data:
            args, kwargs = on_one_device(args, kwargs)
        innermost = recorder.stack[-1] if recorder.stack else None
        recorder.attempt = Attempt(func, name, args, kwargs, innermost)
        if not self.lane.has_data:
            self._check(name, args)
        result = NotImplemented if fast is None else fast(*args, **kwargs)
        if result is NotImplemented:
            result = run(*args, **kwargs)
        if len(sys.modules) != self._modules:
            self._collect()
        recorder.attempt = None
        recorder.note(name, overload, args, kwargs, result)
        return result

    def _collect(self) -> None:
        """After an import in the middle of a run.

        Exceptions caught in it may refer, in a cycle, to the frames around it, and those to
        tensors: they would stay alive where the import is, in the first run of a process only.
        """
        self._modules = len(sys.modules)
        if not self.lane.has_data:
            gc.collect()

    def _decomposed(self, func: Any, name: str, overload: str, args: Any, kwargs: Any) -> Any:
        self.recorder.open_composite()
        result = None  # an exception leaves none
        try:
            with self:
                result = taken_apart(func)(*args, **kwargs)
        finally:
            self.recorder.close_composite(name, overload, args, kwargs, result)
        return result

    def _check(self, name: str, args: Any) -> None:
        if name in SHAPE_CHECKS:
            SHAPE_CHECKS[name](args)
        if name in DTYPE_CHECKS and not self.recorder.autocast:
            DTYPE_CHECKS[name](args)

    def _look_up(self, func: Any) -> _Known:
        full = func.name()
        packet, _, overload = full.partition(".")
        composite = _is_composite(func)
        kernel = None
        if not self.lane.has_data:
            kernel = LARGEST.get(full) or (self.kernels.get(full) if self.fast else None)
        wrapped = self.lane.wrapped
        kernel = kernel and wrapped(kernel)
        run = wrapped(func if self.lane.has_data else by_torchs_rules(func))
        return packet.replace("::", "."), overload or "default", kernel, composite, run


def _is_composite(func: Any) -> bool:
    key = "CompositeImplicitAutograd"
    try:
        return func._can_decompose() and torch._C._dispatch_has_kernel_for_dispatch_key(
            func.name(), key
        )
    except RuntimeError:  # what tensors are asked about themselves, and no kernel answers
        return False


@contextmanager
def recording(
    recorder: Recorder,
    operators: Operators,
    substitutes: Substitutes | None = None,
    fused: bool = True,
) -> Iterator[None]:
    """Everything this thread runs inside is noted by `recorder`.

    `substitutes` run in the place of the modules that the model was copied from: a function that
    the model holds may refer to those. On `meta` modules with data that are none of the model's,
    but made in a forward or known to a function, run on a copy without: they stay as they are, and
    gradients pass to no other device. `fused`: recurrent layers are answered as one operator each,
    where there is no data.
    """
    known = substitutes or Substitutes()
    original = nn.Module.__call__
    thread = threading.get_ident()

    def call_and_note(module: nn.Module, *args: Any, **kwargs: Any) -> Any:
        if threading.get_ident() != thread:
            return original(module, *args, **kwargs)
        module = known.of(module)
        if operators.lane.name == "meta" and _has_data(module):
            with torch._C.DisableTorchFunction(), _disable_current_modes():
                copied = meta_copy(module)
            known.add(module, copied)
            module = copied
        with torch._C.DisableTorchFunction():  # looking at tensors is no operator of the model
            call = recorder.open_module(module, (args, kwargs))
        try:
            result = original(module, *args, **kwargs)
        except BaseException as error:
            recorder.close(call, error)
            raise
        with torch._C.DisableTorchFunction():
            recorder.close(call, result)
        return result

    nn.Module.__call__ = call_and_note  # type: ignore[method-assign]
    has_data = operators.lane.has_data
    # Cycles of tensors with data are not to pile up. Without, when they are freed is the same then
    # each time.
    collector = nullcontext() if has_data else uncollected()
    try:
        with collector, operators, Functions(recorder, fused and not has_data):
            yield
    finally:
        nn.Module.__call__ = original  # type: ignore[method-assign]


def _has_data(module: nn.Module) -> bool:
    for own in (module._parameters, module._buffers):
        for tensor in own.values():
            if tensor is not None and not tensor.is_meta:
                return True
    return False


def function_name(func: Any) -> str | None:
    """The operator's name as a person says it: `add` for `+=`, None for what is no operator."""
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


def on_one_device(args: Any, kwargs: Any) -> tuple[Any, Any]:
    """Constants that live on the CPU join the meta tensors they meet; alone they keep values."""
    if _all_meta(args) and (not kwargs or _all_meta(kwargs.values())):
        return args, kwargs
    if len({tensor.is_meta for tensor in tensors_among((args, kwargs))}) < 2:
        return args, kwargs
    return _to_meta(args), _to_meta(kwargs)


def _all_meta(values: Iterable[Any]) -> bool:
    """Whether that is plain to see, as it nearly always is."""
    for value in values:
        kind = type(value)
        if kind in PLAIN:
            continue
        if kind in PLAIN_TENSORS:
            if not value.is_meta:
                return False
        elif kind is not list or not _all_meta(value):
            return False
    return True


def _to_meta(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value if value.is_meta else value.to("meta")
    if isinstance(value, tuple | list):
        return rebuilt(value, [_to_meta(item) for item in value])
    if isinstance(value, dict):
        return {key: _to_meta(item) for key, item in value.items()}
    return value
