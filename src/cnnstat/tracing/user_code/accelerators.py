"""Code written for an accelerator, built and run on the device of the lane.

`x.cuda()`, `device="cuda:0"`, `.to(0)`, `pin_memory=True`, `torch.cuda.FloatTensor(…)` and the
like do what they would do on a machine whose only device is the lane's. The functions of
`torch.cuda` that need a driver do nothing. No tensor is ever put on an accelerator: a torch without
CUDA aborts the process for some of them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from ..places import innermost_frame, shown_path
from ..process.global_state import dispatching

_ACCELERATORS = frozenset({"cuda", "mps", "xpu", "hpu", "npu", "mtia", "privateuseone"})
_found: ContextVar[dict[str, str] | None] = ContextVar("devices", default=None)


@contextmanager
def on_lane_device() -> Iterator[dict[str, str]]:
    """Run user code as on a machine without accelerators; yields those that it names.

    The values are the file and line that names one first, empty where no source does. Inside
    another `on_lane_device`, both yield the same names.
    """
    outer = _found.get()
    found = {} if outer is None else outer
    token = _found.set(found)
    stand_ins = _stand_ins() if outer is None else ()
    originals = [getattr(holder, name) for holder, name, _ in stand_ins]
    try:
        for holder, name, value in stand_ins:
            setattr(holder, name, value)
        with _OnLaneDevice():
            yield found
    finally:
        for (holder, name, _), original in zip(stand_ins, originals, strict=True):
            setattr(holder, name, original)
        _found.reset(token)


def _is_here() -> bool:
    """Whether this thread runs user code as on a machine without accelerators."""
    return _found.get() is not None


def _note(device: str) -> None:
    found = _found.get()
    if found is not None and device not in found:
        frame = innermost_frame(sys._getframe(1))
        found[device] = f"{shown_path(frame.file)}:{frame.line}" if frame else ""


class _OnLaneDevice(TorchFunctionMode):
    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if "device" in kwargs and self._is_accelerator(kwargs["device"]):
            # None is the device of the other operand, or the default one
            kwargs = {name: value for name, value in kwargs.items() if name != "device"}
        if kwargs.get("pin_memory"):
            kwargs = {**kwargs, "pin_memory": False}
        special = _SPECIAL.get(getattr(func, "__name__", ""))
        if special is None or not args:
            return func(*args, **kwargs)
        return special(self, func, args, kwargs)

    def _is_accelerator(self, device: Any) -> bool:
        """Whether a device is an accelerator; its name is noted."""
        if type(device) is int:  # an index; of a tensor on the CPU it is -1
            kind = "cuda"
        elif isinstance(device, str):
            kind = device.partition(":")[0]
        else:
            kind = device.type if isinstance(device, torch.device) else ""
        if kind not in _ACCELERATORS:
            return False
        if device != -1:
            _note(kind)
        return True

    def accelerated(self, func: Any, args: Any, kwargs: Any) -> Any:
        """`x.cuda()`"""
        if not isinstance(args[0], Tensor):
            return func(*args, **kwargs)
        _note(func.__name__)
        return args[0].to(args[0].device)

    def to(self, func: Any, args: Any, kwargs: Any) -> Any:
        """`x.to(0)`, `x.to("cuda", torch.half)`; a tensor without data cannot go to the CPU."""
        if not isinstance(args[0], Tensor):
            return func(*args, **kwargs)
        x, *rest = args
        if rest and (self._is_accelerator(rest[0]) or (x.is_meta and _is_cpu(rest[0]))):
            rest[0] = x.device
        if x.is_meta and _is_cpu(kwargs.get("device")):
            kwargs = {**kwargs, "device": x.device}
        return func(x, *rest, **kwargs) if rest or kwargs else x

    def cpu(self, func: Any, args: Any, kwargs: Any) -> Any:
        x = args[0]
        on_lane = isinstance(x, Tensor) and x.is_meta
        return x.to(x.device) if on_lane else func(*args, **kwargs)

    def parsed(self, func: Any, args: Any, kwargs: Any) -> Any:
        """The arguments of `Module.to`."""
        target, *rest = args
        return func("cpu" if self._is_accelerator(target) else target, *rest, **kwargs)

    def pinned(self, func: Any, args: Any, kwargs: Any) -> Any:
        return args[0]

    def typed(self, func: Any, args: Any, kwargs: Any) -> Any:
        """`x.type(torch.cuda.FloatTensor)`"""
        dtype = _dtype_of(args[1]) if len(args) > 1 else None
        if "cuda" in str(args[1:2]):
            _note("cuda")
        return func(*args, **kwargs) if dtype is None else args[0].to(dtype)


_SPECIAL: dict[str, Callable[[_OnLaneDevice, Any, Any, Any], Any]] = {
    "cuda": _OnLaneDevice.accelerated,
    "xpu": _OnLaneDevice.accelerated,
    "mtia": _OnLaneDevice.accelerated,
    "to": _OnLaneDevice.to,
    "cpu": _OnLaneDevice.cpu,
    "_parse_to": _OnLaneDevice.parsed,
    "pin_memory": _OnLaneDevice.pinned,
    "type": _OnLaneDevice.typed,
}


def _is_cpu(device: Any) -> bool:
    return device == "cpu" or (isinstance(device, torch.device) and device.type == "cpu")


def _dtype_of(tensor_type: Any) -> torch.dtype | None:
    """The dtype of `torch.cuda.FloatTensor`, or of its name; None for a dtype."""
    if isinstance(tensor_type, torch.dtype):
        return None
    text = tensor_type if isinstance(tensor_type, str) else getattr(tensor_type, "__name__", "")
    return _DTYPES.get(text.rpartition(".")[2])


_DTYPES = {
    "FloatTensor": torch.float32, "DoubleTensor": torch.float64, "HalfTensor": torch.float16,
    "BFloat16Tensor": torch.bfloat16, "LongTensor": torch.int64, "IntTensor": torch.int32,
    "ShortTensor": torch.int16, "CharTensor": torch.int8, "ByteTensor": torch.uint8,
    "BoolTensor": torch.bool,
}  # fmt: skip


class _Nothing:
    """A stream, an event or a context of a driver that does nothing."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def __enter__(self) -> _Nothing:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *args, **kwargs: 0


_IDLE = (
    "synchronize", "empty_cache", "set_device", "ipc_collect", "init", "manual_seed", "seed",
    "manual_seed_all", "seed_all", "set_stream", "reset_peak_memory_stats",
    "reset_max_memory_cached", "reset_max_memory_allocated", "reset_accumulated_memory_stats",
    "set_per_process_memory_fraction",
)  # fmt: skip
_OBJECTS = ("Stream", "Event", "stream", "current_stream", "default_stream", "device", "device_of")
_CAPABILITY = (8, 0)  # of the first GPUs with every dtype that models ask for
_NUMBERS: dict[str, Any] = {
    "current_device": 0, "memory_allocated": 0, "max_memory_allocated": 0, "memory_reserved": 0,
    "max_memory_reserved": 0, "get_device_capability": _CAPABILITY, "get_device_name": "",
    "get_device_properties": SimpleNamespace(
        name="", major=_CAPABILITY[0], minor=_CAPABILITY[1], total_memory=0,
        multi_processor_count=1,
    ),
}  # fmt: skip


@cache
def _stand_ins() -> tuple[tuple[Any, str, Any], ...]:
    """What replaces the functions of torch that need a driver: module, name, function."""
    # a class of tensors stays one, for isinstance
    return tuple(
        (
            holder,
            name,
            value if name in _DTYPES else dispatching(getattr(holder, name), value, _is_here),
        )
        for holder, name, value in _functions()
    )


def _functions() -> Iterator[tuple[Any, str, Any]]:
    def returning(value: Any, device: str) -> Callable[..., Any]:
        def stand_in(*args: Any, **kwargs: Any) -> Any:
            _note(device)
            return value

        return stand_in

    for device in ("cuda", "xpu", "mps"):
        module = getattr(torch, device)
        for name in _IDLE:
            if hasattr(module, name):
                yield module, name, returning(None, device)
        for name in _OBJECTS:
            if hasattr(module, name):
                yield module, name, _Nothing
        for name, value in _NUMBERS.items():
            if hasattr(module, name):
                yield module, name, returning(value, device)
    for name in ("range_push", "range_pop", "mark"):
        yield torch.cuda.nvtx, name, returning(None, "cuda")
    for name in _DTYPES:
        yield torch.cuda, name, getattr(torch, name)
    batch_norm: Any = torch.nn.BatchNorm1d.forward  # the same for all; in one process both are
    yield torch.nn.SyncBatchNorm, "forward", batch_norm  # equal, and this one runs anywhere
    yield torch, "set_default_device", _unless(_names_accelerator, torch.set_default_device)
    set_type: Any = torch.set_default_tensor_type
    yield torch, "set_default_tensor_type", _with_type_on_cpu(set_type)


def _names_accelerator(device: Any) -> bool:
    kind = device.type if isinstance(device, torch.device) else str(device).partition(":")[0]
    return type(device) is int or kind in _ACCELERATORS


def _unless(condition: Callable[[Any], bool], function: Callable[..., Any]) -> Callable[..., Any]:
    def called(value: Any) -> Any:
        return None if condition(value) else function(value)

    return called


def _with_type_on_cpu(set_type: Callable[..., Any]) -> Callable[..., Any]:
    def called(tensor_type: Any) -> Any:
        is_name = isinstance(tensor_type, str)
        return set_type(tensor_type.replace("torch.cuda.", "torch.") if is_name else tensor_type)

    return called
