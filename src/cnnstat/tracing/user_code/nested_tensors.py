"""Nested tensors in a run with data: torch's own helper, and attention row by row.

On the CPU torch has few kernels for attention: there `scaled_dot_product_attention` of jagged
tensors needs contiguous operands and no causal mask, unlike on CUDA, and `nn.MultiheadAttention`
accepts strided ones on its fast path only, which allows no mode. Here each row is computed alone,
with the same result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from torch.utils._python_dispatch import _disable_current_modes

from ..process.global_state import replaced_here
from ..recording.recorder import Reader
from ..structure.nested import is_jagged, is_strided_nested, lengths_of


@contextmanager
def nested_tensors() -> Iterator[None]:
    """Create torch's placeholder of a jagged tensor, on `meta`, outside of the run that needs it.

    torch creates it with the first jagged tensor of a process.
    """
    internal: Any = torch.nested._internal.nested_tensor
    original = internal._nt_view_dummy

    def placeholder() -> Tensor:
        with _disable_current_modes(), torch._C.DisableTorchFunction():
            return original()  # type: ignore[no-any-return]  # torch declares no types

    with replaced_here(internal, "_nt_view_dummy", placeholder):
        yield


def is_jagged_attention(function: Any, args: Any, kwargs: Any) -> bool:
    """Whether `function` is an attention of jagged tensors (N, heads, length, features)."""
    if function is not scaled_dot_product_attention:
        return False
    operands = _operands(args, kwargs)
    return (
        all(is_jagged(operands.get(name)) for name in ("query", "key", "value"))
        and all(_has_ragged_lengths(operands[name]) for name in ("query", "key", "value"))
        and operands.get("attn_mask") is None
    )


def attend(on_read: Reader | None, *args: Any, **kwargs: Any) -> Tensor:
    """The attention of each row, as a jagged tensor. `on_read` is called with the lengths."""
    settings = _operands(args, kwargs)
    operands = [settings.pop(name) for name in ("query", "key", "value")]
    query = operands[0]
    rows = [
        scaled_dot_product_attention(*row, **settings)[0]
        for row in zip(*(_rows(jagged, on_read) for jagged in operands), strict=True)
    ]
    packed = torch.cat(rows, 1).transpose(0, 1)  # (total length, heads, features)
    return torch.nested.nested_tensor_from_jagged(packed, query._offsets).transpose(1, 2)


_NAMES = ("query", "key", "value", "attn_mask", "dropout_p", "is_causal")


def _operands(args: Any, kwargs: Any) -> dict[str, Any]:
    return {**dict(zip(_NAMES, args, strict=False)), **kwargs}


def _has_ragged_lengths(jagged: Any) -> bool:
    return jagged.dim() == 4 and jagged._ragged_idx == 2 and jagged._lengths is None


def _rows(jagged: Any, on_read: Reader | None) -> list[Tensor]:
    """Each row as (1, heads, length, features)."""
    with torch._C.DisableTorchFunction():
        lengths = lengths_of(jagged)
    if on_read is not None:
        lengths = on_read("lengths", (jagged._offsets,), lengths)
    packed = jagged.transpose(1, 2).values()  # (total length, heads, features)
    return [row.transpose(0, 1)[None] for row in packed.split(lengths)]


def is_nested_attention(module: nn.Module, args: Any, kwargs: Any) -> bool:
    """Whether a module is an attention, called with strided nested tensors."""
    if not isinstance(module, nn.MultiheadAttention):
        return False
    return any(is_strided_nested(value) for value in (*args, *kwargs.values()))


def attend_rows(
    forward: Callable[..., Any], module: nn.Module, *args: Any, **kwargs: Any
) -> tuple[Any, Any]:
    """The results of `nn.MultiheadAttention` for each row, as strided nested tensors."""
    names = ("query", "key", "value")
    operands = {**dict(zip(names, args, strict=False)), **kwargs}
    rows = zip(*(operands.pop(name).unbind() for name in names), strict=True)
    outputs, weights = zip(
        *(forward(module, *(x[None] for x in row), *args[3:], **operands) for row in rows),
        strict=True,
    )
    return _nested(outputs), None if weights[0] is None else _nested(weights)


def _nested(rows: Any) -> Tensor:
    return torch.nested.as_nested_tensor([row[0] for row in rows])
