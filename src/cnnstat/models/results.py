"""The models that can be named."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from ..results import Record, Result, Shape
from .model_sources import SOURCES

if TYPE_CHECKING:  # the type checker cannot unpack the table
    Origin = str
else:
    Origin = Literal["built-in", "own", *SOURCES]


class Listed(Record, frozen=True):
    """A model that can be named: `params` at its default input and arguments.

    `input` and `params` are None where only building the model would tell.
    """

    name: str
    source: str
    input: Shape | None
    params: int | None
    summary: str
    origin: Origin = "built-in"


class Listing(Result, frozen=True, kw_only=True):
    """The models that can be named."""

    kind: Literal["listing"] = "listing"
    models: tuple[Listed, ...]
