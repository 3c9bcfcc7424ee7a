"""JSON: the fields of the records."""

from __future__ import annotations

from typing import Any

import msgspec

from ..results import KINDS, Result, record_of


def render(result: Result) -> str:
    # user code may pass any object to a model, such as an activation class
    encoded = msgspec.json.encode(result, enc_hook=repr)
    return msgspec.json.format(encoded, indent=2).decode() + "\n"


def schema() -> dict[str, Any]:
    """The JSON Schema of every kind of result, generated from the records."""
    kinds, definitions = msgspec.json.schema_components(
        [record_of(kind) for kind in KINDS],
        ref_template="#/$defs/{name}",
    )
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "cnnstat results",
        "anyOf": list(kinds),
        "$defs": definitions,
    }
