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


class Place(Record, frozen=True):
    """A place in a file: lines and columns from 1, columns in characters; the end is excluded.

    `file` is relative to the working directory if it is below it. `text` is the first line.
    """

    file: str
    line: int
    column: int
    end_line: int
    end_column: int
    text: str


class LineEdit(Record, frozen=True):
    """Lines of a file that change: `before`, of which the first is `line`, becomes `after`.

    Without `before`, `after` is inserted in front of `line`.
    """

    file: str
    line: int
    before: tuple[str, ...]
    after: tuple[str, ...]


class Fix(Record, frozen=True):
    """An edit with which the model runs to its end, together with the other errors' first fixes.

    `edit` is the new text and `instead_of` the old one, as they stand in the source at `source`
    (`my_model.py:14`), or on the command line. `output` is what the model returns then. `also` are
    further places that change together with it. `edits` are the lines that change in files, none
    for a fix that changes no file; those of the second error refer to the files with the first fix
    of the first, and so on.
    """

    edit: str
    instead_of: str | None
    source: str | None
    verified: bool
    output: tuple[tuple[int, ...], ...]
    also: tuple[Edit, ...] = ()
    edits: tuple[LineEdit, ...] = ()


class Fault(Record, frozen=True, kw_only=True):
    """One place at which a model fails.

    `headline` is empty where it follows from `what`, `path` and `type`. `source` is where the layer
    is made, `called_from` where it is called, each file and line as those of `place`, or relative
    to the folder of the model if that is not below the working directory; None where it stands in
    no source. `place` is the innermost place in
    the model's source that the exception passed, else where the layer is made. `exception` is the
    class of the exception. `got` and `expected` are what the layer was given and what it takes,
    None where that is no size. `what` does not fit: shapes, dtypes, the model itself where it runs,
    where it is constructed, or where its file is imported.
    """

    path: str
    type: str
    config: str
    what: Literal["shapes", "dtypes", "model", "construction", "import"]
    headline: str = ""
    source: str | None
    called_from: str | None
    place: Place | None = None
    exception: str | None = None
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
