"""The functions that a torch.export program may call: operators of torch, arithmetic on sizes."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from importlib import import_module
from typing import Any

import torch

from ...errors import ModelError

# What `torch.func.vmap` leaves in a program, of torch/_functorch/predispatch.py.
_VMAP = {
    f"torch._functorch.predispatch.{name}"
    for name in ("lazy_load_decompositions", "_vmap_increment_nesting", "_vmap_decrement_nesting",
                 "_add_batch_dim", "_remove_batch_dim")
}  # fmt: skip
# They read or write files, or run what is registered for tests and tools.
_REFUSED = ("aten.from_file", "aten.save", "debugprims.", "debug_mode_ops.", "prim.", "profiler.",
            "inductor.", "_test.", "static_runtime.", "export.")  # fmt: skip
_MAX_BITS = 128  # of a product of sizes; longer numbers are never computed


class UnsupportedProgram(ModelError):
    """The program contains something that cannot run on tensors without data."""


def function_of(target: str) -> Callable[..., Any]:
    """The overload `torch.ops.aten.add.Tensor`; only names in torch.ops are looked up.

    Raises:
        UnsupportedProgram: there is none, or no model needs it.
    """
    if target in _SIZE_FUNCTIONS:
        return _SIZE_FUNCTIONS[target]
    if target in _VMAP:
        module, _, name = target.rpartition(".")
        function: Callable[..., Any] = getattr(import_module(module), name)
        return function
    parts = target.split(".")
    if ".".join(parts[2:]).startswith(_REFUSED):
        raise UnsupportedProgram(f"it holds the operator {target}, which no model needs")
    if parts[:2] == ["torch", "ops"] and len(parts) == 5:
        if parts[2] == "torchvision":
            from ..torchvision_import import torchvision

            torchvision()
        try:
            found = getattr(getattr(getattr(torch.ops, parts[2]), parts[3]), parts[4])
        except AttributeError:
            found = None
        if isinstance(found, torch._ops.OpOverload):
            return found
    raise unknown_operator("::".join(parts[2:4]) if len(parts) == 5 else target)


def unknown_operator(shown: str) -> UnsupportedProgram:
    return UnsupportedProgram(
        f"it holds the operator {shown}, which torch does not know here",
        "in Python, import the package that registers it, then cnnstat.analyze the file",
    )


def _power(base: Any, exponent: Any) -> Any:
    if isinstance(base, int) and isinstance(exponent, int):
        _check_bits(base.bit_length() * abs(exponent))
    return base**exponent


def _shifted(number: int, by: int) -> int:
    _check_bits(number.bit_length() + by)
    return number << by


def _product(a: Any, b: Any) -> Any:
    product = a * b
    if isinstance(product, int):
        _check_bits(product.bit_length())
    return product


def _check_bits(bits: int) -> None:
    if bits > _MAX_BITS:
        raise OverflowError(f"a size of {bits} bits")


# Arithmetic on sizes, as in torch's own reader (_SYM_OPS of torch/_export/serde/serialize.py).
_SIZE_FUNCTIONS: dict[str, Callable[..., Any]] = {
    **{
        f"_operator.{name}": getattr(operator, name)
        for name in ("eq", "ne", "le", "ge", "lt", "gt", "neg", "pos", "add", "sub", "floordiv",
                     "mod", "truediv", "and_", "or_", "rshift")
    },
    "_operator.mul": _product,
    "_operator.pow": _power,
    "_operator.lshift": _shifted,
    "math.trunc": math.trunc,
    "math.floor": math.floor,
    "math.ceil": math.ceil,
    **{
        f"torch.sym_{name}": getattr(torch, f"sym_{name}")
        for name in ("not", "int", "float", "ite", "max", "min")
    },
    "torch._sym_sqrt": math.sqrt,
    "torch.sym_sqrt": math.sqrt,
    "torch.ops.aten.sym_size.int": lambda x, dim: x.shape[dim],
    "torch.ops.aten.sym_numel.default": lambda x: x.numel(),
    "torch.ops.aten.sym_stride.int": lambda x, dim: x.stride()[dim],
    "torch.ops.aten.sym_storage_offset.default": lambda x: x.storage_offset(),
}  # fmt: skip
