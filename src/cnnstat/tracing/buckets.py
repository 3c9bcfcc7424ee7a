"""The buckets of DistributedDataParallel: a second copy of all gradients, which ranks exchange.

Gradients are copied into buckets, reduced there and copied back, unless the parameters' gradients
are made views of them (`gradient_as_bucket_view`, off by default). The buckets stay for as long as
the model does. (torch/csrc/distributed/c10d/reducer.cpp, compute_bucket_assignment_by_size.)
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

_MIB = 2**20
_FIRST, _OTHERS = 1 * _MIB, 25 * _MIB  # `kDefaultFirstBucketBytes`, `bucket_cap_mb`


def gradient_buckets(parameters: Sequence[Tensor]) -> list[Tensor]:
    """The buckets for the gradients of these, on `meta`: in reverse order, each dtype apart.

    A bucket is closed once it has reached its size: 1 MiB for the first of a dtype, then 25 MiB.
    """
    alike: dict[torch.dtype, list[Tensor]] = defaultdict(list)
    for parameter in reversed(parameters):
        alike[parameter.dtype].append(parameter)
    return [
        torch.empty(count, dtype=dtype, device="meta")
        for dtype, found in alike.items() for count in _filled(found)
    ]  # fmt: skip


def _filled(parameters: Sequence[Tensor]) -> Iterator[int]:
    """The elements of each bucket."""
    count, limit = 0, _FIRST
    for parameter in parameters:
        count += parameter.numel()
        if count * parameter.itemsize >= limit:
            yield count
            count, limit = 0, _OTHERS
    if count:
        yield count
