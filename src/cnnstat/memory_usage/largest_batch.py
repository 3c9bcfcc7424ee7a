"""The largest batch that fits into a memory, found by runs at batches."""

from __future__ import annotations

from collections.abc import Callable

from ..errors import ModelError

_LARGEST = 2**24  # a model that still fits does not grow with its batch


def largest_batch(
    peak_at: Callable[[int], int | None], limit: int, known: tuple[int, int]
) -> tuple[int, int] | None:
    """The largest batch whose peak is at most `limit`, and that peak; None if no batch fits.

    A run shows that the batch fits, another that one more does not. `peak_at` tells the peak of a
    batch, None where the model does not run on it; `known` is one batch and its peak.

    Raises:
        ModelError: the peak does not grow with the batch.
    """
    fits: tuple[int, int] | None = known if known[1] <= limit else None
    exceeds: tuple[int, int | None] | None = None if fits else known
    smallest = 0  # no batch up to this one runs
    while exceeds is None or exceeds[0] - (fits[0] if fits else smallest) > 1:
        batch = _next(fits, exceeds, smallest, limit)
        if batch > _LARGEST:
            raise ModelError(f"a batch of {_LARGEST:,} still fits: the memory hardly grows with it")
        peak = peak_at(batch)
        if peak is None and fits is None:
            smallest = batch
        elif peak is not None and peak <= limit:
            fits = batch, peak
        else:
            exceeds = batch, peak
    return fits


def _next(
    fits: tuple[int, int] | None, exceeds: tuple[int, int | None] | None, smallest: int, limit: int
) -> int:
    """The batch to try next: peaks grow about in proportion to the batch.

    Of a batch that is too large for the model itself, no peak is known.
    """
    if exceeds is None:
        assert fits is not None
        return max(fits[0] + 1, min(2 * fits[0] * limit // max(1, fits[1]), 16 * fits[0]))
    if fits is None:
        return max(smallest + 1, exceeds[0] // 2)
    (low, least), (high, most) = fits, exceeds
    if most is None:
        return (low + high) // 2
    guess = low + (limit - least) * (high - low) // (most - least)
    # the peaks lie on or below the line between the two: the batch is the guess or above it
    return min(max(guess + (guess == low), low + 1), high - 1)
