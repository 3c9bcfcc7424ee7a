"""Records of `cnnstat list`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from ..results import Record, Result, Shape
from .model_sources import SOURCES

if TYPE_CHECKING:  # the type checker cannot unpack the table
    Origin = str
else:
    Origin = Literal["built-in", "own", *SOURCES]


class Listed(Record, frozen=True):
    """A model by its name, with default input and parameters at default arguments.

    `input` and `params` are None if the model would have to be built to know them. `source` is the
    paper, module or file of the model, `origin` the kind of name. `needs` is what to install before
    the model can be used: `cnnstat[timm]`; empty for most.
    """

    name: str
    source: str
    input: Shape | None
    params: int | None
    summary: str
    origin: Origin = "built-in"
    needs: str = ""


class Listing(Result, frozen=True, kw_only=True):
    """The result of `cnnstat list`."""

    kind: Literal["listing"] = "listing"
    models: tuple[Listed, ...]
    notes: tuple[str, ...] = ()
