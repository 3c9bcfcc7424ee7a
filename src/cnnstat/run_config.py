"""How a model is run: what a caller chooses, before anything is loaded."""

from __future__ import annotations

from dataclasses import dataclass

from .choices import LANES, MODES, LaneName, Mode, check_choice


@dataclass(frozen=True)
class RunConfig:
    """`mode` is None where it is left to the model and to `training`, `lane` where any will do.

    `training`: whether to run the backward pass too. `diagnosed`: whether a failure is explained.

    Raises:
        UsageError: there is no such mode or lane.
    """

    mode: Mode | None = None
    lane: LaneName | None = None
    training: bool = False
    diagnosed: bool = True

    def __post_init__(self) -> None:
        check_choice("mode", self.mode, (None, *MODES))
        check_choice("lane", self.lane, (None, *LANES))
