"""Output shapes of the commonest operators, without the detour through torch's Python kernels.

torch computes the shapes of most operators on `meta` in Python, at 100 to 700 µs an operator, and
the first such call imports torch._dynamo and sympy, about as long as importing torch itself. The
kernels here answer in a few µs for the plain case that nearly every CNN consists of: contiguous
float tensors of one dtype whose shapes fit. Everything else, errors included, they leave to torch
by returning `NotImplemented`, so they decide nothing. A test holds their results equal to torch's.

Only torch's public API is used.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import zip_longest
from typing import Any

import torch
from torch import Tensor

Kernel = Callable[..., Any]
KERNELS: dict[str, Kernel] = {}


def kernel(*names: str) -> Callable[[Kernel], Kernel]:
    def register(function: Kernel) -> Kernel:
        KERNELS.update(dict.fromkeys(names, function))
        return function

    return register


def _plain(*tensors: Tensor | None) -> bool:
    """Contiguous meta tensors of one floating dtype: what the kernels below are written for."""
    first = tensors[0]
    return isinstance(first, Tensor) and all(
        t is None
        or (
            isinstance(t, Tensor)
            and t.is_meta
            and t.dtype is first.dtype
            and t.dtype.is_floating_point
            and t.is_contiguous()
        )
        for t in tensors
    )


def _empty(shape: Sequence[int], like: Tensor) -> Tensor:
    return torch.empty(tuple(shape), dtype=like.dtype, device="meta")


@kernel("aten::relu", "aten::sigmoid", "aten::tanh",  "aten::silu",
        "aten::hardtanh", "aten::hardswish", "aten::hardsigmoid", "aten::leaky_relu")  # fmt: skip
def unary(x: Tensor, *args: Any, **kwargs: Any) -> Any:
    return _empty(x.shape, x) if _plain(x) else NotImplemented


@kernel("aten::gelu")
def gelu(x: Tensor, *, approximate: str = "none") -> Any:
    return _empty(x.shape, x) if approximate in ("none", "tanh") and _plain(x) else NotImplemented


@kernel("aten::pow.Tensor_Scalar")
def power(x: Tensor, exponent: Any) -> Any:
    return _empty(x.shape, x) if isinstance(exponent, int | float) and _plain(x) else NotImplemented


@kernel("aten::_softmax", "aten::_log_softmax")
def softmax(x: Tensor, dim: int, half_to_float: bool) -> Any:
    if not _plain(x) or half_to_float or not -x.dim() <= dim < x.dim():
        return NotImplemented
    return _empty(x.shape, x)


@kernel("aten::relu_", "aten::sigmoid_", "aten::tanh_", "aten::silu_", "aten::hardtanh_",
        "aten::hardswish_", "aten::leaky_relu_")  # fmt: skip
def unary_in_place(x: Tensor, *args: Any, **kwargs: Any) -> Any:
    return x if _plain(x) else NotImplemented


@kernel("aten::add.Tensor", "aten::sub.Tensor", "aten::mul.Tensor", "aten::div.Tensor")
def binary(x: Tensor, other: Any, **kwargs: Any) -> Any:
    if isinstance(other, int | float) and _plain(x):
        return _empty(x.shape, x)
    if not _plain(x, other):
        return NotImplemented
    shape = _broadcast(x.shape, other.shape)
    return NotImplemented if shape is None else _empty(shape, x)


@kernel("aten::add_.Tensor", "aten::mul_.Tensor")
def binary_in_place(x: Tensor, other: Any, **kwargs: Any) -> Any:
    if not isinstance(other, Tensor) or not _plain(x, other):
        return NotImplemented
    return x if _broadcast(x.shape, other.shape) == tuple(x.shape) else NotImplemented


def _broadcast(a: Sequence[int], b: Sequence[int]) -> tuple[int, ...] | None:
    pairs = list(zip_longest(reversed(a), reversed(b), fillvalue=1))
    if any(m != n and 1 not in (m, n) for m, n in pairs):
        return None
    return tuple(n if m == 1 else m for m, n in reversed(pairs))


@kernel("aten::convolution")
def convolution(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    transposed: bool,
    output_padding: Sequence[int],
    groups: int,
) -> Any:
    """out = ⌊(in + 2·padding - dilation·(kernel - 1) - 1) / stride⌋ + 1, per spatial dimension."""
    kernel = weight.shape[2:]
    dims = len(kernel)
    fits = (
        not transposed
        and _plain(x, weight, bias)
        and x.dim() == weight.dim() == dims + 2
        and len(stride) == len(padding) == len(dilation) == dims
        and min(stride) > 0
        and min(padding) >= 0
        and min(dilation) > 0
        and groups > 0
        and x.shape[1] == weight.shape[1] * groups
        and weight.shape[0] % groups == 0
        and (bias is None or bias.shape == weight.shape[:1])
    )
    if not fits or 0 in x.shape:
        return NotImplemented
    sizes = [
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, k, s, p, d in zip(x.shape[2:], kernel, stride, padding, dilation, strict=True)
    ]
    return _empty((x.shape[0], weight.shape[0], *sizes), x) if min(sizes) > 0 else NotImplemented


@kernel("aten::max_pool2d_with_indices")
def max_pool2d(
    x: Tensor,
    kernel: Sequence[int],
    stride: Sequence[int] = (),
    padding: Sequence[int] = (0,),
    dilation: Sequence[int] = (1,),
    ceil_mode: bool = False,
) -> Any:
    shape = _pooled(2, x, kernel, stride or kernel, padding, dilation, ceil_mode)
    if shape is None:
        return NotImplemented
    return _empty(shape, x), torch.empty(shape, dtype=torch.int64, device="meta")


def _avg_pool(
    dims: int,
    x: Tensor,
    kernel: Sequence[int],
    stride: Sequence[int] = (),
    padding: Sequence[int] = (0,),
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Any:
    if divisor_override == 0:
        return NotImplemented
    shape = _pooled(dims, x, kernel, stride or kernel, padding, (1,), ceil_mode)
    return NotImplemented if shape is None else _empty(shape, x)


KERNELS["aten::avg_pool2d"] = partial(_avg_pool, 2)
KERNELS["aten::avg_pool3d"] = partial(_avg_pool, 3)


def _pooled(
    dims: int,
    x: Tensor,
    kernel: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    ceil_mode: bool,
) -> tuple[int, ...] | None:
    """As a convolution; with `ceil_mode` rounded up, unless a window would start in the padding."""
    given = (kernel, stride, padding, dilation)
    if not _plain(x) or x.dim() != dims + 2 or 0 in x.shape:
        return None
    if any(len(value) not in (1, dims) for value in given):
        return None
    sizes = []
    window = (tuple(value) * dims if len(value) == 1 else tuple(value) for value in given)
    for n, k, s, p, d in zip(x.shape[2:], *window, strict=True):
        if k < 1 or s < 1 or d < 1 or not 0 <= 2 * p <= k:
            return None
        span = n + 2 * p - d * (k - 1) - 1
        size = (span + (s - 1 if ceil_mode else 0)) // s + 1
        if ceil_mode and (size - 1) * s >= n + p:
            size -= 1
        sizes.append(size)
    return (*x.shape[:2], *sizes) if min(sizes) > 0 else None


@kernel("aten::native_batch_norm")
def native_batch_norm(
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    mean: Tensor | None,
    var: Tensor | None,
    training: bool,
    momentum: float,
    eps: float,
) -> Any:
    per_channel = (weight, bias, mean, var)
    if training or x.dim() < 2 or mean is None or var is None or not _plain(x, *per_channel):
        return NotImplemented
    if any(t is not None and t.shape != x.shape[1:2] for t in per_channel):
        return NotImplemented
    return _empty(x.shape, x), _statistics(x.shape[1:2], x), _statistics(x.shape[1:2], x)


@kernel("aten::native_layer_norm")
def native_layer_norm(
    x: Tensor, shape: Sequence[int], weight: Tensor | None, bias: Tensor | None, eps: float
) -> Any:
    dims = len(shape)
    if dims == 0 or not _plain(x, weight, bias) or tuple(x.shape[x.dim() - dims :]) != tuple(shape):
        return NotImplemented
    if any(t is not None and tuple(t.shape) != tuple(shape) for t in (weight, bias)):
        return NotImplemented
    rows = (*x.shape[: x.dim() - dims], *(1 for _ in shape))
    return _empty(x.shape, x), _statistics(rows, x), _statistics(rows, x)


def _statistics(shape: Sequence[int], like: Tensor) -> Tensor:
    """Half precision keeps its means and variances in float32."""
    dtype = torch.float32 if like.itemsize < 4 else like.dtype
    return torch.empty(tuple(shape), dtype=dtype, device="meta")


@kernel("aten::addmm")
def addmm(bias: Tensor, x: Tensor, weight: Tensor, **scale: Any) -> Any:
    # The weight of a linear layer arrives as a transposed view, which _plain would turn away.
    if not _plain(bias, x) or not weight.is_meta or weight.dtype is not x.dtype:
        return NotImplemented
    if x.dim() != 2 or weight.dim() != 2 or x.shape[1] != weight.shape[0]:
        return NotImplemented
    if tuple(bias.shape) not in ((weight.shape[1],), (x.shape[0], weight.shape[1])):
        return NotImplemented
    return _empty((x.shape[0], weight.shape[1]), x)


@kernel("aten::mean.dim")
def mean(x: Tensor, dims: Sequence[int] | None, keepdim: bool = False, **kwargs: Any) -> Any:
    if not _plain(x) or not dims or kwargs or not all(-x.dim() <= d < x.dim() for d in dims):
        return NotImplemented
    reduced = {d % x.dim() for d in dims}
    if len(reduced) != len(dims):
        return NotImplemented
    sizes = [1 if d in reduced else n for d, n in enumerate(x.shape) if keepdim or d not in reduced]
    return _empty(sizes, x)


@kernel("aten::cat")
def cat(tensors: Sequence[Tensor], dim: int = 0) -> Any:
    if not tensors:
        return NotImplemented
    first = tensors[0]
    if not _plain(*tensors) or not -first.dim() <= dim < first.dim():
        return NotImplemented
    axis = dim % first.dim()
    rest = [(*t.shape[:axis], *t.shape[axis + 1 :]) for t in tensors]
    if any(t.dim() != first.dim() for t in tensors) or len(set(rest)) > 1:
        return NotImplemented
    total = sum(t.shape[axis] for t in tensors)
    return _empty((*first.shape[:axis], total, *first.shape[axis + 1 :]), first)
