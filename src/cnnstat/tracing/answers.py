"""Answers to what transformers asks of its tensors' values while it prepares a run.

Its models look into the attention mask and the positions to see whether they can do without a mask:
no padding, one sequence a row. On tensors without data there is no answer to that. It is given here:
no token is padding and no rows are packed, as on any plain input. So the masks, and with them the
operators, are those of a run on real tokens; a test holds the two equal.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

from torch import Tensor

_Function = Callable[..., Any]


@contextmanager
def plain_tokens() -> Iterator[None]:
    """Inside, transformers takes tokens without data for unpadded and unpacked ones.

    Does nothing where transformers is not imported or has no such function.
    """
    with ExitStack() as stack:
        for module_name, answers in _ANSWERS.items():
            module = sys.modules.get(module_name)
            for name, answer in answers.items():
                original = getattr(module, name, None)
                if original is not None:
                    stack.enter_context(patch.object(module, name, answer(original)))
        yield


def _without_data(value: Any) -> bool:
    return isinstance(value, Tensor) and value.is_meta


def _not_packed(original: _Function) -> _Function:
    @functools.wraps(original)
    def find_packed_sequence_indices(position_ids: Any) -> Any:
        return None if _without_data(position_ids) else original(position_ids)

    return find_packed_sequence_indices


def _not_padded(original: _Function) -> _Function:
    @functools.wraps(original)
    def ignore_mask(padding_mask: Any, *args: Any, **kwargs: Any) -> Any:
        return original(None if _without_data(padding_mask) else padding_mask, *args, **kwargs)

    return ignore_mask


def _looped_unless_bfloat16(original: _Function) -> _Function:
    """torch's grouped product takes other dtypes on every device but `meta`."""

    @functools.wraps(original)
    def can_use_grouped_mm(x: Any, weight: Any, *args: Any, **kwargs: Any) -> Any:
        if _without_data(weight) and str(weight.dtype) != "torch.bfloat16":
            return False
        return original(x, weight, *args, **kwargs)

    return can_use_grouped_mm


_ANSWERS: dict[str, dict[str, Callable[[_Function], _Function]]] = {
    "transformers.masking_utils": {
        "find_packed_sequence_indices": _not_packed,
        "_ignore_causal_mask_sdpa": _not_padded,
        "_ignore_bidirectional_mask_sdpa": _not_padded,
    },
    "transformers.integrations.moe": {"_can_use_grouped_mm": _looped_unless_bfloat16},
}
