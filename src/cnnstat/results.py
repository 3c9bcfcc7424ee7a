"""The base of all results, and the table of their kinds.

Results are frozen records; field by field they are the JSON that cnnstat writes. Counts are plain
ints, sizes are in bytes, shapes in elements. `None` means that a figure does not exist, never 0.
The JSON Schema in `cnnstat/render/schema/` is generated from them.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import Meta, Struct

from .errors import CnnstatError, NotFound
from .escaping import described
from .input_files import read_bytes

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
    "latency": Kind("inference.results:Latencies", "inference.view:view"),
    "lint": Kind("linting.results:Lint", "linting.view:view"),
    "listing": Kind("models.results:Listing", "models.view:view"),
    "memory": Kind("memory_usage.results:Memory", "memory_usage.view:view"),
    "parameters": Kind("static_parameters.results:Parameters", "static_parameters.view:view"),
    "roofline": Kind("rooflines.results:Roofline", "rooflines.view:view"),
    "scaling": Kind("symbolic.results:Scaling", "symbolic.scaling_view:view"),
    "verification": Kind("verification.results:Verification", "verification.view:view"),
}


def record_of(kind: str) -> type[Result]:
    """The record class of a kind, into which its JSON is read."""
    record: type[Result] = _named(KINDS[kind].record)
    return record


def read_result(
    path: str | Path, kind: str, failure: type[CnnstatError], name: str, hint: str
) -> Any:
    """Read the record of a kind from the JSON that cnnstat wrote.

    Args:
        failure: the class of the error if the file is no such record.
        name: what messages call the content of such a file.
        hint: the command that writes one.

    Raises:
        NotFound: there is no such file.
        CnnstatError: it cannot be read, is of another kind, or is from a newer cnnstat.
    """
    try:
        content = read_bytes(path)
    except FileNotFoundError as error:
        raise NotFound(f"there is no file {path}", hint=hint) from error
    except (OSError, ValueError) as error:  # a path with a null byte is a ValueError
        reason = getattr(error, "strerror", None) or str(error)
        raise failure(f"cannot read {path}", reason, hint=hint) from error
    try:
        head: Any = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise failure(f"{path} is no JSON", str(error), hint=hint) from error
    actual = head.get("kind") if isinstance(head, dict) else None
    if actual != kind:
        reason = f"its kind is {described(actual)}" if actual else "it has no kind"
        raise failure(f"{path} contains no {name}", reason, hint=hint)
    version = head.get("schema_version")
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise failure(
            f"{path} was written by a newer cnnstat: schema version {version}",
            f"this one reads up to {SCHEMA_VERSION}",
            hint="pip install --upgrade cnnstat",
        )
    try:
        return msgspec.convert(head, record_of(kind))
    except (msgspec.ValidationError, RecursionError) as error:
        raise failure(f"{path} does not fit the schema of the kind {kind}", str(error)) from error


def view_of(kind: str) -> Callable[[Any, Any], Any]:
    """The function from a result of the kind and the options of a report to the report."""
    view: Callable[[Any, Any], Any] = _named(KINDS[kind].view)
    return view


def data_function_of(kind: str) -> Callable[[Any, Any], Any] | None:
    """The function `data` next to that of the report: from a result to its data table.

    None where there is none: the data table is then the first table of the report.
    """
    module, _, _ = KINDS[kind].view.partition(":")
    function: Callable[[Any, Any], Any] | None = getattr(
        import_module(f"{__package__}.{module}"), "data", None
    )
    return function


def _named(place: str) -> Any:
    module, _, name = place.partition(":")
    return getattr(import_module(f"{__package__}.{module}"), name)
