"""Recurrent layers as one operator.

On `meta` torch unrolls an LSTM into some twenty operators per time step; on a device it is one
call. Its outputs are known from its weights, so the record holds the one call.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

OPERATORS = {"lstm": "aten.lstm", "gru": "aten.gru", "rnn_tanh": "aten.rnn_tanh",
             "rnn_relu": "aten.rnn_relu"}  # fmt: skip


def answer(
    x: Tensor,
    hidden: Any,
    weights: Sequence[Tensor],
    has_biases: bool,
    layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
    batch_first: bool,
) -> tuple[Tensor, ...] | None:
    """What `torch.lstm` and its kind return; None where torch is to answer.

    x is [steps, batch, features], each state [layers · directions, batch, hidden]; the result is
    [steps, batch, directions · hidden] and the states.
    """
    states = tuple(hidden) if isinstance(hidden, list | tuple) else (hidden,)
    if not _share_a_dtype(x, *states, *weights) or x.dim() != 3 or torch.is_grad_enabled():
        return None
    directions = 2 if bidirectional else 1
    rows = layers * directions
    batch = x.shape[0 if batch_first else 1]
    if any(state.dim() != 3 or state.shape[:2] != (rows, batch) for state in states):
        return None
    if len(weights) % rows or x.shape[2] != weights[0].shape[1]:
        return None
    width = directions * states[0].shape[2]
    return _empty((*x.shape[:2], width), x), *(_empty(state.shape, state) for state in states)


def _share_a_dtype(*tensors: Any) -> bool:
    """Tensors without data, of one floating dtype and not empty."""
    return all(
        isinstance(t, Tensor) and t.is_meta and t.is_floating_point() and 0 not in t.shape
        and t.dtype is tensors[0].dtype
        for t in tensors
    )  # fmt: skip


def _empty(shape: Sequence[int], like: Tensor) -> Tensor:
    return torch.empty(tuple(shape), dtype=like.dtype, device="meta")
