"""Replacements for functions of libraries that read values, which tensors without data lack.

They apply during a run without data only, and only if the library is already imported.

transformers inspects tokens, mask and positions to see whether it can do without a mask. The
answers are those for plain input: no token is padding, no sequences are packed, all checks pass. So
masks and operators are those of a run on real tokens; a test compares both.

torchvision's detectors post-process their boxes. The replacements give the same shapes; the
arithmetic that they leave out is an operator of its own, which no rule counts: the report lists it
and calls the totals a lower bound.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor

from ..process.global_state import replaced_here

_Function = Callable[..., Any]


@contextmanager
def assume_plain_tokens() -> Iterator[None]:
    """Let transformers treat tokens without data as unpadded and unpacked.

    Does nothing if transformers is not imported or lacks such a function.
    """
    with ExitStack() as stack:
        for module_name, answers in _ANSWERS.items():
            for path, answer in answers.items():
                holder: Any = sys.modules.get(module_name)
                cls, _, name = path.rpartition(".")
                holder = getattr(holder, cls, None) if cls else holder
                original = getattr(holder, name, None)
                if original is not None:
                    stack.enter_context(replaced_here(holder, name, answer(original)))
        yield


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
    """Avoid torch's grouped product, which on `meta` alone refuses other dtypes."""

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
    """Let models disable autocast by the name of the device; torch knows none for `meta`."""

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


_library: Any = None


@contextmanager
def without_value_reads() -> Iterator[None]:
    with ExitStack() as stack:
        roi_heads = sys.modules.get("torchvision.models.detection.roi_heads")
        if roi_heads is not None:
            for place, name, replacement in _detection(roi_heads):
                stack.enter_context(replaced_here(place, name, replacement))
        stack.enter_context(assume_plain_tokens())
        yield


def _detection(roi_heads: Any) -> Iterator[tuple[Any, str, Any]]:
    """Replacements in torchvision's detectors, after their last layer."""
    boxes: Any = sys.modules["torchvision.ops.boxes"]
    # torchvision suppresses many boxes class by class, in a loop over the classes found; what it
    # does for few boxes gives the same result without reading values.
    yield boxes, "_batched_nms_vanilla", boxes._batched_nms_coordinate_trick
    operators: Any = _operators()
    transform: Any = sys.modules.get("torchvision.models.detection.transform")
    if transform is not None:
        yield (
            transform,
            "paste_masks_in_image",
            lambda masks, boxes, size, padding=1: operators.paste_masks_in_image(
                masks, boxes, int(size[0]), int(size[1])
            ),
        )
    yield roi_heads, "heatmaps_to_keypoints", operators.heatmaps_to_keypoints


def _operators() -> Any:
    """Operators for the two steps, named after the functions that they replace."""
    global _library
    if _library is None:
        library_of: Any = torch.library.Library  # torch declares no types
        _library = library_of("torchvision", "FRAGMENT")
        _library.define("paste_masks_in_image(Tensor masks, Tensor boxes, int h, int w) -> Tensor")
        _library.impl("paste_masks_in_image", _paste_masks_in_image, "Meta")
        _library.define("heatmaps_to_keypoints(Tensor maps, Tensor rois) -> (Tensor, Tensor)")
        _library.impl("heatmaps_to_keypoints", _heatmaps_to_keypoints, "Meta")
    return torch.ops.torchvision


def _paste_masks_in_image(masks: Tensor, boxes: Tensor, h: int, w: int) -> Tensor:
    return masks.new_empty((masks.shape[0], 1, h, w))


def _heatmaps_to_keypoints(maps: Tensor, rois: Tensor) -> tuple[Tensor, Tensor]:
    instances, keypoints = maps.shape[:2]
    return maps.new_empty((instances, keypoints, 3)), maps.new_empty((instances, keypoints))
