"""What libraries do with values while a model runs, done without them where that costs nothing.

Each replacement holds only during a run without data, only if the library is imported already, and
gives the shapes that the original gives. What it leaves out of the arithmetic is an operator of
its own, which no rule counts: the report names it and calls the totals a lower bound.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor

from .answers import plain_tokens, replaced

_library: Any = None


@contextmanager
def values_left_out() -> Iterator[None]:
    with ExitStack() as stack:
        roi_heads = sys.modules.get("torchvision.models.detection.roi_heads")
        if roi_heads is not None:
            for place, name, replacement in _detection(roi_heads):
                stack.enter_context(replaced(place, name, replacement))
        stack.enter_context(plain_tokens())
        yield


def _detection(roi_heads: Any) -> Iterator[tuple[Any, str, Any]]:
    """torchvision's detectors after their last layer."""
    boxes: Any = sys.modules["torchvision.ops.boxes"]
    # Many boxes are suppressed class by class, in a loop over the classes that were found; the way
    # that torchvision takes for few boxes gives the same without looking.
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
    """Operators for the two steps, named after the functions that they stand for."""
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
