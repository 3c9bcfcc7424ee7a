"""Sparse tensors: what of them is in memory.

Operators on them have no `meta` kernels, and the number of stored elements, on which the products
depend, is lost there: a model with sparse tensors is executed.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import _disable_current_modes

from .nested import is_jagged, values_of


def is_sparse(tensor: Tensor) -> bool:
    """Whether the tensor has a sparse layout: COO, CSR, CSC, BSR or BSC."""
    return tensor.layout in _LAYOUTS


_LAYOUTS = frozenset({
    torch.sparse_coo, torch.sparse_csr, torch.sparse_csc, torch.sparse_bsr, torch.sparse_bsc,
})  # fmt: skip


def stored_parts(tensor: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
    """The stored values of a sparse tensor, and the tensors of their indices.

    Reading them is no operator of the model, and is not recorded.
    """
    with _disable_current_modes(), torch._C.DisableTorchFunction():
        if tensor.layout is torch.sparse_coo:
            return tensor._values(), (tensor._indices(),)
        if tensor.layout in (torch.sparse_csr, torch.sparse_bsr):
            return tensor.values(), (tensor.crow_indices(), tensor.col_indices())
        return tensor.values(), (tensor.ccol_indices(), tensor.row_indices())


def storage_of(tensor: Tensor) -> Any:
    """The tensor's storage; of a sparse or jagged tensor that of its values."""
    if is_sparse(tensor):
        tensor = stored_parts(tensor)[0]
    elif is_jagged(tensor):
        tensor = values_of(tensor)
    return tensor.untyped_storage()


def stored_in(tensor: Tensor) -> tuple[int | None, int]:
    """The number of stored elements of a sparse tensor, and the bytes of their indices."""
    if not is_sparse(tensor):
        return None, 0
    values, indices = stored_parts(tensor)
    return values.numel(), sum(index.nbytes for index in indices)
