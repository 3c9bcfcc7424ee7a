"""Construct models on `meta`: no memory for weights, and no time to initialise them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_parameter_registration_hook
from torch.nn.parameter import is_lazy
from torch.overrides import TorchFunctionMode

from ..errors import NOT_OF_THE_MODEL, ModelError, hides_interrupt, message_of
from ..fast_meta import gc_paused, import_rules, kernels_active
from ..tracing.process.class_state import ClassState
from ..tracing.process.global_state import preserve_rng_state, warning_ignored
from ..tracing.process.interruptions import pass_to_caller
from ..tracing.process.isolation import at_the_end, end_process_group
from ..tracing.run.copies import data_copy, meta_copy
from ..tracing.run.dispatch import on_one_device
from ..tracing.run.lane_selection import Builders
from ..tracing.structure.distributed import unwrapped
from ..tracing.structure.known_indices import with_indices
from ..tracing.structure.module_tree import check_tree
from ..tracing.structure.modules import modules_of
from ..tracing.user_code.compilation import user_code

# Not arange, linspace and tensor: constructors read their values back.
_FACTORIES = {torch.empty, torch.zeros, torch.ones, torch.rand, torch.randn, torch.full}
_FILLS = {"uniform_", "normal_", "fill_", "zero_", "erfinv_", "clamp_", "mul_", "add_", "sub_",
            "div_"}  # fmt: skip
_DRAWING = ("rand", "normal", "uniform", "bernoulli", "multinomial", "poisson", "exponential",
            "trunc_normal", "log_normal", "cauchy", "geometric", "dropout")  # fmt: skip


Observer = Callable[[Callable[..., Any] | None, Any, Any, Any], None]
"""Called with a function of torch's, its arguments and its result."""
_observers: list[Observer] = []


@contextmanager
def functions_observed(observer: Observer) -> Iterator[None]:
    """Call `observer` with the functions that constructors call, left out or not.

    It is called with None if they run in a way that does not show these.
    """
    _observers.append(observer)
    try:
        yield
    finally:
        _observers.remove(observer)


def _observe(
    func: Callable[..., Any] | None, args: Any = (), kwargs: Any = None, result: Any = None
) -> None:
    for observer in _observers:
        observer(func, args, kwargs or {}, result)


class WithoutInitialization(TorchFunctionMode):
    """Make `torch.nn.init` do nothing; initialisation is most of the time of construction."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__module__", "") == "torch.nn.init":
            _observe(None)
            return args[0] if args else kwargs["tensor"]
        if _sets_data(func):
            args = _with_meta_data(args)
        return func(*args, **kwargs)


_SMALL = 4096  # elements


class _WithoutFills(WithoutInitialization):
    """Likewise for large tensors that are filled with numbers, which become 0.

    Not whatever is in memory: a loop that draws again until all numbers are in a range ends.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if getattr(func, "__name__", "") in _FILLS and args and isinstance(args[0], Tensor):
            by_numbers = not any(isinstance(arg, Tensor) for arg in args[1:])
            if by_numbers and args[0].numel() > _SMALL:
                return args[0].zero_() if func is not Tensor.zero_ else func(*args)
        return super().__torch_function__(func, types, args, kwargs)


@contextmanager
def without_fills() -> Iterator[None]:
    """Constructors inside, on the CPU, do not initialise parameters, which takes most of the time.

    `torch.nn.init` does nothing, in its functions without `__torch_function__` too.
    """
    before = {name: f for name, f in vars(nn.init).items() if name.startswith("_no_grad_")}
    vars(nn.init).update(dict.fromkeys(before, lambda tensor, *args, **kwargs: tensor))
    try:
        with _WithoutFills():
            yield
    finally:
        vars(nn.init).update(before)


class WithoutData(TorchFunctionMode):
    """Create tensors on `meta`, and make initialising them do nothing.

    Nothing is drawn from the random generator for them; `has_drawn` if other functions did.
    """

    has_drawn = False

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if func in _FACTORIES and kwargs.get("device") is None:
            kwargs["device"] = "meta"
        elif getattr(func, "__module__", "") == "torch.nn.init":
            tensor = args[0] if args else kwargs["tensor"]
            _observe(func, (tensor,))
            return tensor
        elif getattr(func, "__name__", "") in _FILLS and _fills_meta(args):
            _observe(func, args)
            return args[0]
        elif _sets_data(func):
            args = _with_meta_data(args)
        try:
            result = func(*args, **kwargs)
            if getattr(func, "__name__", "").startswith(_DRAWING):
                self.has_drawn |= isinstance(result, Tensor) and not result.is_meta
            _observe(func, args, kwargs, result)
            return result
        except RuntimeError:
            # A table from arange is on the CPU, its operand on meta: move both to meta. An in-place
            # operation on the table would lose its values, so it is left to the next strategy.
            moved_args, moved_kwargs = on_one_device(args, kwargs)
            if moved_args is args or getattr(func, "__name__", "_").endswith("_"):
                raise
            return func(*moved_args, **moved_kwargs)


def _fills_meta(args: Any) -> bool:
    """Whether a `meta` tensor is changed in place by numbers only, which has no effect."""
    return (
        bool(args)
        and isinstance(args[0], Tensor)
        and args[0].is_meta
        and not any(isinstance(arg, Tensor) for arg in args[1:])
    )


def _sets_data(func: Any) -> bool:
    """Whether it is the assignment `parameter.data = values`."""
    return getattr(func, "__self__", None) is _DATA and func.__name__ == "__set__"


_DATA: Any = vars(torch._C.TensorBase)["data"]


def _with_meta_data(args: Any) -> Any:
    """The arguments of that assignment; what a parameter on `meta` gets is on `meta` too."""
    parameter, values = args
    moves = parameter.is_meta and isinstance(values, Tensor) and not values.is_meta
    return (parameter, values.to("meta")) if moves else args


@contextmanager
def _parameters_to_meta() -> Iterator[None]:
    """Create tensors on the CPU, and move each to `meta` when it is registered as a parameter."""

    def to_meta(module: nn.Module, name: str, parameter: Any) -> Any:
        if type(parameter) is not nn.Parameter or parameter.is_meta:
            return None  # unchanged, so that tied parameters stay tied
        return nn.Parameter(parameter.detach().to("meta"), parameter.requires_grad)

    hook = register_module_parameter_registration_hook(to_meta)
    try:
        with WithoutInitialization(), _values_ignored():
            yield
    finally:
        hook.remove()


@contextmanager
def _without_data() -> Iterator[None]:
    mode = WithoutData()
    drawn = preserve_rng_state(lambda: mode.has_drawn)
    with drawn, gc_paused(), kernels_active(), _values_ignored(), mode:
        yield


def _values_ignored() -> AbstractContextManager[None]:
    """torch warns that a state dict changes no parameter on `meta`; its values are not needed."""
    return warning_ignored(".*copying from a non-meta parameter in the checkpoint")


@contextmanager
def _drawing(inner: Callable[[], AbstractContextManager[Any]]) -> Iterator[None]:
    with preserve_rng_state(), inner():
        yield


# From the cheapest to the unchanged constructor, whose values are those of its own initialisation:
# what it derives from them is not to depend on uninitialised memory.
_STRATEGIES: tuple[Callable[[], AbstractContextManager[Any]], ...] = (
    _without_data, partial(_drawing, _parameters_to_meta), preserve_rng_state,
)  # fmt: skip


def construct(factory: Callable[..., Any], arguments: Mapping[str, Any]) -> Any:
    """Call `factory` so that the model it returns is on `meta`.

    A constructor that reads values back runs on the CPU, with as little memory as it needs.

    Raises:
        BaseException: whatever the factory raises; a ModelError if its model cannot be walked.
    """
    before = ClassState(factory)
    at_the_end(before.restore)
    previous = ""
    for strategy in _STRATEGIES:
        if strategy is not _without_data:
            import_rules()  # only _without_data notices that postponed rules are needed
        try:
            with strategy(), user_code():
                model = _called(factory, arguments)
            break
        except NOT_OF_THE_MODEL:
            raise
        except BaseException as error:  # a constructor may raise anything
            pass_to_caller(error)
            if hides_interrupt(error):
                raise KeyboardInterrupt from error
            before.restore()
            description = f"{type(error).__name__}: {message_of(error)}"
            # the same error twice, and not for a tensor on `meta`: missing values are not its cause
            is_fault = description == previous and "meta" not in description
            if strategy is _STRATEGIES[-1] or is_fault:
                raise
            previous = description
    if not isinstance(model, nn.Module):
        return model
    check_tree(model)
    model = unwrapped(model)
    _move_to_meta(model)
    return model


def _called(factory: Callable[..., Any], arguments: Mapping[str, Any]) -> Any:
    end_process_group()  # an earlier call may have initialised one
    return factory(**arguments)


def _move_to_meta(model: nn.Module) -> None:
    """Move the tensors that construction left on the CPU to `meta`; shared ones stay shared.

    In place, unlike `meta_copy`: nothing else refers to the new model. Lazy parameters stay
    uninitialised, since their shapes are known only after the first forward pass.
    """
    moved: dict[int, Tensor] = {}
    for module in modules_of(model):
        for tensors in (module._parameters, module._buffers):
            for name, tensor in tensors.items():
                if tensor is None or tensor.is_meta or is_lazy(tensor):
                    continue
                if id(tensor) not in moved:
                    on_meta = with_indices(tensor.detach().to("meta"), tensor)
                    if isinstance(tensor, nn.Parameter):
                        on_meta = nn.Parameter(on_meta, requires_grad=tensor.requires_grad)
                    moved[id(tensor)] = on_meta
                tensors[name] = moved[id(tensor)]  # type: ignore[assignment]  # one of two dicts


def construction_error(spec: str, arguments: Mapping[str, Any], *reason: str) -> ModelError:
    """The error that a model cannot be constructed with these arguments, for any exception."""
    shown = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
    return ModelError(f"{spec} cannot be built{f' with {shown}' if shown else ''}", *reason)


def format_error(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(message_of(error).split())}"


def builders(
    factory: Callable[..., Any], arguments: Mapping[str, Any], *hidden_parameters: str
) -> Builders:
    """How to build a model with a factory: on `meta`, or on the CPU with its own initialisation.

    `hidden_parameters` are accepted by the factory but absent from its signature.
    """

    def with_data() -> nn.Module:
        with preserve_rng_state(), user_code():
            model: nn.Module = _called(factory, arguments)
        return unwrapped(model)

    names = frozenset((*_parameters_of(factory), *hidden_parameters))
    return Builders(partial(construct, factory, arguments), with_data, names)


def _parameters_of(factory: Callable[..., Any]) -> Iterable[str]:
    try:
        return inspect.signature(factory).parameters
    except (TypeError, ValueError):  # builtins may have no signature
        return ()


def copies_of(model: nn.Module) -> Builders:
    """How to copy a model that the user passed in: on `meta`, or with its data."""
    return Builders(partial(meta_copy, model), partial(data_copy, model))
