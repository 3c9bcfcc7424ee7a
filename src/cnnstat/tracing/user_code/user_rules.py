"""Rules of the user during a run: shapes of operators, costs of modules, torch's formulas."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from msgspec import structs
from torch import Tensor, nn
from torch.utils._python_dispatch import _disable_current_modes

from ...errors import ModelError, UsageError
from ...escaping import value_in_words
from ...operators.registry import definition_of
from ...operators.user_rules import (
    Amount,
    OperatorRule,
    check_amount,
    checked_amount,
    checked_shapes,
)
from ..recording.open_calls import OpenCall
from ..recording.recorder import Recorder
from ..structure.containers import tensors_among


@dataclass(frozen=True, slots=True)
class ModuleRule:
    """What a call of a module costs; with `shape` its forward is not run.

    Without `backward_macs` its backward pass is that of the operators of its forward.
    """

    cls: type[nn.Module]
    place: str
    macs: Amount
    other_ops: Amount
    backward_macs: Amount | None
    shape: Callable[..., Any] | None

    @property
    def title(self) -> str:
        return f"the rule for {self.cls.__name__} ({self.place})"


_modules: dict[type, ModuleRule] = {}


def register_module_rule(
    cls: Any,
    macs: Amount,
    other_ops: Amount,
    backward_macs: Amount | None,
    shape: Callable[..., Any] | None,
    place: str,
) -> None:
    """Register a rule for the modules of a class and of its subclasses.

    Raises:
        UsageError: an argument is invalid.
    """
    what = f"{place}: cnnstat.register_module"
    if not isinstance(cls, type) or not issubclass(cls, nn.Module):
        raise UsageError(
            f"{what}: {value_in_words(cls)} is no class of modules",
            "expected a subclass of nn.Module",
        )
    check_amount(what, "macs", macs)
    check_amount(what, "other_ops", other_ops)
    if backward_macs is not None:
        check_amount(what, "backward_macs", backward_macs)
    if shape is not None and not callable(shape):
        raise UsageError(
            f"{what}: shape is {shape!r}",
            "expected a function of the module and its inputs that returns a shape",
        )
    _modules[cls] = ModuleRule(cls, place, macs, other_ops, backward_macs, shape)


def module_rule_of(module: nn.Module) -> ModuleRule | None:
    if not _modules:
        return None
    for cls in type(module).__mro__:
        for known, rule in _modules.items():
            if cls is known or _same_source(cls, known):
                return rule
    return None


def _same_source(cls: type, other: type) -> bool:
    """Whether both are one class of one file, which was imported under two names."""
    if cls.__qualname__ != other.__qualname__:
        return False
    files = [getattr(sys.modules.get(c.__module__), "__file__", None) for c in (cls, other)]
    return files[0] is not None and files[0] == files[1]


def run_by_rule(
    rule: ModuleRule,
    call: OpenCall,
    recorder: Recorder,
    module: nn.Module,
    args: Any,
    kwargs: Any,
    forward: Callable[..., Any],
) -> Any:
    """Run a module as one operator, whose cost is that of its rule."""
    call.library = True  # no rows inside
    since = recorder.position
    if rule.shape is None:
        result = forward(module, *args, **kwargs)
    else:
        result = _created(rule, module, args, kwargs)
    with torch._C.DisableTorchFunction(), _disable_current_modes():

        def amount(key: str, number: Amount) -> int:
            return checked_amount(rule.title, key, number, lambda f: f(module, *args, **kwargs))

        amounts = {
            "macs": amount("macs", rule.macs),
            "other_ops": amount("other_ops", rule.other_ops),
        }
        parameters = [p for p in module.parameters() if not nn.parameter.is_lazy(p)]
        recorder.replace_ops(since, "cnnstat.module", (args, parameters), amounts, result)
        if rule.backward_macs is not None and recorder.ops:
            forward_pass = recorder.ops[-1]
            backward_macs = amount("backward_macs", rule.backward_macs)
            call.by_rule = structs.replace(
                forward_pass,
                args=(forward_pass.args, forward_pass.outputs),
                kwargs={**amounts, "macs": backward_macs},
                outputs=forward_pass.inputs,  # a gradient of each
            )
    return result


def _created(rule: ModuleRule, module: nn.Module, args: Any, kwargs: Any) -> Any:
    assert rule.shape is not None
    parameters = [p for p in module.parameters() if not nn.parameter.is_lazy(p)]
    tensors = [*tensors_among((args, kwargs)), *parameters]
    trained = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)
    if trained and rule.backward_macs is None:
        raise ModelError(
            f"{rule.title} has no backward pass",
            "with shape= the forward is not run, so that autograd does not see what it computes",
            hint="backward_macs=…, or without shape=: its forward is run and its gradients counted",
        )
    try:
        found = rule.shape(module, *args, **kwargs)
    except Exception as error:  # a function of the user
        raise ModelError(
            f"{rule.title} fails", f"shape: {type(error).__name__}: {error}"
        ) from error
    if trained:
        unrun: Any = _Unrun  # torch declares no types of its apply
        return unrun.apply(lambda: _empty(rule.title, found, tensors), *tensors)
    return _empty(rule.title, found, tensors)


class _Unrun(torch.autograd.Function):
    """A forward that is not run, and its backward pass: the tensors that each of them creates.

    Autograd saves the inputs and parameters, as for a convolution or a product.
    """

    @staticmethod
    def forward(context: Any, create: Callable[[], Any], *tensors: Tensor) -> Any:
        context.save_for_backward(*tensors)
        return create()

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        needed = context.needs_input_grad[1:]
        pairs = zip(context.saved_tensors, needed, strict=True)
        return (None, *(torch.empty_like(x) if is_needed else None for x, is_needed in pairs))


def _empty(title: str, found: Any, tensors: list[Tensor]) -> Any:
    if not tensors:
        raise ModelError(f"{title} has no tensor to take the dtype of its results from")
    results = [tensors[0].new_empty(shape) for shape in checked_shapes(title, found)]
    return results[0] if len(results) == 1 else tuple(results)


def kernel_of(rule: OperatorRule) -> Callable[..., Any]:
    """A kernel that creates the results of an operator by the user's rule for their shapes."""
    shape = rule.shape
    assert shape is not None

    def run(*args: Any, **kwargs: Any) -> Any:
        try:
            found = shape(*args, **kwargs)
        except Exception as error:  # a function of the user
            reason = f"shape: {type(error).__name__}: {error}"
            raise ModelError(f"{rule.title} fails", reason) from error
        return _empty(rule.title, found, tensors_among((args, kwargs)))

    return run


def flop_formula_of(func: Any, name: str) -> Callable[..., Any] | None:
    """The formula that the user registered with torch for an operator that is unknown here."""
    counter: Any = sys.modules.get("torch.utils.flop_counter")
    if counter is None or definition_of(name) is not None:
        return None
    formula: Callable[..., Any] | None = counter.flop_registry.get(func._overloadpacket)
    if formula is None:
        return None

    def flops(args: Any, kwargs: Any, result: Any) -> Any:
        try:
            return formula(*args, **kwargs, out_val=result)
        except Exception as error:  # a function of the user
            raise ModelError(
                f"the formula that was registered with torch for {name} fails",
                f"{_place_of(formula)}{type(error).__name__}: {error}",
            ) from error

    return flops


def _place_of(formula: Callable[..., Any]) -> str:
    code = getattr(inspect.unwrap(formula), "__code__", None)
    return "" if code is None else f"{code.co_filename}:{code.co_firstlineno}: "
