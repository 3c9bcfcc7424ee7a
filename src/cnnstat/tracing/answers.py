"""Answers to what transformers asks of its tensors' values while it prepares a run.

Its models look into tokens, mask and positions to see whether they can do without a mask: no
padding, one sequence a row. Tensors without data hold no answer to that. It is given here: no
token is padding, no rows are packed, and what is checked is well, as on any plain input. So the
masks, and with them the operators, are those of a run on real tokens; a test holds them equal.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import Tensor

_Function = Callable[..., Any]


@contextmanager
def plain_tokens() -> Iterator[None]:
    """Inside, transformers takes tokens without data for unpadded and unpacked ones.

    Does nothing where transformers is not imported or has no such function.
    """
    with ExitStack() as stack:
        for module_name, answers in _ANSWERS.items():
            for path, answer in answers.items():
                holder: Any = sys.modules.get(module_name)
                cls, _, name = path.rpartition(".")
                holder = getattr(holder, cls, None) if cls else holder
                original = getattr(holder, name, None)
                if original is not None:
                    stack.enter_context(replaced(holder, name, answer(original)))
        yield


@contextmanager
def replaced(holder: Any, name: str, value: Any) -> Iterator[None]:
    """Inside, an attribute of a module or class is another."""
    original = getattr(holder, name)
    setattr(holder, name, value)
    try:
        yield
    finally:
        setattr(holder, name, original)


def _without_data(value: Any) -> bool:
    return isinstance(value, Tensor) and (value.is_meta or hasattr(value, "fake_mode"))


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


def _no_warning(original: _Function) -> _Function:
    @functools.wraps(original)
    def warn_if_padding_and_no_attention_mask(model: Any, input_ids: Any, *args: Any) -> Any:
        return None if _without_data(input_ids) else original(model, input_ids, *args)

    return warn_if_padding_and_no_attention_mask


def _passed(original: _Function) -> _Function:
    @functools.wraps(original)
    def check_tensor_all_with(error_type: Any, condition: Any, *args: Any) -> Any:
        return None if _without_data(condition) else original(error_type, condition, *args)

    return check_tensor_all_with


def _looped_unless_bfloat16(original: _Function) -> _Function:
    """torch's grouped product takes other dtypes on every device but `meta`."""

    @functools.wraps(original)
    def can_use_grouped_mm(x: Any, weight: Any, *args: Any, **kwargs: Any) -> Any:
        if _without_data(weight) and str(weight.dtype) != "torch.bfloat16":
            return False
        return original(x, weight, *args, **kwargs)

    return can_use_grouped_mm


def _none_on_meta(original: _Function) -> _Function:
    @functools.wraps(original)
    def is_autocast_enabled(device_type: Any = None) -> Any:
        if device_type == "meta":
            return False
        return original() if device_type is None else original(device_type)

    return is_autocast_enabled


def _as_on_the_cpu(original: _Function) -> _Function:
    """Models turn autocast off for a step by the name of the device, and it knows no `meta`."""

    @functools.wraps(original)
    def init(autocast: Any, device_type: str, *args: Any, **kwargs: Any) -> None:
        original(autocast, "cpu" if device_type == "meta" else device_type, *args, **kwargs)

    return init


_ANSWERS: dict[str, dict[str, Callable[[_Function], _Function]]] = {
    "transformers.masking_utils": {
        "find_packed_sequence_indices": _not_packed,
        "_ignore_causal_mask_sdpa": _not_padded,
        "_ignore_bidirectional_mask_sdpa": _not_padded,
    },
    "transformers.modeling_utils": {
        "PreTrainedModel.warn_if_padding_and_no_attention_mask": _no_warning,
    },
    "torch": {
        "_check_tensor_all_with": _passed,
        "is_autocast_enabled": _none_on_meta,
        "autocast.__init__": _as_on_the_cpu,
    },
    "transformers.integrations.moe": {"_can_use_grouped_mm": _looped_unless_bfloat16},
}
