"""The kernels outside of a recorded run, and the import of torch's rules where needed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from ..torch_import import import_rules, is_postponed
from .registry import KERNELS

# Operators with a kernel for `meta` in C++, beside all that return views.
IN_CPP = frozenset({
    "aten::_to_copy", "aten::as_strided_", "aten::clone", "aten::copy_", "aten::detach_",
    "aten::empty.memory_format", "aten::empty_strided", "aten::lift_fresh", "aten::resize_",
    "aten::set_.source_Storage", "aten::set_.source_Storage_storage_offset",
    "aten::set_.source_Tensor",
})  # fmt: skip

# Composite operators that torch decomposes in Python.
DECOMPOSED_IN_PYTHON = frozenset({
    "aten::_upsample_bicubic2d_aa.vec", "aten::_upsample_bilinear2d_aa.vec",
    "aten::_upsample_lanczos2d_aa.vec", "aten::_upsample_nearest_exact1d.vec",
    "aten::_upsample_nearest_exact2d.vec", "aten::_upsample_nearest_exact3d.vec",
    "aten::broadcast_tensors", "aten::dropout", "aten::empty.out", "aten::gru.data",
    "aten::gru.input", "aten::istft", "aten::lstm.data", "aten::lstm.input", "aten::matmul",
    "aten::matmul.out", "aten::one_hot", "aten::pad_sequence", "aten::rnn_relu.data",
    "aten::rnn_relu.input", "aten::rnn_tanh.data", "aten::rnn_tanh.input", "aten::stft.center",
    "aten::tensor_split.tensor_indices_or_sections", "aten::unsafe_chunk",
    "aten::upsample_bicubic2d.vec", "aten::upsample_bilinear2d.vec", "aten::upsample_linear1d.vec",
    "aten::upsample_nearest1d.vec", "aten::upsample_nearest2d.vec", "aten::upsample_nearest3d.vec",
    "aten::upsample_trilinear3d.vec",
})  # fmt: skip


class KernelMode(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch declares no types
    """Runs operators on `meta` by the kernels, else by torch's rules.

    The first rule of torch's imports sympy, which takes as long as a small model.
    """

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # see `Operators`

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        kernel = KERNELS.get(func.name())
        result = NotImplemented if kernel is None else kernel(*args, **kwargs)
        return with_torch_rules(func)(*args, **kwargs) if result is NotImplemented else result


def with_torch_rules(func: Any) -> Any:
    """The operator, which imports torch's postponed rules before it runs on `meta`."""
    if not is_postponed() or func.is_view or func.name() in IN_CPP:
        return func

    def run(*args: Any, **kwargs: Any) -> Any:
        if is_postponed() and not _has_values((*args, *kwargs.values())):
            import_rules()
        return func(*args, **kwargs)

    return run


def decomposition_of(func: Any) -> Any:
    """The function that decomposes a composite operator."""
    if func.name() in DECOMPOSED_IN_PYTHON:
        import_rules()
    return func.decompose


def _has_values(values: Iterable[Any]) -> bool:
    """Whether there are tensors and all have data, so that no rule for `meta` applies."""
    found = False
    for value in values:
        if isinstance(value, Tensor):
            if value.is_meta:
                return False
            found = True
        elif isinstance(value, torch.device):
            if value.type == "meta":
                return False
            found = True
        elif isinstance(value, tuple | list) and any(isinstance(v, Tensor) for v in value):
            if not _has_values(value):
                return False
            found = True
    return found
