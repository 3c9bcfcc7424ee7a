"""The models that can be named."""

from __future__ import annotations

from typing import Literal

from ..results import Record, Result, Shape


class Listed(Record, frozen=True):
    """A model that can be named: `params` at its default input and arguments.

    `input` and `params` are None where only building the model would tell.
    """

    name: str
    source: str
    input: Shape | None
    params: int | None
    summary: str
    origin: Literal["built-in", "own", "torchvision", "timm", "transformers"] = "built-in"


class Listing(Result, frozen=True, kw_only=True):
    """The models that can be named."""

    kind: Literal["listing"] = "listing"
    models: tuple[Listed, ...]
