"""What surrounds an analysis: it waits for its turn, and leaves the process as it was."""

from __future__ import annotations

import builtins
import gc
import logging
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any, NamedTuple

import torch
from torch import _tensor_str
from torch.backends import cuda, cudnn, mkldnn
from torch.nn.modules import module as module_hooks

from ...errors import NOT_OF_THE_MODEL, CnnstatError, ModelError, UsageError, format_exception
from ..places import raising_line
from .global_state import modes_preserved, replaced_here, without_modes
from .interruptions import interruptions_passed, pass_to_caller
from .turns import one_at_a_time


@contextmanager
def isolated() -> Iterator[None]:
    """Analyse inside, in turns with other threads.

    What the model's code sets for the whole process (default dtype, modes, generators, `sys.path`,
    the environment, …) holds until the end and is then restored, after a failure too.
    """
    with interruptions_passed(), _uncompiled(), one_at_a_time(), ExitStack() as stack:
        _check_not_transformed()
        stack.enter_context(without_modes())  # those of the caller would see what the model runs
        stack.enter_context(modes_preserved())
        stack.enter_context(process_preserved())
        stack.enter_context(_lowest_recursion_limit())
        for name, value in (("contexts", stack), ("had_group", _has_process_group())):
            stack.callback(setattr, _current, name, getattr(_current, name))
            setattr(_current, name, value)
        stack.callback(end_process_group)
        stack.enter_context(_failures_of_the_model())
        yield


@contextmanager
def _uncompiled() -> Iterator[None]:
    """Run what is inside as written, where `torch.compile` would compile the code of the caller."""
    frames: Any = sys.modules.get("torch._C._dynamo.eval_frame")
    if frames is None:
        yield
        return
    before = frames.set_eval_frame(None)
    try:
        yield
    finally:
        frames.set_eval_frame(before)


@contextmanager
def _lowest_recursion_limit() -> Iterator[None]:
    """Let the model's code raise the limit of recursion, not lower it.

    The code of cnnstat and of torch that runs between two calls of the model would end, too.
    """
    limit, original = sys.getrecursionlimit(), sys.setrecursionlimit
    with replaced_here(sys, "setrecursionlimit", lambda new: original(max(new, limit))):
        yield


def _check_not_transformed() -> None:
    """Refuse to run where torch transforms or traces the caller: it would transform the run too."""
    proxies: Any = sys.modules.get("torch.fx.experimental.proxy_tensor")
    if torch._C._functorch.peek_interpreter_stack() is not None:
        where = "a transform of torch.func, such as vmap or grad"
    elif torch._C._is_tracing():
        where = "torch.jit.trace"
    elif proxies is not None and proxies.get_proxy_mode() is not None:
        where = "make_fx or torch.export"
    else:
        return
    raise UsageError(
        f"cnnstat cannot run inside {where}", "call it before or after, outside of the function"
    )


class _Current(threading.local):
    contexts: ExitStack | None = None
    had_group = True  # outside of an analysis, groups are the user's


_current = _Current()


def at_the_end(action: Callable[[], None]) -> None:
    """Act at the end of the analysis; outside of one, never."""
    if _current.contexts is not None:
        _current.contexts.callback(action)


def end_process_group() -> None:
    """End the process group of torch.distributed that the model's code initialised.

    A process has only one, so code that is run again cannot initialise it a second time.
    """
    if _has_process_group() and not _current.had_group:
        torch.distributed.destroy_process_group()


def _has_process_group() -> bool:
    distributed: Any = sys.modules.get("torch.distributed.distributed_c10d")
    return distributed is not None and bool(distributed.is_initialized())


@contextmanager
def _failures_of_the_model() -> Iterator[None]:
    """Make a ModelError of what the model's code raises where nothing else expects it.

    Any access to a model may run its code: `__getattr__`, `__eq__`, `train()`, properties.
    """
    path = sys.path.copy()
    try:
        yield
    except (CnnstatError, *NOT_OF_THE_MODEL):
        raise
    except BaseException as error:  # the model's code may raise anything
        pass_to_caller(error)
        place = raising_line(error)
        if isinstance(error, ImportError) and not set(path) <= set(sys.path):
            reason = f"something is then missing: {format_exception(error)}"
            raise ModelError("the code of the model removes entries of sys.path", reason) from error
        if isinstance(error, Exception) and not place:
            raise  # a fault of cnnstat; but cnnstat does not raise SystemExit
        raise ModelError("the code of the model fails", *place, format_exception(error)) from error


@contextmanager
def process_preserved() -> Iterator[None]:
    """Restore the state that Python and torch keep for the whole process."""
    before = [(setting, setting.read()) for setting in _settings()]
    modules = dict(sys.modules)
    try:
        yield
    finally:
        for setting, value in before:
            with suppress(Exception):  # a value that cannot be set any more: the others still are
                if setting.read() != value:
                    setting.write(value)
        for name in modules.keys() - sys.modules.keys():
            sys.modules[name] = modules[name]


class _Setting(NamedTuple):
    """A value of the process; `read` returns one that later changes leave as it is."""

    read: Callable[[], Any]
    write: Callable[[Any], Any]


def _settings() -> Iterator[_Setting]:
    yield _Setting(lambda: dict(vars(torch._C)), vars(torch._C).update)  # the setters below use it
    yield _Setting(torch.get_default_dtype, torch.set_default_dtype)
    yield _Setting(torch.get_deterministic_debug_mode, torch.set_deterministic_debug_mode)
    yield _Setting(_anomaly, lambda value: torch.set_anomaly_enabled(*value))
    yield _Setting(torch.get_float32_matmul_precision, torch.set_float32_matmul_precision)
    yield _Setting(torch.get_num_threads, torch.set_num_threads)
    yield _Setting(torch.is_grad_enabled, torch._C._set_grad_enabled)
    for device in ("cpu", "cuda"):
        yield _autocast(device)
    for holder, name in _ATTRIBUTES:
        if hasattr(holder, name):
            yield _attribute(holder, name)
    yield from _KERNELS_OF_ATTENTION
    yield _mapping(vars(_tensor_str.PRINT_OPTS))
    for name, hooks in vars(module_hooks).items():
        if name.startswith("_global_") and isinstance(hooks, dict):
            yield _mapping(hooks)
    yield _Setting(_directory, os.chdir)
    yield _Setting(lambda: dict(os.environ), _set_environment)
    yield _Setting(lambda: dict(vars(builtins)), vars(builtins).update)
    for items in (sys.path, sys.argv):
        yield _Setting(items.copy, _writer(items))
    yield _Setting(lambda: list(warnings.filters), _set_filters)
    yield _Setting(sys.getrecursionlimit, sys.setrecursionlimit)
    yield _Setting(gc.get_threshold, lambda value: gc.set_threshold(*value))
    yield _Setting(gc.isenabled, lambda enabled: gc.enable() if enabled else gc.disable())
    if threading.current_thread() is threading.main_thread():  # the only one that may set them
        yield _Setting(_handlers, _set_handlers)
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        yield _Setting(numpy.geterr, lambda value: numpy.seterr(**value))


# Set as attributes of a module or object.
_ATTRIBUTES: tuple[tuple[Any, str], ...] = (
    (torch.utils.deterministic, "fill_uninitialized_memory"),
    (cudnn, "benchmark"), (cudnn, "deterministic"), (cudnn, "enabled"), (cudnn, "allow_tf32"),
    (cuda.matmul, "allow_tf32"), (cuda.matmul, "allow_fp16_reduced_precision_reduction"),
    (cuda.matmul, "allow_bf16_reduced_precision_reduction"), (mkldnn, "deterministic"),
    (torch.backends.mha, "_is_fastpath_enabled"),
    (sys, "stdout"), (sys, "stderr"), (sys, "stdin"), (sys, "excepthook"), (sys, "displayhook"),
    (threading, "excepthook"), (warnings, "showwarning"), (logging.root.manager, "disable"),
    (logging.root, "level"),
)  # fmt: skip
_KERNELS_OF_ATTENTION = (
    _Setting(cuda.flash_sdp_enabled, cuda.enable_flash_sdp),
    _Setting(cuda.mem_efficient_sdp_enabled, cuda.enable_mem_efficient_sdp),
    _Setting(cuda.math_sdp_enabled, cuda.enable_math_sdp),
    _Setting(cuda.cudnn_sdp_enabled, cuda.enable_cudnn_sdp),
)


def _attribute(holder: Any, name: str) -> _Setting:
    return _Setting(lambda: getattr(holder, name, None), lambda value: setattr(holder, name, value))


def _mapping(table: dict[Any, Any]) -> _Setting:
    def write(items: list[tuple[Any, Any]]) -> None:
        table.clear()
        table.update(items)

    return _Setting(lambda: list(table.items()), write)


def _writer(items: list[Any]) -> Callable[[list[Any]], None]:
    def write(values: list[Any]) -> None:
        items[:] = values

    return write


def _anomaly() -> tuple[bool, bool]:
    return torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()


def _autocast(device: str) -> _Setting:
    def read() -> tuple[bool, torch.dtype]:
        return torch.is_autocast_enabled(device), torch.get_autocast_dtype(device)

    def write(value: tuple[bool, torch.dtype]) -> None:
        torch.set_autocast_enabled(device, value[0])
        torch.set_autocast_dtype(device, value[1])

    return _Setting(read, write)


def _directory() -> str | None:
    with suppress(OSError):
        return os.getcwd()
    return None  # it was removed


def _set_environment(values: dict[str, str]) -> None:
    for name in os.environ.keys() - values.keys():
        del os.environ[name]
    os.environ.update(values)


def _set_filters(filters: list[Any]) -> None:
    warnings.filters[:] = filters  # type: ignore[index]  # declared as a sequence
    warnings._filters_mutated()  # type: ignore[attr-defined]  # as its own functions do


_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGALRM", "SIGCHLD", "SIGPIPE", "SIGUSR1", "SIGUSR2")


def _handlers() -> dict[int, Any]:
    numbers = [getattr(signal, name) for name in _SIGNALS if hasattr(signal, name)]
    return {number: signal.getsignal(number) for number in numbers}


def _set_handlers(handlers: dict[int, Any]) -> None:
    for number, handler in handlers.items():
        if handler is not None and signal.getsignal(number) is not handler:
            signal.signal(number, handler)
