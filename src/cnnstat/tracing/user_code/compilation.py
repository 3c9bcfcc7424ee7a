"""Compiled code, built and run without the compiler: what it computes is the same.

While user code is built or run, `torch.compile`, `torch.jit.script` and `torch.jit.trace` return
what they are called on. The compiled code of a live model runs as it was written, and copies of a
model contain the compiled modules instead of their wrappers.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from types import FunctionType
from typing import Any

import torch
from torch import nn

from ..process.global_state import replaced_here
from ..structure.distributed import wrapped_in
from .accelerators import on_lane_device


@contextmanager
def user_code() -> Iterator[dict[str, str]]:
    """Run user code without accelerators and compiler; yields the accelerators that it names."""
    with ExitStack() as stack:
        stack.enter_context(replaced_here(torch, "compile", _uncompiled))
        stack.enter_context(replaced_here(nn.Module, "compile", _not_compiled_in_place))
        for name in ("script", "trace", "trace_module", "freeze", "optimize_for_inference"):
            written = _unscripted(getattr(torch.jit, name))
            stack.enter_context(replaced_here(torch.jit, name, written))
        stack.enter_context(_eager_stance())
        stack.enter_context(_operators_as_written())
        yield stack.enter_context(on_lane_device())


def module_in(module: nn.Module) -> nn.Module:
    """The module that `torch.compile` wrapped, else the module itself."""
    while _is_wrapper(module):
        inside = module._modules.get("_orig_mod")
        if inside is None:
            break
        module = inside
    return module


def wrappers_of(model: nn.Module) -> list[nn.Module]:
    """The wrappers of `torch.compile` and those for several devices, and what is inside of all."""
    found = [model]
    while (inside := wrapped_in(module_in(found[-1]))) is not found[-1]:
        found.append(inside)
    return found


def inside_wrappers(model: nn.Module) -> nn.Module:
    """The module inside all of these wrappers."""
    return wrappers_of(model)[-1]


def _is_wrapper(module: nn.Module) -> bool:
    cls = type(module)
    return cls.__name__ == "OptimizedModule" and cls.__module__.startswith("torch._dynamo")


def without_graph(forward: Any) -> Any:
    """The forward that `torch.cuda.make_graphed_callables` replaced on a module.

    Its replacement replays a CUDA graph, in which no operator is called.
    """
    if getattr(forward, "__module__", None) != "torch.cuda.graphs":
        return forward
    names = forward.__code__.co_freevars
    cells = dict(zip(names, forward.__closure__ or (), strict=True))
    return cells["orig_fwd"].cell_contents if "orig_fwd" in cells else forward


def _uncompiled(model: Any = None, **options: Any) -> Any:
    return model if model is not None else _as_written


def _as_written(function: Callable[..., Any]) -> Callable[..., Any]:
    return function


def _not_compiled_in_place(module: nn.Module, *args: Any, **kwargs: Any) -> None:
    pass


_SCRIPTS_OF_TORCH = "torch._decomp"  # forward-mode derivatives import it, and need the scripts


def _unscripted(original: Callable[..., Any]) -> Callable[..., Any]:
    """A function of `torch.jit`, which gets what is scripted already and returns all else."""

    def called(model: Any = None, *args: Any, **options: Any) -> Any:
        model = options.get("obj", options.get("func", options.get("mod", model)))
        if isinstance(model, torch.jit.ScriptModule | torch.jit.ScriptFunction):
            return original(model, *args, **options)
        if isinstance(model, FunctionType) and model.__module__.startswith(_SCRIPTS_OF_TORCH):
            return original(model, *args, **options)
        return model

    return called


def _operators_as_written() -> Any:
    """Inside, TorchScript does not fuse operators, and runs none to optimise its graphs."""
    optimized_execution: Any = vars(torch.jit)["optimized_execution"]  # torch does not export it
    return optimized_execution(False)


def _eager_stance() -> Any:
    """What was compiled already runs eagerly; without the compiler imported there is none of it."""
    set_stance = getattr(torch.compiler, "set_stance", None)
    if set_stance is None or "torch._dynamo.eval_frame" not in sys.modules:
        return nullcontext()
    return set_stance("force_eager")
