"""The stages of a model by spatial resolution, and the alignment of the stages of models."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, log2, prod

from ..results import Shape
from .results import Layer, Stage

_GAP = 0.3  # in octaves of the side: maps whose sides differ by more than 2^0.6 are not one stage


def stages_of(layers: Sequence[Layer]) -> tuple[Stage, ...]:
    """Consecutive layers of one output size, e.g. 54×54, 26×26, …; 1×1 for vectors.

    The channels of a stage are those of its output: of its last row at the outermost level. Figures
    of a container itself count in the stage of its next layer.
    """
    stages: list[Stage] = []
    waiting: list[Layer] = []  # containers before their first layer
    outermost = params = macs = 0
    # Rows are in preorder: a row with children is directly before a deeper one.
    depths = [layer.depth for layer in layers[1:]] + [0]
    for layer, next_depth in zip(layers, depths, strict=True):
        params += layer.params
        macs += layer.macs if layer.counted else 0
        waiting.append(layer)
        if not layer.outputs or next_depth > layer.depth:
            continue
        size = _size(layer.outputs[0])
        if not stages or stages[-1].size != size:
            stages.append(Stage(size, 0, 0, 0, 0))
            outermost = layer.depth
        stage = stages.pop()
        channels = stage.channels or _channels(layer.outputs[0])
        for row in waiting:
            if row.outputs and _size(row.outputs[0]) == size and row.depth <= outermost:
                outermost, channels = row.depth, _channels(row.outputs[0])
        counted = stage.layers + (layer.role != "shape")
        stages.append(Stage(size, channels, counted, stage.params + params, stage.macs + macs))
        waiting, params, macs = [], 0, 0
    return tuple(stage for stage in stages if stage.layers or stage.params or stage.macs)


def _channels(shape: Shape) -> int:
    return shape[1] if len(shape) > 1 else shape[0] if shape else 1


def align(models: Sequence[Sequence[Stage]]) -> tuple[tuple[Stage | None, ...], ...]:
    """One row per resolution, one column per model, in order; None where a model has no such map.

    The alignment minimizes the sum of the differences in scale.
    """
    rows: list[tuple[Stage | None, ...]] = [(stage,) for stage in models[0]]
    for number, stages in enumerate(models[1:], start=1):
        rows = [
            (row or (None,) * number) + (stage,) for row, stage in _match(rows, list(stages))
        ]  # fmt: skip
    return tuple(rows)


Row = tuple[Stage | None, ...]


def _match(rows: list[Row], stages: list[Stage]) -> list[tuple[Row | None, Stage | None]]:
    """The cheapest order-preserving alignment (Needleman and Wunsch)."""
    cost = [[inf] * (len(stages) + 1) for _ in range(len(rows) + 1)]
    step: dict[tuple[int, int], tuple[int, int]] = {}
    cost[0][0] = 0.0
    for i in range(len(rows) + 1):
        for j in range(len(stages) + 1):
            options = []
            if i and j:
                options.append((cost[i - 1][j - 1] + _distance(rows[i - 1], stages[j - 1]), (1, 1)))
            if i:
                options.append((cost[i - 1][j] + _GAP, (1, 0)))
            if j:
                options.append((cost[i][j - 1] + _GAP, (0, 1)))
            if options:
                cost[i][j], step[i, j] = min(options)
    pairs: list[tuple[Row | None, Stage | None]] = []
    i, j = len(rows), len(stages)
    while i or j:
        down, right = step[i, j]
        pairs.append((rows[i - 1] if down else None, stages[j - 1] if right else None))
        i, j = i - down, j - right
    return pairs[::-1]


def _distance(row: Row, stage: Stage) -> float:
    """The difference in scale of two maps, in octaves."""
    known = next(s for s in row if s is not None)
    if (prod(known.size) == 1) != (prod(stage.size) == 1):
        return inf
    return abs(_octaves(known) - _octaves(stage))


def _octaves(stage: Stage) -> float:
    """The binary logarithm of the side, averaged over the dimensions."""
    return log2(prod(stage.size)) / len(stage.size)


def _size(shape: Shape) -> Shape:
    """The spatial size of an output; a vector is a map of one position."""
    return shape[2:] if len(shape) > 2 and prod(shape[2:]) > 1 else (1, 1)
