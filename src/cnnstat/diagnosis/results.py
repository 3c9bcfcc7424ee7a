"""The diagnosis of a model that does not run: what a report needs, and nothing else."""

from __future__ import annotations

from typing import Literal

from ..analysis.results import Input, Layer, Model, Tool
from ..choices import Mode
from ..results import Record, Result


class Edit(Record, frozen=True):
    """One of several places that change together: as in `Fix`."""

    edit: str
    instead_of: str | None
    source: str | None


class Fix(Record, frozen=True):
    """An edit with which the model runs to its end, together with the other errors' first fixes.

    `edit` is the new text and `instead_of` the old one, as they stand in the source at `source`
    (`my_model.py:14`), or on the command line. `output` is what the model returns then. `also` are
    further places that change together with it.
    """

    edit: str
    instead_of: str | None
    source: str | None
    verified: bool
    output: tuple[tuple[int, ...], ...]
    also: tuple[Edit, ...] = ()


class Fault(Record, frozen=True, kw_only=True):
    """One place at which a model fails.

    `source` is where the layer is made, `called_from` where it is called, each file and line
    relative to the given file; None where it stands in no source. `got` and `expected` are what the
    layer was given and what it takes, None where that is no size.
    """

    path: str
    type: str
    config: str
    what: Literal["shapes", "dtypes", "model", "construction"]
    source: str | None
    called_from: str | None
    got: str | None
    expected: str | None
    explanation: tuple[str, ...]
    fixes: tuple[Fix, ...]


class Diagnosis(Result, frozen=True, kw_only=True):
    """Why a model does not run on its inputs, and what would mend it.

    `layers` are the calls up to the first error; those that were open have no outputs.
    """

    kind: Literal["diagnosis"] = "diagnosis"
    tool: Tool
    model: Model
    inputs: tuple[Input, ...]
    mode: Mode
    lane: str
    layers: tuple[Layer, ...]
    errors: tuple[Fault, ...]
