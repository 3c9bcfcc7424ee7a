"""The result of `parameters`: the modules of a model, with their parameters."""

from __future__ import annotations

from typing import Literal

from ..analysis.results import Model, Tool
from ..results import Record, Result


class ModuleParameters(Record, frozen=True):
    """One module. Each parameter counts once, in the module of its first name.

    `total_params` includes the modules inside. `shared` says that a parameter of the module counts
    in another one.
    """

    path: str
    depth: int
    type: str
    config: str
    params: int
    trainable_params: int
    param_bytes: int
    total_params: int
    shared: bool

    @property
    def repetition(self) -> str:
        return ""


class ParameterTotals(Record, frozen=True):
    """Numbers of elements; `param_bytes` are those of the parameters alone."""

    params: int
    trainable_params: int
    buffers: int
    param_bytes: int


class Parameters(Result, frozen=True, kw_only=True):
    """Parameters of the modules of a model that was not run: no shapes, no MACs."""

    kind: Literal["parameters"] = "parameters"
    tool: Tool
    model: Model
    modules: tuple[ModuleParameters, ...]
    totals: ParameterTotals
    notes: tuple[str, ...] = ()
