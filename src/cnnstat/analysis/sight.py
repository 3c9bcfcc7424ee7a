"""Whether a network sees what it is to recognize: its receptive field beside an object's size."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import structs

from .results import Analysis
from .stages import last_map


def with_sight(analysis: Analysis, side: int) -> Analysis:
    """The analysis with what its receptive field is to objects of a size."""
    return structs.replace(analysis, notes=(*analysis.notes, *_sight(analysis, side)))


def _sight(analysis: Analysis, side: int) -> Iterator[str]:
    """Sentences about the last feature map, for objects of `side` pixels."""
    last = last_map(analysis.layers)
    if last is None or not last.receptive_field:
        return
    seen, shape = min(last.receptive_field), analysis.inputs[0].shape
    place = last.path or last.type
    if seen < side:
        yield (
            f"one position behind {place} sees {seen:g} pixels, "
            f"the object has {side}: no position sees it whole"
        )
    if len(shape) > 2 and max(last.receptive_field) > max(shape[2:]):
        yield (
            f"one position behind {place} sees {max(last.receptive_field):g} pixels, "
            f"the input has {max(shape[2:])}: the rest is padding"
        )
