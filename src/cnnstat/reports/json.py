"""JSON: the records themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from ..analysis.memory.records import Memory
from ..analysis.records import Analysis, Comparison, Formulas, Listing, Scaling, Verification

if TYPE_CHECKING:
    from .results import Result


def render(result: Result) -> str:
    # arguments that a user's code gives to a model may be anything: a class of activations
    encoded = msgspec.json.encode(result, enc_hook=repr)
    return msgspec.json.format(encoded, indent=2).decode() + "\n"


def schema() -> dict[str, Any]:
    """The JSON Schema of everything that `--format json` writes, generated from the records."""
    from ..analysis.benchmark.records import Benchmark
    from ..analysis.diagnosis.records import Diagnosis
    from ..analysis.explanation.records import Explanation
    from ..analysis.roofline.records import Devices, Roofline

    kinds, definitions = msgspec.json.schema_components(
        [
            Analysis,
            Benchmark,
            Comparison,
            Devices,
            Diagnosis,
            Explanation,
            Formulas,
            Listing,
            Memory,
            Roofline,
            Scaling,
            Verification,
        ],
        ref_template="#/$defs/{name}",
    )
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "cnnstat results",
        "anyOf": list(kinds),
        "$defs": definitions,
    }
