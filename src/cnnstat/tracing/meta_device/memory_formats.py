"""Strides of results as a device lays them out, where torch's `meta` kernels choose others.

They decide whether a `.view` works and whether `.contiguous()` copies. The rules are those of
torch's CPU kernels; CUDA has the same ones for convolution, batch norm and attention. They apply
to the results of `fast_meta` and of torch alike. Tests compare them with real runs.

A tensor of images is in channels-last format if its strides suggest it: `suggest_memory_format` in
c10/core/TensorImpl.h, which decides for sizes of 1 too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import _disable_current_modes

_aten: Any = torch.ops.aten  # its operators are attributes made on demand
Strides = Sequence[Any]


def lay_out(name: str, args: Any, kwargs: Any, result: Any) -> None:
    """Change the strides of the result on `meta` of an operator to those that a device gives it."""
    rule = _RULES.get(name)
    if rule is None:
        return
    results = result if isinstance(result, list | tuple) else (result,)
    for out in results[: _SEVERAL.get(name, 1)]:
        if not isinstance(out, Tensor) or 0 in map(_number, out.shape):
            continue
        strides = rule(args, kwargs, out)
        if strides is not None and tuple(strides) != out.stride():
            _restride(out, strides)


_COMPOSITE = ("scaled_dot_product_attention", "one_hot")
"""Operators that torch decomposes before they reach a dispatch mode."""

_are_laid_out = False  # whether a run has registered their kernels


@contextmanager
def composite_layouts() -> Iterator[None]:
    """Lay out the results of operators as a device does, while torch decomposes them on `meta`."""
    global _are_laid_out
    if _are_laid_out:  # inside another run
        yield
        return
    library: Any = torch.library.Library  # torch declares no types
    replaced = library("aten", "IMPL")
    try:
        for name in _COMPOSITE:
            replaced.impl(name, _laid_out(name), "AutogradMeta")
        _are_laid_out = True
        yield
    finally:
        replaced._destroy()
        _are_laid_out = False


def _laid_out(name: str) -> Callable[..., Any]:
    operator = getattr(_aten, name).default
    in_cpp = torch._C.DispatchKey.CompositeImplicitAutograd

    def run(*args: Any, **kwargs: Any) -> Any:
        # torch's decomposition in Python, where there is one, runs other operators
        result = operator._op_dk(in_cpp, *args, **kwargs)
        with torch._C._AutoDispatchBelowAutograd(), _disable_current_modes():
            lay_out(f"aten.{name}", args, kwargs, result)
        return result

    return run


def _restride(tensor: Tensor, strides: Strides) -> None:
    """In place, so that it remains the tensor that the recorder knows."""
    tensor.as_strided_(tensor.shape, strides)


# Rules


def _as_attention(args: Any, kwargs: Any, out: Tensor) -> Strides | None:
    """The fused kernels write the result in the order of the query's strides.

    The conditions are those of `use_flash_attention_cpp` in ATen/native/transformers. Dropout is
    ignored: with it the CPU falls back to products, CUDA does not.
    """
    names = ("query", "key", "value", "attn_mask")
    named = {**kwargs, **dict(zip(names, args, strict=False))}
    q, k, v = operands = [named[name] for name in names[:3]]
    mask = named.get("attn_mask")
    if any(tensor.dim() != 4 for tensor in operands):
        return None
    (batch, heads, _, width), (key_batch, key_heads, rows, _) = _sizes(q), _sizes(k)
    if _sizes(v) != [key_batch, key_heads, rows, width] or _sizes(k)[-1] != width:
        return None
    shared = kwargs.get("enable_gqa", False) and heads % key_heads == 0
    if batch != key_batch or not (heads == key_heads or shared):
        return None
    if any(_number(t.stride(-1)) != 1 for t in operands):
        return None
    if mask is not None and mask.requires_grad and torch.is_grad_enabled():
        return None
    return _dense(out.shape, q.stride())


def _as_convolution(args: Any, kwargs: Any, out: Tensor) -> Strides:
    """Channels-last if the input or the weight is; (N, C, L) is made contiguous before."""
    x, weight = args[:2]
    is_last = is_channels_last(*_as_image(weight)) or (
        (x.dim() != 3 or _is_contiguous(x)) and is_channels_last(*_as_image(x))
    )
    return _strides(out.shape, is_last)


def _as_gradient_of_convolution(args: Any, kwargs: Any, out: Tensor) -> Strides:
    return _as_convolution(args[1:], kwargs, out)


def _as_suggested(args: Any, kwargs: Any, out: Tensor) -> Strides:
    x = args[0]
    return _strides(out.shape, is_channels_last(x.shape, x.stride()))


def _as_rolled(args: Any, kwargs: Any, out: Tensor) -> Strides:
    """Without dimensions the flattened tensor is rolled."""
    return (
        _as_suggested(args, kwargs, out)
        if len(args) > 2 and args[2]
        else _strides(out.shape, False)
    )


def _as_contiguous(args: Any, kwargs: Any, out: Tensor) -> Strides:
    return _strides(out.shape, False)


def _as_first(args: Any, kwargs: Any, out: Tensor) -> Strides | None:
    """As `torch.empty_like` of the first operand, where the result has its shape."""
    x = args[0]
    return _dense(out.shape, x.stride()) if x.shape == out.shape else None


def _as_second(args: Any, kwargs: Any, out: Tensor) -> Strides | None:
    """Of a gradient: as `torch.empty_like` of the operand."""
    return _as_first(args[1:], kwargs, out)


def _as_suggested_by_second(args: Any, kwargs: Any, out: Tensor) -> Strides:
    return _as_suggested(args[1:], kwargs, out)


def _as_elementwise(args: Any, kwargs: Any, out: Tensor) -> Strides:
    """Of a gradient: as a sum of the operands, which torch's kernels for `meta` lay out rightly."""
    first, *others = (value for value in args if isinstance(value, Tensor))
    with _disable_current_modes():
        for other in others:
            first = _aten.add.Tensor(first, other)
    return first.stride()


def _as_angle(args: Any, kwargs: Any, out: Tensor) -> Strides | None:
    return _strides(out.shape, False) if args[0].is_complex() else None


def _as_inverse_transform(args: Any, kwargs: Any, out: Tensor) -> Strides:
    """`_exec_fft` in ATen/native/mkl: other dimensions in the order of their strides, then these.

    All but the last dimension are transformed before, from complex to complex.
    """
    x, dims, *_ = args
    if len(dims) > 1:
        with _disable_current_modes():
            x = _aten._fft_c2c(x, dims[:-1], 0, False)
    last = dims[-1] % x.dim()
    others = [dim for dim in range(x.dim()) if dim != last]
    order = sorted(others, key=lambda dim: -_number(x.stride(dim)))
    return _in_order(out.shape, [*order, last])


_RULES: dict[str, Callable[[Any, Any, Tensor], Strides | None]] = {
    "aten.convolution": _as_convolution,
    "aten.convolution_backward": _as_gradient_of_convolution,
    "aten.roll": _as_rolled,
    "aten.scaled_dot_product_attention": _as_attention,
    **dict.fromkeys(
        ("aten.native_batch_norm", "aten._native_batch_norm_legit",
         "aten._native_batch_norm_legit_no_training", "aten.reflection_pad2d",
         "aten.reflection_pad3d", "aten.replication_pad2d", "aten.replication_pad3d"),
        _as_suggested,
    ),
    **dict.fromkeys(
        ("aten.log_sigmoid_forward", "aten.nll_loss2d_forward", "aten.one_hot",
         "aten.rrelu_with_noise"),
        _as_contiguous,
    ),
    **dict.fromkeys(("aten.binary_cross_entropy", "aten.index_fill", "aten.huber_loss"), _as_first),
    "aten.angle": _as_angle,
    **dict.fromkeys(
        ("aten.mse_loss_backward", "aten.smooth_l1_loss_backward", "aten.huber_loss_backward",
         "aten._log_softmax_backward_data", "aten.native_layer_norm_backward",
         "aten.glu_backward"),
        _as_contiguous,
    ),
    **dict.fromkeys(
        ("aten.softplus_backward", "aten.hardswish_backward", "aten.hardsigmoid_backward",
         "aten.elu_backward"),
        _as_elementwise,
    ),
    "aten.binary_cross_entropy_backward": _as_second,
    "aten.log_sigmoid_backward": _as_first,
    **dict.fromkeys(
        ("aten.reflection_pad2d_backward", "aten.reflection_pad3d_backward",
         "aten.replication_pad2d_backward", "aten.replication_pad3d_backward",
         "aten.native_batch_norm_backward"),
        _as_suggested_by_second,
    ),
    "aten._fft_c2r": _as_inverse_transform,
}  # fmt: skip

_SEVERAL = {"aten.convolution_backward": 2}
"""How many of the results the rule is for, where it is not the first alone."""


# Strides


def is_channels_last(sizes: Sequence[Any], strides: Sequence[Any]) -> bool:
    """Whether a tensor of images or volumes suggests the format, as torch decides it."""
    if len(sizes) not in (4, 5) or type(strides[1]) is not int or strides[1] == 0:
        return False  # a symbolic stride of channels is the product of sizes
    least = 0
    for dim in (1, *range(len(sizes) - 1, 1, -1), 0):
        size, stride = _number(sizes[dim]), _number(strides[dim])
        if size == 0 or stride < least or (dim == 0 and least == strides[1]):
            return False
        least = stride * max(size, 1)
    return True


def _as_image(weight: Tensor) -> tuple[Sequence[Any], Sequence[Any]]:
    """Sizes and strides; torch convolves (N, C, L) as (N, C, 1, L)."""
    sizes, strides = weight.shape, weight.stride()
    if len(sizes) != 3:
        return sizes, strides
    return (*sizes[:2], 1, sizes[2]), (*strides[:2], sizes[2] * strides[2], strides[2])


def _is_contiguous(tensor: Tensor) -> bool:
    """As torch decides it, without a condition on symbolic sizes."""
    step = 1
    for size, stride in zip(reversed(_sizes(tensor)), reversed(tensor.stride()), strict=True):
        if size != 1 and _number(stride) != step:
            return False
        step *= size
    return True


def _strides(sizes: Sequence[Any], channels_last: bool) -> Strides:
    """Of a dense tensor, contiguous or with the channels last."""
    order = list(range(len(sizes)))
    if channels_last:
        order.append(order.pop(1))
    return _in_order(sizes, order)


def _dense(sizes: Sequence[Any], strides: Sequence[Any]) -> Strides:
    """Strides of a dense tensor in the order of these, as `torch.empty_like` has them."""
    template = torch.empty_strided([_number(n) for n in sizes], [_number(n) for n in strides],
                                device="meta")  # fmt: skip
    result = torch.empty_like(template).stride()
    order = sorted(range(len(sizes)), key=lambda dim: (-result[dim], dim))
    return _in_order(sizes, order)


def _in_order(sizes: Sequence[Any], order: Sequence[int]) -> Strides:
    """Strides of a dense tensor whose axes are in this order in memory, the slowest first."""
    strides: list[Any] = [1] * len(sizes)
    step: Any = 1
    for dim in reversed(order):
        strides[dim] = step
        if type(sizes[dim]) is not int or sizes[dim] > 1:
            step = step * sizes[dim]
    return strides


def _sizes(tensor: Tensor) -> list[int]:
    return [_number(n) for n in tensor.shape]


def _number(size: Any) -> int:
    """A size or stride; of a symbolic one its value here, without a condition on it."""
    return size if type(size) is int else int(size.node.hint)
