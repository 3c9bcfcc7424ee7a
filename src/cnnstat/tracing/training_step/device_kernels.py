"""The kernels of a device where torch runs others on `meta`: attention, dropout, gradients.

On `meta` torch decomposes attention, which saves the matrix of all scores, and dropout saves a mask
in the dtype of its input. The fused forms hold less:

attention   operands, result and one number per row (Dao et al. 2022, arXiv:2205.14135)
dropout     one byte per element, on CUDA
SiLU, Mish  nothing but the gradient, of which torch makes seven operators on `meta`

The form is chosen by the main conditions of torch's `sdp_utils` on shapes and dtypes. Tests compare
it with real steps on the CPU; for CUDA it is not measured.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

import torch
from torch import Tensor

from ... import fast_meta
from ...choices import DeviceKind
from ..run.dispatch import Kernel

_MOST_FEATURES = 256  # of a head, for flash attention on CUDA
_HALF = (torch.float16, torch.bfloat16)
_aten: Any = torch.ops.aten  # its operators are attributes made on demand


def kernels_of(device: DeviceKind) -> dict[str, Kernel]:
    """Kernels for operators whose results have other sizes on the device than on `meta`."""
    return {"aten::native_batch_norm": _batch_norm_of_the_cpu} if device == "cpu" else {}


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
        if form == "flash" and q.shape[1] != k.shape[1]:
            return _GroupedFlash.apply(q, k, v)  # type: ignore[no-any-return, no-untyped-call]  # torch declares no types
        mask = _as_numbers(attn_mask, q)
        if form == "flash" or (form == "efficient" and device == "cpu"):
            fused = _aten._scaled_dot_product_flash_attention_for_cpu
            return _first(fused(q, k, v, dropout_p, is_causal, attn_mask=mask, scale=scale))
        if form == "efficient":
            if mask is not None:
                mask = mask.expand(q.shape[0], q.shape[1], q.shape[2], k.shape[2])
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


def _first(results: Any) -> Tensor:
    result: Tensor = results[0]
    return result


def _dropout(x: Tensor, p: float, train: bool) -> Tensor:
    if not train or p == 0 or x.numel() == 0:
        return x
    return torch.native_dropout(x, p, train)[0] if p < 1 else x * torch.zeros_like(x)



def _undecomposed(operator: Any) -> Callable[..., Any]:
    def run(*args: Any, **kwargs: Any) -> Any:
        with torch._C._AutoDispatchBelowAutograd():  # above, torch decomposes it
            return operator(*args, **kwargs)

    return run
