"""Sides that are tried instead of one that does not fit: few, however large it is."""

from __future__ import annotations

import pytest

from cnnstat.diagnosis.edits.other_inputs import _outwards


@pytest.mark.parametrize(("side", "usual"), [(224, 220), (1_000, 996), (10**6, 28), (10**9, 224)])
def test_sides_that_are_tried(side, usual):
    below, above = _outwards(side, 4 * side)
    assert usual in below
    assert side - 1 in below
    assert side + 1 in above
    assert len(below) + len(above) < 2_000
