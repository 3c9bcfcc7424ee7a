"""The result of `explain`: one row of an analysis, and the arithmetic behind its figures."""

from __future__ import annotations

from typing import Literal

from msgspec import field

from ..analysis.results import Input, Layer, Model, Tool
from ..choices import Mode
from ..results import Record, Result, Shape

Explained = Literal[
    "output", "params", "macs", "other_ops", "activation_bytes", "receptive_field", "stride"
]
Number = int | float


class Step(Record, frozen=True):
    """One line of a derivation: `formula` = `numbers` = `result`.

    `formula` has symbols and `numbers` their values instead, both in the notation of a textbook:
    + − · / and ⌊ ⌋ ⌈ ⌉. They are None where there is nothing to calculate; `remark` then gives the
    origin of the result. `letters` are the values of the symbols. `axes` are the dimensions of the
    output that the line is about: each has the size `result`, or `result` has their sizes. `is_sum`
    marks the sum of the figure's lines before it.
    """

    figure: Explained
    name: str
    formula: str | None
    numbers: str | None
    result: Number | Shape
    remark: str | None = None
    letters: dict[str, Number] = field(default_factory=dict)
    axes: Shape = ()
    is_sum: bool = False


class FieldStep(Record, frozen=True):
    """One step of the recursion of the receptive field, per spatial dimension.

    An operator of layer `layer` turned the receptive field and jump of its input, `field_before`
    and `jump_before`, into `field_after` and `jump_after`. `kernel`, `dilation` and `stride` are
    None where there is no window. `remark` names the rule where it is not that of a window.
    """

    layer: str
    kernel: Shape | None
    dilation: Shape | None
    stride: Shape | None
    field_before: tuple[Number, ...]
    jump_before: tuple[Number, ...]
    field_after: tuple[Number, ...]
    jump_after: tuple[Number, ...]
    remark: str | None = None

    @property
    def changes(self) -> bool:
        after = (self.field_after, self.jump_after)
        return (self.field_before, self.jump_before) != after


class Source(Record, frozen=True):
    """The source of the formula of a figure."""

    figure: Explained
    text: str


class Explanation(Result, frozen=True, kw_only=True):
    """The arithmetic of one layer, with its numbers.

    `calls` names the other calls of the same path. `children` are the rows whose sums a container's
    figures are; a container without figures of its own has no steps for them. `letters` has the
    meaning of each symbol of the formulas.
    """

    kind: Literal["explanation"] = "explanation"
    tool: Tool
    model: Model
    inputs: tuple[Input, ...]
    mode: Mode
    lane: str
    layer: Layer
    calls: tuple[str, ...]
    steps: tuple[Step, ...]
    recursion: tuple[FieldStep, ...]
    children: tuple[Layer, ...]
    letters: dict[str, str]
    sources: tuple[Source, ...]
    notes: tuple[str, ...]
