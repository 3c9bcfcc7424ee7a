"""JSON: the fields of the records."""

from __future__ import annotations

from typing import Any

import msgspec

from ..escaping import encodable, visible_json
from ..results import KINDS, Result, record_of


def render(result: Result) -> str:
    try:
        encoded = msgspec.json.encode(result, enc_hook=_described)
    except UnicodeEncodeError:  # names with halves of characters, which are no JSON
        plain = _encodable(msgspec.to_builtins(result, enc_hook=_described))
        encoded = msgspec.json.encode(plain)
    return visible_json(msgspec.json.format(encoded, indent=2).decode()) + "\n"


def _described(value: Any) -> str:
    """User code may pass any object to a model, such as an activation class."""
    try:
        return repr(value)
    except Exception:  # of the user's __repr__
        return f"<{type(value).__name__}>"


def _encodable(value: Any) -> Any:
    if isinstance(value, str):
        return encodable(value)
    if isinstance(value, dict):
        return {_encodable(key): _encodable(item) for key, item in value.items()}
    return [_encodable(item) for item in value] if isinstance(value, list | tuple) else value


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
