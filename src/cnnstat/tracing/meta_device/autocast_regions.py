"""`with torch.autocast(…)` in the code of a model, on `meta`.

torch's autocast has no effect on tensors without data, and torch without CUDA disables that of
CUDA. During a run on `meta` a region casts as on the device that it names, on that of the CPU where
it names `meta`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Any

import torch

from ...choices import DeviceKind
from ..process.global_state import replaced_here
from .autocast import Autocast, registered_autocast

_Function = Callable[..., Any]


class _Regions:
    """The regions of one run. Kernels are registered when the first one is entered."""

    def __init__(self) -> None:
        self._open: list[AbstractContextManager[None]] = []
        self._kernels = ExitStack()
        self._latest: Autocast | None = None

    @property
    def current(self) -> Autocast | None:
        autocast = registered_autocast.get()
        return autocast if autocast is not None and autocast.is_on else None

    def enter(self, device: DeviceKind, dtype: torch.dtype, enabled: bool) -> None:
        autocast = registered_autocast.get()  # perhaps that of a step in mixed precision
        is_other = (
            autocast is not None
            and autocast is self._latest
            and not self._open
            and autocast.device != device
        )
        if enabled and (autocast is None or is_other):
            self._kernels.close()
            autocast = self._latest = Autocast(device, dtype)
            self._kernels.enter_context(autocast.registered())
        region = nullcontext() if autocast is None else autocast.on(enabled, dtype)
        region.__enter__()
        self._open.append(region)

    def exit(self) -> None:
        self._open.pop().__exit__(None, None, None)

    def close(self) -> None:
        while self._open:  # a model may leave one open
            self.exit()
        self._kernels.close()


_regions: ContextVar[_Regions | None] = ContextVar("regions", default=None)


@contextmanager
def autocast_regions() -> Iterator[None]:
    """Let regions of autocast cast tensors on `meta`, for code that this thread runs inside."""
    regions = _Regions()
    token = _regions.set(regions)
    try:
        with ExitStack() as stack:
            for holder, name, stand_in in _STAND_INS:
                stack.enter_context(replaced_here(holder, name, stand_in(getattr(holder, name))))
            yield
    finally:
        regions.close()
        _regions.reset(token)


def dtype_of_recurrent(name: str) -> torch.dtype | None:
    """The dtype in which a region runs `torch.lstm` and the like; None outside of regions."""
    regions = _regions.get()
    autocast = None if regions is None else regions.current
    if autocast is None:
        return None
    # cuDNN runs all in the lower dtype, oneDNN only the LSTM
    return autocast.dtype if autocast.device == "cuda" or name == "lstm" else torch.float32


def _init(original: _Function) -> _Function:
    @functools.wraps(original)
    def init(
        autocast: Any, device_type: str, dtype: Any = None, enabled: bool = True, *args: Any,
        **kwargs: Any,
    ) -> None:  # fmt: skip
        if _regions.get() is None or device_type not in ("cpu", "cuda", "meta"):
            original(autocast, device_type, dtype, enabled, *args, **kwargs)
            return
        device = "cpu" if device_type == "meta" else device_type
        # torch's own is off: it would cast what is on the CPU, and warn that there is no CUDA
        original(autocast, "cpu", torch.bfloat16, False)
        autocast.cnnstat_region = device, dtype or torch.get_autocast_dtype(device), enabled

    return init


def _enter(original: _Function) -> _Function:
    @functools.wraps(original)
    def enter(autocast: Any) -> Any:
        regions = _regions.get()
        if regions is None or autocast.device not in ("cpu", "cuda"):
            return original(autocast)
        created_before = autocast.device, autocast.fast_dtype, autocast._enabled
        regions.enter(*getattr(autocast, "cnnstat_region", created_before))
        return autocast

    return enter


def _exit(original: _Function) -> _Function:
    @functools.wraps(original)
    def leave(autocast: Any, *error: Any) -> Any:
        regions = _regions.get()
        if regions is None or autocast.device not in ("cpu", "cuda"):
            return original(autocast, *error)
        regions.exit()
        return False

    return leave


def _is_enabled(original: _Function) -> _Function:
    @functools.wraps(original)
    def is_autocast_enabled(device_type: Any = None) -> Any:
        regions = _regions.get()
        if regions is not None and regions.current is not None:
            return device_type in (None, "meta", "cpu", "cuda")
        return original() if device_type is None else original(device_type)

    return is_autocast_enabled


def _dtype(original: _Function) -> _Function:
    @functools.wraps(original)
    def get_autocast_dtype(*device_type: Any) -> Any:
        regions = _regions.get()
        if regions is not None and regions.current is not None:
            return regions.current.dtype
        return original(*device_type)

    return get_autocast_dtype


_STAND_INS: tuple[tuple[Any, str, Callable[[_Function], _Function]], ...] = (
    (torch.autocast, "__init__", _init),
    (torch.autocast, "__enter__", _enter),
    (torch.autocast, "__exit__", _exit),
    (torch, "is_autocast_enabled", _is_enabled),
    (torch, "get_autocast_dtype", _dtype),
    (torch, "get_autocast_gpu_dtype", _dtype),
)
