"""The base of all results, and the table of their kinds.

Results are frozen records; field by field they are the JSON that cnnstat writes. Counts are plain
ints, sizes are in bytes, shapes in elements. `None` means that a figure does not exist, never 0.
The JSON Schema in `cnnstat/render/schema/` is generated from them.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Annotated, Any, NamedTuple

from msgspec import Meta, Struct

SCHEMA_VERSION = 1

Shape = tuple[int, ...]
Version = Annotated[int, Meta(ge=1, le=SCHEMA_VERSION)]


class Record(Struct, frozen=True):
    """Base of the records: immutable, compared by value."""


class Result(Record, frozen=True, kw_only=True):
    """Base of what public functions return. It shows itself as its table, in a notebook as HTML."""

    schema_version: Version = SCHEMA_VERSION
    kind: str

    def __repr__(self) -> str:
        text: str = _named("render:shown_as_text")(self)
        return text

    def _repr_html_(self) -> str:
        html: str = _named("render:shown_as_html")(self)
        return html


class Kind(NamedTuple):
    """A kind of result: the record, and the function from a record to a report.

    Both are names, not imports, because this file is below them all. `depth` is the default depth
    of the tree of layers.
    """

    record: str
    view: str
    depth: int = 3


KINDS = {
    "analysis": Kind("analysis.results:Analysis", "analysis.view:view"),
    "benchmark": Kind("bench.results:Benchmark", "bench.view:view"),
    "comparison": Kind("comparison.results:Comparison", "comparison.view:view", depth=1),
    "devices": Kind("rooflines.results:Devices", "rooflines.devices_view:view"),
    "diagnosis": Kind("diagnosis.results:Diagnosis", "diagnosis.view:view"),
    "explanation": Kind("explanation.results:Explanation", "explanation.view:view"),
    "formulas": Kind("symbolic.results:Formulas", "symbolic.view:view"),
    "lint": Kind("linting.results:Lint", "linting.view:view"),
    "listing": Kind("models.results:Listing", "models.view:view"),
    "memory": Kind("memory_usage.results:Memory", "memory_usage.view:view"),
    "roofline": Kind("rooflines.results:Roofline", "rooflines.view:view"),
    "scaling": Kind("symbolic.results:Scaling", "symbolic.scaling_view:view"),
    "verification": Kind("verification.results:Verification", "verification.view:view"),
}


def record_of(kind: str) -> type[Result]:
    """The record class of a kind, into which its JSON is read."""
    record: type[Result] = _named(KINDS[kind].record)
    return record


def view_of(kind: str) -> Callable[[Any, Any], Any]:
    """The function from a result of the kind and the options of a report to the report."""
    view: Callable[[Any, Any], Any] = _named(KINDS[kind].view)
    return view


def _named(place: str) -> Any:
    module, _, name = place.partition(":")
    return getattr(import_module(f"{__package__}.{module}"), name)
