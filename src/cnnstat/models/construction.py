"""Building models without memory and without initialising weights that nobody will read."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_parameter_registration_hook
from torch.nn.parameter import is_lazy
from torch.overrides import TorchFunctionMode

from ..errors import ModelError
from ..fast_meta import import_rules, own_rules, uncollected
from ..tracing.copies import data_copy, meta_copy
from ..tracing.dispatch import on_one_device
from ..tracing.global_state import random_state_kept
from ..tracing.lane_selection import Builders

# arange, linspace and tensor keep their values: constructors read them back.
_FACTORIES = {torch.empty, torch.zeros, torch.ones, torch.rand, torch.randn, torch.full}
_FILLING = {"uniform_", "normal_", "fill_", "zero_", "erfinv_", "clamp_", "mul_", "add_", "sub_",
            "div_"}  # fmt: skip


class WithoutInitialization(TorchFunctionMode):
    """`torch.nn.init` does nothing inside: most of the time that construction takes."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__module__", "") == "torch.nn.init":
            return args[0] if args else kwargs["tensor"]
        return func(*args, **kwargs)


class WithoutData(TorchFunctionMode):
    """Tensors made inside are on `meta`, and initialising them does nothing.

    Initialisation needs the generator's state too, which is left alone here.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if func in _FACTORIES and kwargs.get("device") is None:
            kwargs["device"] = "meta"
        elif getattr(func, "__module__", "") == "torch.nn.init":
            return args[0] if args else kwargs["tensor"]
        elif getattr(func, "__name__", "") in _FILLING and _fills_meta(args):
            return args[0]
        try:
            return func(*args, **kwargs)
        except RuntimeError:
            # Tables made by arange have values, and meet tensors that have none. What changes a
            # table in place cannot be done without values: the next way to build does it.
            together = on_one_device(args, kwargs)
            if together[0] is args or getattr(func, "__name__", "_").endswith("_"):
                raise
            return func(*together[0], **together[1])


def _fills_meta(args: Any) -> bool:
    """Whether a tensor without data is changed in place by numbers, which changes nothing."""
    return (
        bool(args)
        and isinstance(args[0], Tensor)
        and args[0].is_meta
        and not any(isinstance(arg, Tensor) for arg in args[1:])
    )


@contextmanager
def _parameters_leaving() -> Iterator[None]:
    """Tensors are made on the CPU; one that becomes a parameter gives its memory up."""

    def to_meta(module: nn.Module, name: str, parameter: Any) -> Any:
        if type(parameter) is not nn.Parameter or parameter.is_meta:
            return None  # leaves it as it is, so that a tied one stays tied
        return nn.Parameter(parameter.detach().to("meta"), parameter.requires_grad)

    hook = register_module_parameter_registration_hook(to_meta)
    try:
        with WithoutInitialization():
            yield
    finally:
        hook.remove()


@contextmanager
def _without_data() -> Iterator[None]:
    with uncollected(), own_rules(), WithoutData():
        yield


# From the one that costs nothing to the one that does what the constructor asks for.
_WAYS: tuple[Callable[[], AbstractContextManager[Any]], ...] = (
    _without_data, _parameters_leaving, WithoutInitialization, nullcontext,
)  # fmt: skip


def construct(factory: Callable[..., Any], arguments: Mapping[str, Any]) -> Any:
    """Call `factory` so that the model it returns is on `meta`.

    Where construction reads values back, it runs on the CPU; memory is taken only as far as it
    does not succeed without. Raises what the factory raises.
    """
    before = ""
    for way in _WAYS:
        if way is not _without_data:
            import_rules()  # nobody looks at the operators there
        try:
            with random_state_kept(), way():
                model = factory(**arguments)
            break
        except Exception as error:  # a constructor may raise anything on tensors without values
            shown = repr(error)
            if way is _WAYS[-1] or shown == before:  # the same error: it is not for the values
                raise
            before = shown
    if not isinstance(model, nn.Module):
        return model
    _give_up_data(model)
    return model


def _give_up_data(model: nn.Module) -> None:
    """Move what construction left on the CPU to `meta`, tensors that are shared staying so.

    In place, unlike `meta_copy`: the model is new and nobody else's.
    """
    moved: dict[int, Tensor] = {}
    for module in model.modules():
        for tensors in (module._parameters, module._buffers):
            for name, tensor in tensors.items():
                if tensor is None or tensor.is_meta or is_lazy(tensor):
                    continue
                if id(tensor) not in moved:
                    there = tensor.detach().to("meta")
                    if isinstance(tensor, nn.Parameter):
                        there = nn.Parameter(there, requires_grad=tensor.requires_grad)
                    moved[id(tensor)] = there
                tensors[name] = moved[id(tensor)]  # type: ignore[assignment]  # one of two dicts


def unbuilt(spec: str, arguments: Mapping[str, Any], *reason: str) -> ModelError:
    """That a constructor raised, which may be anything on odd arguments, as the user's error."""
    given = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
    return ModelError(f"{spec} cannot be built{f' with {given}' if given else ''}", *reason)


def told(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def builders(factory: Callable[..., Any], arguments: Mapping[str, Any], *takes: str) -> Builders:
    """The ways to build a model by a factory; on the CPU it is initialised as it wants to be.

    `takes` names arguments that its signature does not show.
    """

    def with_data() -> nn.Module:
        with random_state_kept():
            model: nn.Module = factory(**arguments)
        return model

    names = frozenset((*_parameters_of(factory), *takes))
    return Builders(partial(construct, factory, arguments), with_data, names)


def _parameters_of(factory: Callable[..., Any]) -> Iterable[str]:
    try:
        return inspect.signature(factory).parameters
    except (TypeError, ValueError):  # of a builtin: what it takes is not known
        return ()


def copies_of(model: nn.Module) -> Builders:
    """The ways to have a model of the user's."""
    return Builders(partial(meta_copy, model), partial(data_copy, model))
