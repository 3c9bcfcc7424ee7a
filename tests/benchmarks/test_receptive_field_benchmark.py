"""benchmarks/receptive_field.py on a sample: receptive fields are the extents of real gradients."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from torch import nn

BENCHMARKS = Path(__file__).parent.parent.parent / "benchmarks"
if not BENCHMARKS.is_dir():
    pytest.skip("the benchmarks are not part of the distribution", allow_module_level=True)
sys.path.insert(0, str(BENCHMARKS))

import receptive_field  # noqa: E402
from receptive_field_layouts import LAYOUTS  # noqa: E402

SAMPLE = [  # what is stated: along rows and columns, or of 1-d inputs along the rows
    ("image, channels last", (5, 5)),  # 3 + 2, at a stride of 2 behind
    ("rows × features, there and back", (5 + 2 * 2,)),
    ("PixelShuffle, convolution", (3 + 1, 3 + 1)),  # two of the pixels before
    ("space to depth by view", (3 + 5, 3 + 5)),  # three blocks of 2×2
    ("unfold", (3 + 3, 3 + 3)),
    ("shifted parts", (3 + 2, 3)),
    ("flip, convolution", (5, 5)),
    ("circular padding", (5, 5)),
    ("gate of each row", (3, 48)),
    ("mean of a corner", (13, 13)),  # 12 and one at the border that is not padding
    ("uneven adaptive pool", (8 + 2, 8 + 2)),  # ⌈48/7⌉ + 1
    ("softmax over positions", "whole input"),
    ("attention, class token", "whole input"),
    ("attention in shifted windows", (2 * 16, 2 * 16)),
    ("attention in windows, convolution", (2 * 16, 2 * 16)),
    ("U-Net, nearest", (11, 11)),
    # every second output reads two of the inputs, and one of two that meet there does
    ("transposed 3/2", (3 + 1, 3 + 1)),
    ("transposed 3/2, 3×3/2", (3 + 2, 3 + 2)),
    ("transposed 2/3, 3×3", (3 + 1, 3 + 1)),  # each third output reads nothing
    ("transposed 5/2, 5/2, 3×3", (6, 6)),
    ("bidirectional LSTM of rows", "whole input"),
    ("cumsum", "not followed through cumsum"),
]


@pytest.mark.parametrize(("name", "stated"), SAMPLE, ids=[name for name, _ in SAMPLE])
def test_stated_is_measured(name, stated):
    net, shape = LAYOUTS[name]
    comparison = receptive_field.layout(name, net, shape, seeds=1)
    assert comparison.stated == stated
    assert comparison.verdict == ("no figure" if "followed" in str(stated) else "equal")


def test_rows_of_a_model():
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3, 2), nn.Flatten(),
                        nn.Linear(4 * 14 * 14, 2))  # fmt: skip
    found = receptive_field.rows("net", net, (1, 1, 32, 32))
    assert [(x.name, x.stated, x.verdict) for x in found] == [
        ("net: 0", (3, 3), "equal"),
        ("net: 1", (3, 3), "equal"),
        ("net: 2", (5, 5), "equal"),
        ("net: 3", (5, 5), "equal"),
        ("net: 4", "whole input", "equal"),
    ]


def test_a_difference_is_one():
    for stated, reason in [((5, 5), None), (None, "whole input")]:
        comparison = receptive_field.compare("", stated, reason, (1, 1, 3, 3), (1, 1, 32, 32))
        assert comparison.verdict == "different"
    beyond = receptive_field.compare("", (40, 40), None, (1, 1, 32, 32), (1, 1, 32, 32))
    assert beyond.verdict == "within the input"
    assert len(LAYOUTS) > 75
