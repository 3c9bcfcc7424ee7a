"""JSON: the records themselves."""

from __future__ import annotations

from typing import Any

import msgspec

from ..results import KINDS, Result, record_of


def render(result: Result) -> str:
    # arguments that a user's code gives to a model may be anything: a class of activations
    encoded = msgspec.json.encode(result, enc_hook=repr)
    return msgspec.json.format(encoded, indent=2).decode() + "\n"


def schema() -> dict[str, Any]:
    """The JSON Schema of everything that `--format json` writes, generated from the records."""
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
