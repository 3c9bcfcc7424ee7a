"""Mixed precision on `meta`: the casts of `torch.autocast`, for tensors without data.

torch's autocast skips tensors on `meta`. Kernels that do the same casts are registered here for the
same operators, under a dispatch key that no device of this process uses. torch lists the operators;
their casts are those of aten/src/ATen/autocast_mode.h for CUDA, autocast_mode.cpp for the CPU.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor

from ...choices import DeviceKind
from ..process.global_state import replaced
from ..structure.containers import rebuilt, tensors_among

_KEY = "AutocastPrivateUse1"
_OF_DEVICE = {"cuda": "AutocastCUDA", "cpu": "AutocastCPU"}

LOWER: dict[DeviceKind, frozenset[str]] = {
    "cuda": frozenset({
        "_convolution.deprecated", "_convolution", "conv1d", "conv2d", "conv3d", "conv_tbc",
        "conv_transpose1d", "conv_transpose2d.input", "conv_transpose3d.input", "convolution",
        "prelu", "addmm", "addmv", "addr", "matmul", "einsum", "mm", "mv", "linalg_vecdot",
        "linear", "addbmm", "baddbmm", "bmm", "chain_matmul", "linalg_multi_dot",
        "_thnn_fused_lstm_cell", "_thnn_fused_gru_cell", "lstm_cell", "gru_cell", "rnn_tanh_cell",
        "rnn_relu_cell", "_scaled_dot_product_flash_attention", "scaled_dot_product_attention",
    }),
    "cpu": frozenset({
        "conv1d", "conv1d.padding", "conv2d", "conv2d.padding", "conv3d", "conv3d.padding", "bmm",
        "mm", "linalg_vecdot", "baddbmm", "addmm", "addbmm", "linear", "_addmm_activation",
        "_convolution.deprecated", "matmul", "conv_tbc", "mkldnn_rnn_layer", "conv_transpose1d",
        "conv_transpose2d.input", "conv_transpose3d.input", "prelu",
        "scaled_dot_product_attention", "_native_multi_head_attention",
    }),
}  # fmt: skip
"""Operators that run in the lower precision."""
PROMOTED = frozenset({
    "addcdiv", "addcmul", "atan2", "bilinear", "cross", "dot", "vdot", "grid_sampler", "index_put",
    "tensordot", "scatter_add", "stack", "cat", "index_copy",
})  # fmt: skip
"""Operators that run in the widest precision of their operands."""
WITH_DTYPE = frozenset({
    "prod", "prod.dim_int", "softmax.int", "log_softmax.int", "cumprod", "cumsum",
    "linalg_vector_norm", "linalg_matrix_norm", "linalg_matrix_norm.str_ord", "sum",
    "sum.dim_IntList",
})  # fmt: skip
"""Operators that are asked for a result in float32, on CUDA; the others run in float32."""
UNCAST_ON_CUDA = frozenset({
    "norm.Scalar", "norm.ScalarOpt_dim", "norm.names_ScalarOpt_dim", "binary_cross_entropy",
    "_cudnn_rnn", "cudnn_convolution", "cudnn_convolution_transpose",
})  # fmt: skip
"""Not cast on CUDA: norms choose a dtype themselves, the others do not run on `meta`."""


registered_autocast: ContextVar[Autocast | None] = ContextVar("registered", default=None)
"""The one whose kernels are registered: the key has room for one."""


class Autocast:
    """Autocast to one dtype as on one device; `on` enables it.

    `caches`: whether casts of parameters are cached while it is on, as in training. Under
    `torch.inference_mode` torch caches none: each operator casts its weight again.
    """

    def __init__(self, device: DeviceKind, dtype: torch.dtype, caches: bool = True) -> None:
        self.device = device
        self.dtype = dtype
        self.caches = caches
        self._cast: dict[tuple[int, torch.dtype], tuple[Tensor, Tensor]] = {}
        self.is_on = False
        self._key = getattr(torch._C.DispatchKey, _KEY)
        self._keys = torch._C.DispatchKeySet(self._key)

    @contextmanager
    def registered(self) -> Iterator[None]:
        """Register the kernels, which `on` needs."""
        library: Any = torch.library.Library  # torch declares no types
        kernels, others = library("aten", "IMPL"), library("_", "IMPL")
        try:
            others.fallback(torch.library.fallthrough_kernel, _KEY)
            for name in autocast_operators(self.device):
                if self.device == "cpu" or name not in UNCAST_ON_CUDA:
                    kernels.impl(name, self._kernel(name), _KEY)
            registered_autocast.set(self)
            with self._in_checkpoints():
                yield
        finally:
            registered_autocast.set(None)
            kernels._destroy()
            others._destroy()

    @contextmanager
    def on(self, enabled: bool = True, dtype: torch.dtype | None = None) -> Iterator[None]:
        """Cast the operands of operators; not inside of it where `enabled` is False.

        dtype: another lower dtype inside of it.
        """
        was_on, outer_dtype = self.is_on, self.dtype
        self.dtype = dtype or outer_dtype
        self._switch(enabled)
        try:
            yield
        finally:
            self._switch(was_on)
            self.dtype = outer_dtype
            if not was_on:
                self._cast.clear()

    def _switch(self, enabled: bool) -> None:
        torch._C._dispatch_tls_set_dispatch_key_excluded(self._key, not enabled)
        torch._C._dispatch_tls_set_dispatch_key_included(self._key, enabled)
        self.is_on = enabled

    @contextmanager
    def _in_checkpoints(self) -> Iterator[None]:
        """Resume it where a checkpoint of the model recomputes its layers, as torch does."""
        checkpoints: Any = sys.modules.get("torch.utils.checkpoint")  # a model needs its import
        if checkpoints is None:
            yield
            return
        plain = checkpoints._checkpoint_without_reentrant_generator
        reentrant = checkpoints.CheckpointFunction.forward

        def recomputed(function: Any, *args: Any, **kwargs: Any) -> Any:
            return plain(self._resuming(function), *args, **kwargs)

        def forward(ctx: Any, function: Any, *args: Any) -> Any:
            return reentrant(ctx, self._resuming(function), *args)

        with (
            replaced(checkpoints, "_checkpoint_without_reentrant_generator", recomputed),
            replaced(checkpoints.CheckpointFunction, "forward", staticmethod(forward)),
        ):
            yield

    def _resuming(self, function: Any) -> Any:
        if not self.is_on:
            return function

        def with_autocast(*args: Any, **kwargs: Any) -> Any:
            with self.resumed():
                return function(*args, **kwargs)

        return with_autocast

    def resumed(self) -> AbstractContextManager[None]:
        """`on` unless it is on already: for layers that a checkpoint recomputes."""
        return nullcontext() if self.is_on else self.on()

    def _kernel(self, name: str) -> Callable[..., Any]:
        packet, _, overload = name.partition(".")
        operator = getattr(getattr(torch.ops.aten, packet), overload or "default")

        def kernel(*args: Any, **kwargs: Any) -> Any:
            with torch._C._ExcludeDispatchKeyGuard(self._keys):
                if name in WITH_DTYPE and self.device == "cuda":
                    return operator(*args, **self._with_dtype(operator, args, kwargs))
                dtype = self._dtype_for(name, (args, kwargs))
                # From the last to the first, as compiled C++ does: gradients come in that order.
                cast = [self._all_cast(value, dtype) for value in reversed(args)]
                return operator(*reversed(cast), **self._all_cast(kwargs, dtype))

        return kernel

    def _with_dtype(self, operator: Any, args: Any, kwargs: dict[str, Any]) -> dict[str, Any]:
        names = [argument.name for argument in operator._schema.arguments]
        has_dtype = len(args) > names.index("dtype") or kwargs.get("dtype") is not None
        return kwargs if has_dtype or not _eligible(args[0]) else {**kwargs, "dtype": torch.float32}

    def _dtype_for(self, name: str, operands: Any) -> torch.dtype:
        if name in LOWER[self.device]:
            return self.dtype
        if name in PROMOTED:
            dtypes = {t.dtype for t in tensors_among(operands) if _eligible(t)}
            return torch.float32 if torch.float32 in dtypes else self.dtype
        return torch.float32

    def _all_cast(self, value: Any, dtype: torch.dtype) -> Any:
        if isinstance(value, Tensor):
            return self._one_cast(value, dtype)
        if isinstance(value, tuple | list):
            return rebuilt(value, [self._all_cast(item, dtype) for item in value])
        if isinstance(value, dict):
            return {key: self._all_cast(item, dtype) for key, item in value.items()}
        return value

    def _one_cast(self, tensor: Tensor, dtype: torch.dtype) -> Tensor:
        if not _eligible(tensor) or tensor.dtype is dtype:
            return tensor
        parameter = tensor.requires_grad and tensor.is_leaf and not tensor._is_view()
        is_cached = self.caches and parameter and dtype is self.dtype
        if not (is_cached and tensor.dtype is torch.float32):
            return tensor.to(dtype)
        key = id(tensor), dtype
        if key not in self._cast:
            self._cast[key] = tensor, tensor.to(dtype)
        return self._cast[key][1]


def autocast_operators(device: DeviceKind) -> list[str]:
    """The operators for which torch has an autocast kernel on a device, without `aten::`."""
    has_kernel = torch._C._dispatch_has_kernel_for_dispatch_key
    names = [name for name in torch._C._dispatch_get_all_op_names() if name.startswith("aten::")]
    key = _OF_DEVICE[device]
    return sorted(name.removeprefix("aten::") for name in names if has_kernel(name, key))


def _eligible(value: Any) -> bool:
    return (
        isinstance(value, Tensor)
        and value.is_meta
        and value.is_floating_point()
        and value.dtype is not torch.float64
    )
