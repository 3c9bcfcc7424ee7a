"""The kernels of a device where torch runs others on `meta`: attention, dropout, gradients.

On `meta` torch decomposes attention, which saves the matrix of all scores, and dropout saves a mask
in the dtype of its input. The fused forms hold less:

attention   operands, result and one number per row (Dao et al. 2022, arXiv:2205.14135)
dropout     one byte per element, on CUDA
SiLU, Mish  nothing but the gradient, of which torch makes seven operators on `meta`
RMS norm    operands, result and one number per row, on CUDA

The form is chosen by the main conditions of torch's `sdp_utils` on shapes and dtypes. Tests compare
it with real steps on the CPU, benchmarks/cuda.py (`tensors`) with those on a GPU.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn.functional import pad

from ... import fast_meta
from ...choices import DeviceKind
from ..meta_device.memory_formats import is_channels_last
from ..run.dispatch import Kernel

_MOST_FEATURES = 256  # of a head, for flash attention on CUDA
_FLASH_FEATURES = 8  # of a head: a multiple, for flash attention on CUDA
_MASK_STEP = 8  # what the strides of a mask are multiples of, for the memory-efficient form
_HALF = (torch.float16, torch.bfloat16)
_aten: Any = torch.ops.aten  # its operators are attributes made on demand


def kernels_of(device: DeviceKind) -> dict[str, Kernel]:
    """Kernels for operators whose results have other sizes on the device than on `meta`."""
    if device == "cpu":
        return {"aten::native_batch_norm": _batch_norm_of_the_cpu}
    return {
        "aten::_fused_rms_norm": _fused_rms_norm,
        "aten::_fused_rms_norm_backward": _fused_rms_norm_backward,
    }


def _batch_norm_of_the_cpu(x: Tensor, *args: Any) -> Any:
    """Batch norm as on the CPU, where inference returns no batch statistics."""
    kernel = fast_meta.shape_kernels().get("aten::native_batch_norm")
    result = NotImplemented if kernel is None else kernel(x, *args)
    training = args[4]
    if training:
        return result
    if result is NotImplemented:
        fast_meta.import_rules()
        result = _aten.native_batch_norm.default(x, *args)
    nothing = torch.empty(0, dtype=x.dtype, device="meta")
    return result[0], nothing, nothing


@contextmanager
def forms_of(device: DeviceKind) -> Iterator[set[str]]:
    """Run the device's kernels on `meta`. Yields the set of forms of attention that ran."""
    forms: set[str] = set()

    def attention(
        q: Tensor,
        k: Tensor,
        v: Tensor,
        attn_mask: Tensor | None = None,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        *,
        scale: float | None = None,
        enable_gqa: bool = False,
    ) -> Tensor:
        form = attention_form(device, q, k, v, attn_mask, dropout_p, enable_gqa)
        forms.add(form)
        features = q.shape[-1]
        if device == "cuda" and form == "flash" and features % _FLASH_FEATURES:
            # torch copies all three, and cuts what is more from the result
            q, k, v = (pad(t, (0, -features % _FLASH_FEATURES)) for t in (q, k, v))
            return attention(q, k, v, None, dropout_p, is_causal,
                             scale=scale, enable_gqa=enable_gqa)[..., :features]  # fmt: skip
        if form == "flash" and q.shape[1] != k.shape[1]:
            return _GroupedFlash.apply(q, k, v)  # type: ignore[no-any-return, no-untyped-call]  # torch declares no types
        mask = _as_numbers(attn_mask, q)
        if form == "flash" or (form == "efficient" and device == "cpu"):
            fused = _aten._scaled_dot_product_flash_attention_for_cpu
            return _first(fused(q, k, v, dropout_p, is_causal, attn_mask=mask, scale=scale))
        if form == "efficient":
            if mask is not None:
                mask = _aligned(mask).expand(q.shape[0], q.shape[1], q.shape[2], k.shape[2])
            needs_gradient = torch.is_grad_enabled() and any(t.requires_grad for t in (q, k, v))
            fused = _aten._scaled_dot_product_efficient_attention
            return _first(fused(q, k, v, mask, needs_gradient, dropout_p, is_causal, scale=scale))
        plain = _aten._scaled_dot_product_attention_math
        return _first(plain(q, k, v, attn_mask, dropout_p, is_causal,
                            scale=scale, enable_gqa=enable_gqa))  # fmt: skip

    library: Any = torch.library.Library  # torch declares no types
    replaced = library("aten", "IMPL")
    try:
        replaced.impl("scaled_dot_product_attention", attention, "AutogradMeta")
        if device == "cuda":
            replaced.impl("dropout", _dropout, "AutogradMeta")
            if hasattr(_aten, "_fused_rms_norm_backward"):  # since torch 2.9
                replaced.impl("rms_norm", _rms_norm, "AutogradMeta")
        for name in ("silu_backward", "mish_backward"):
            replaced.impl(name, _undecomposed(getattr(_aten, name).default), "AutogradMeta")
        yield forms
    finally:
        replaced._destroy()


class _GroupedFlash(torch.autograd.Function):
    """Flash attention of heads that share keys and values, for which `meta` has no kernel."""

    @staticmethod
    def forward(context: Any, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        result = torch.empty_like(q)
        sums = torch.empty(q.shape[:-1], dtype=torch.float32, device="meta")
        context.save_for_backward(q, k, v, result, sums)
        return result

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, ...]:
        return tuple(torch.empty_like(operand) for operand in context.saved_tensors[:3])


def attention_form(
    device: DeviceKind,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    mask: Tensor | None,
    dropout: float,
    grouped: bool,
) -> Literal["flash", "efficient", "math"]:
    """The form of attention that torch chooses. q is [batch, heads, rows, features].

    On CUDA: flash attention for half precision without a mask, also where heads share keys and
    values (`enable_gqa`); the memory-efficient form for the rest if the rows of a head are aligned
    to 16 bytes. On the CPU there is one fused form, for all of these but dropout. No fused form
    shares keys and values among the examples of a batch.
    """
    four = q.dim() == k.dim() == v.dim() == 4
    if not four or 0 in (*q.shape, *k.shape) or any(t.stride(-1) != 1 for t in (q, k, v)):
        return "math"
    if not q.shape[0] == k.shape[0] == v.shape[0]:
        return "math"
    same_heads = q.shape[1] == k.shape[1] == v.shape[1]
    same_features = q.shape[-1] == k.shape[-1] == v.shape[-1]
    same_sizes = same_heads and same_features
    shared = k.shape[1] == v.shape[1] and q.shape[1] % k.shape[1] == 0 and grouped
    if device == "cpu":
        trained = mask is not None and mask.requires_grad
        fits = (same_sizes or (shared and same_features)) and not dropout and not trained
        return "flash" if fits else "math"
    features = q.shape[-1] == k.shape[-1] == v.shape[-1] <= _MOST_FEATURES
    if q.dtype in _HALF and mask is None and features and (same_sizes or shared):
        return "flash"
    aligned = all(t.shape[-1] * t.itemsize % 16 == 0 for t in (q, k, v))
    return "efficient" if aligned and q.shape[1] == k.shape[1] and not grouped else "math"


def _as_numbers(mask: Tensor | None, q: Tensor) -> Tensor | None:
    """A boolean mask as numbers to add to the scores."""
    if mask is None or mask.dtype is not torch.bool:
        return mask
    return torch.zeros_like(mask, dtype=q.dtype).masked_fill_(mask.logical_not(), -torch.inf)


def _aligned(mask: Tensor) -> Tensor:
    """The mask, or a view of a copy with longer rows, as `preprocess_mask` of torch makes it."""
    if all(stride % _MASK_STEP == 0 for stride in mask.stride()[:-1]) and mask.stride(-1) == 1:
        return mask
    columns = mask.shape[-1]
    return pad(mask, (0, -columns % _MASK_STEP))[..., :columns]


def _first(results: Any) -> Tensor:
    result: Tensor = results[0]
    return result


def _dropout(x: Tensor, p: float, train: bool) -> Tensor:
    if not train or p == 0 or x.numel() == 0:
        return x
    return torch.native_dropout(x, p, train)[0] if p < 1 else x * torch.zeros_like(x)


def _rms_norm(
    x: Tensor, shape: Sequence[int], weight: Tensor | None = None, eps: float | None = None
) -> Tensor:
    """As torch's `rms_norm_symint` (aten/src/ATen/native/layer_norm.cpp) chooses."""
    images = is_channels_last(x.shape, x.stride())
    other_dtype = weight is not None and weight.dtype is not x.dtype
    if images or other_dtype or x.is_complex():
        in_cpp = torch._C.DispatchKey.CompositeImplicitAutograd
        return _aten.rms_norm.default._op_dk(in_cpp, x, shape, weight, eps)  # type: ignore[no-any-return]  # torch declares no types
    return _FusedRMSNorm.apply(x, shape, weight, eps)  # type: ignore[no-any-return, no-untyped-call]  # torch declares no types


class _FusedRMSNorm(torch.autograd.Function):
    """RMS norm as one operator, which torch decomposes on `meta`."""

    @staticmethod
    def forward(context: Any, x: Tensor, shape: Any, weight: Tensor | None, eps: Any) -> Tensor:
        with torch._C._AutoDispatchBelowAutograd():
            result, scales = _aten._fused_rms_norm.default(x, shape, weight, eps)
        context.shape = shape
        context.save_for_backward(x, weight, scales)
        return result  # type: ignore[no-any-return]  # torch declares no types

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, scales = context.saved_tensors
        needed = [context.needs_input_grad[0], context.needs_input_grad[2]]
        with torch._C._AutoDispatchBelowAutograd():
            of_x, of_weight = _aten._fused_rms_norm_backward.default(
                gradient, x, context.shape, scales, weight, needed
            )
        return of_x, None, of_weight, None


def _fused_rms_norm(x: Tensor, shape: Sequence[int], *_: Any) -> tuple[Tensor, Tensor]:
    """The result, and one number for each row in float32 (float64 for float64)."""
    rows = (*x.shape[: -len(shape)], *(1 for _ in shape))
    wide = torch.float64 if x.dtype is torch.float64 else torch.float32
    return _like(x), torch.empty(rows, dtype=wide, device="meta")


def _fused_rms_norm_backward(
    gradient: Tensor, x: Tensor, shape: Any, scales: Tensor, weight: Tensor | None, needed: Any
) -> tuple[Tensor | None, ...]:
    return tuple(
        _like(operand) if operand is not None and needs else None
        for operand, needs in zip((x, weight), needed, strict=True)
    )


def _like(x: Tensor) -> Tensor:
    return torch.empty(x.shape, dtype=x.dtype, device="meta")


def _undecomposed(operator: Any) -> Callable[..., Any]:
    def run(*args: Any, **kwargs: Any) -> Any:
        with torch._C._AutoDispatchBelowAutograd():  # above, torch decomposes it
            return operator(*args, **kwargs)

    return run
