"""The rules at work outside of a run, and where torch's own take over."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from ..torch_import import import_rules, is_postponed
from .registry import KERNELS

# Operators that torch answers on `meta` in C++, beside all that return views.
IN_CPP = frozenset({
    "aten::_to_copy", "aten::as_strided_", "aten::clone", "aten::copy_", "aten::detach_",
    "aten::empty.memory_format", "aten::empty_strided", "aten::lift_fresh", "aten::resize_",
    "aten::set_.source_Storage", "aten::set_.source_Storage_storage_offset",
    "aten::set_.source_Tensor",
})  # fmt: skip

# Operators made of others, which torch takes apart in Python where it is asked to.
APART_IN_PYTHON = frozenset({
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


class OwnRules(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch declares no types
    """Inside, our own rules answer operators on `meta`, and torch's where there is none of ours.

    The first of torch's that runs imports sympy, which takes as long as all of a small model.
    """

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # see `Operators`

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        kernel = KERNELS.get(func.name())
        result = NotImplemented if kernel is None else kernel(*args, **kwargs)
        return by_torchs_rules(func)(*args, **kwargs) if result is NotImplemented else result


def by_torchs_rules(func: Any) -> Any:
    """The operator with all of torch's rules there when it runs on `meta`."""
    if not is_postponed() or func.is_view or func.name() in IN_CPP:
        return func

    def run(*args: Any, **kwargs: Any) -> Any:
        if is_postponed() and not _has_values((*args, *kwargs.values())):
            import_rules()
        return func(*args, **kwargs)

    return run


def decomposition_of(func: Any) -> Any:
    """The function that decomposes a composite operator."""
    if func.name() in APART_IN_PYTHON:
        import_rules()
    return func.decompose


def _has_values(values: Iterable[Any]) -> bool:
    """Whether all tensors have data, and there are some: no rule for `meta` is asked then."""
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
