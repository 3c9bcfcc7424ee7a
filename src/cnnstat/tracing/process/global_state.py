"""Global state of Python and torch: changed for a run, or by it, and restored afterwards."""

from __future__ import annotations

import functools
import random
import re
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from typing import Any

import torch
from torch.utils import _device
from torch.utils._python_dispatch import (
    _disable_current_modes,
    _get_current_dispatch_mode_stack,
)
from torch.utils._python_dispatch import _pop_mode as _pop_dispatch_mode
from torch.utils._python_dispatch import _push_mode as _push_dispatch_mode

SEED = 0


@contextmanager
def preserve_rng_state(has_drawn: bool | Callable[[], bool] = True) -> Iterator[None]:
    """Restore the states of Python's, NumPy's and torch's generators at the end.

    Other threads may train meanwhile, and would draw the same numbers again. So where there are
    others, torch's generator, which training draws from, is set back only if this thread seeded it
    or `has_drawn` from it.
    """
    numpy: Any = sys.modules.get("numpy")  # a model cannot use it without an import
    torch_state, seed, python_state = torch.get_rng_state(), torch.initial_seed(), random.getstate()
    numpy_state = numpy.random.get_state() if numpy else None
    seedings: list[str] = []
    try:
        with _noting_seedings(seedings):
            yield
    finally:
        drawn = has_drawn() if callable(has_drawn) else has_drawn
        is_seeded = bool(seedings) or torch.initial_seed() != seed
        if drawn or is_seeded or threading.active_count() == 1:
            torch.set_rng_state(torch_state)
        random.setstate(python_state)
        if numpy_state is not None:
            numpy.random.set_state(numpy_state)


@contextmanager
def warning_ignored(message: str) -> Iterator[None]:
    """Ignore the UserWarnings whose text begins as the regular expression `message`.

    Not by `warnings.catch_warnings`, after which warnings that were shown once are shown again.
    """
    ignored: Any = ("ignore", re.compile(message), UserWarning, None, 0)
    filters: Any = warnings.filters
    filters.insert(0, ignored)
    try:
        yield
    finally:
        with suppress(ValueError):  # the code inside may have removed all
            filters.remove(ignored)


@contextmanager
def _noting_seedings(found: list[str]) -> Iterator[None]:
    """Note the functions by which this thread seeds torch's generator: the seed may be the same."""

    def noting(name: str) -> Callable[..., Any]:
        original = getattr(torch.random, name)

        def seeding(*args: Any, **kwargs: Any) -> Any:
            found.append(name)
            return original(*args, **kwargs)

        return seeding

    with ExitStack() as stack:
        for name in ("manual_seed", "seed", "set_rng_state"):
            noted = noting(name)
            for holder in (torch, torch.random):
                stack.enter_context(replaced_here(holder, name, noted))
        yield


@contextmanager
def seeded_generators() -> Iterator[None]:
    """Seed Python's, NumPy's and torch's generators, within `preserve_rng_state`."""
    numpy: Any = sys.modules.get("numpy")
    random.seed(SEED)
    if numpy:
        numpy.random.seed(SEED)
    torch.default_generator.manual_seed(SEED)  # the CPU's only, unlike torch.manual_seed
    yield


@contextmanager
def deeper_recursion() -> Iterator[None]:
    """Allow for the frames that recording adds to each call of a module."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(2 * limit + 200)
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)


@contextmanager
def modes_preserved() -> Iterator[None]:
    """Restore the modes of torch: code may enter one and not leave it, or leave one of ours."""
    functions, dispatchers = _function_modes(), _get_current_dispatch_mode_stack()
    device = getattr(torch._GLOBAL_DEVICE_CONTEXT, "device_context", None)
    current = _device.CURRENT_DEVICE
    try:
        yield
    finally:
        if _function_modes() != functions:
            _set_function_modes(functions)
            torch._GLOBAL_DEVICE_CONTEXT.device_context = device
            _device.CURRENT_DEVICE = current
        if _get_current_dispatch_mode_stack() != dispatchers:
            while torch._C._len_torch_dispatch_stack():
                _pop_dispatch_mode()
            for mode in dispatchers:
                _push_dispatch_mode(mode)


@contextmanager
def without_modes() -> Iterator[None]:
    """Suspend the modes of torch, of users and of the gradients: as outside of any run."""
    functions = _function_modes()
    _set_function_modes([])
    try:
        with (
            _without_hooks_of_saved_tensors(),
            torch._C._DisablePythonDispatcher(), torch._C._EnableTorchFunction(),
            _disable_current_modes(), torch.inference_mode(False), torch.enable_grad(),
            torch.autograd.set_detect_anomaly(False),
        ):  # fmt: skip
            yield
    finally:
        _set_function_modes(functions)


@contextmanager
def _without_hooks_of_saved_tensors() -> Iterator[None]:
    """Suspend those of the caller: `saved_tensors_hooks`, `save_on_cpu`, a checkpoint."""
    autograd = torch._C._autograd
    message = autograd._saved_tensors_hooks_get_disabled_error_message()
    hooks = []
    while (pair := autograd._top_saved_tensors_default_hooks(False)) is not None:
        hooks.append(pair)
        autograd._pop_saved_tensors_default_hooks()
    if message is not None:
        autograd._saved_tensors_hooks_enable()
    try:
        yield
    finally:
        if message is not None:
            autograd._saved_tensors_hooks_disable(message)
        for pack, unpack in reversed(hooks):
            autograd._push_saved_tensors_default_hooks(pack, unpack)


def _function_modes() -> list[Any]:
    return [torch._C._get_function_stack_at(i) for i in range(torch._C._len_torch_function_stack())]


def _set_function_modes(modes: list[Any]) -> None:
    while torch._C._len_torch_function_stack():
        torch._C._pop_torch_function_stack()
    for mode in modes:
        torch._C._push_on_torch_function_stack(mode)


@contextmanager
def slow_attention() -> Iterator[None]:
    """Disable the fused fast path of attention, an operator without a shape equation."""
    with replaced_here(torch.backends.mha, "get_fastpath_enabled", lambda: False):
        yield


@contextmanager
def replaced(holder: Any, name: str, value: Any) -> Iterator[None]:
    """Replace an attribute of a module or class, and restore it."""
    original = vars(holder).get(name, _INHERITED)  # as it is there, not bound to the holder
    setattr(holder, name, value)
    try:
        yield
    finally:
        if original is _INHERITED:
            delattr(holder, name)
        else:
            setattr(holder, name, original)


_INHERITED = object()


@contextmanager
def replaced_here(holder: Any, name: str, value: Any) -> Iterator[None]:
    """Replace a function or class in a module or class for this thread; others get the original.

    Values of other kinds, and classes that have no subclasses (`torch.cuda.FloatTensor`), are
    replaced for all threads.
    """
    thread = threading.get_ident()
    is_static = isinstance(vars(holder).get(name), staticmethod)
    value = dispatching(getattr(holder, name), value, lambda: threading.get_ident() == thread)
    with replaced(holder, name, staticmethod(value) if is_static else value):
        yield


def dispatching(original: Any, value: Any, is_here: Callable[[], bool]) -> Any:
    """A function or class that is `value` where `is_here()`, and the original elsewhere.

    For an original of another kind, or a class that has no subclasses: `value`.
    """
    if isinstance(original, type):
        with suppress(TypeError):
            return _dispatching_class(original, value, is_here)
    elif callable(original):
        dispatched = _dispatching(original, value, is_here)
        setattr(dispatched, _ORIGINAL, original_of(original))
        return dispatched
    return value


def _dispatching(
    original: Callable[..., Any], function: Callable[..., Any], is_here: Callable[[], bool]
) -> Callable[..., Any]:
    @functools.wraps(original)
    def dispatched(*args: Any, **kwargs: Any) -> Any:
        return (function if is_here() else original)(*args, **kwargs)

    return dispatched


def _dispatching_class(
    original: type, value: Callable[..., Any], is_here: Callable[[], bool]
) -> Any:
    """A class whose objects are the original's, but what `value` returns where `is_here()`."""
    call = _dispatching(original, value, is_here)

    class Dispatching(type(original)):  # type: ignore[misc]  # a class of its metaclass
        def __call__(cls, *args: Any, **kwargs: Any) -> Any:
            return call(*args, **kwargs)

        def __instancecheck__(cls, thing: Any) -> bool:
            return isinstance(thing, original)

        def __subclasscheck__(cls, other: type) -> bool:
            return issubclass(other, original)

    return Dispatching(original.__name__, (original,), {"__module__": original.__module__})


def original_of(function: Any) -> Any:
    """The function that other threads call, for one that `replaced_here` put there."""
    return getattr(function, _ORIGINAL, function)


_ORIGINAL = "_cnnstat_original"


@contextmanager
def threads_inside(context: Callable[[], AbstractContextManager[Any]]) -> Iterator[None]:
    """Run what this thread has other threads do, each task inside a context of its own.

    These are threads that it starts, and tasks that it submits to the threads of an executor.
    `context` is called in this thread.
    """
    start, submit = threading.Thread.start, ThreadPoolExecutor.submit

    def start_inside(thread: threading.Thread) -> None:
        thread.run = _inside(context(), thread.run)  # type: ignore[method-assign]  # as a subclass
        start(thread)

    def submit_inside(
        executor: ThreadPoolExecutor, task: Callable[..., Any], /, *args: Any, **kwargs: Any
    ) -> Any:
        return submit(executor, _inside(context(), task), *args, **kwargs)

    with (
        replaced_here(threading.Thread, "start", start_inside),
        replaced_here(ThreadPoolExecutor, "submit", submit_inside),
    ):
        yield


def _inside(context: AbstractContextManager[Any], task: Callable[..., Any]) -> Callable[..., Any]:
    def run(*args: Any, **kwargs: Any) -> Any:
        with context:
            return task(*args, **kwargs)

    return run
