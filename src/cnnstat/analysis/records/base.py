"""What all records share."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

SCHEMA_VERSION = 1

Shape = tuple[int, ...]
Version = Annotated[int, Meta(ge=1, le=SCHEMA_VERSION)]


class Record(Struct, frozen=True):
    """Base of the records: immutable, compared by value."""
