"""The base of all results, and the table of their kinds.

Results are frozen records; field by field they are the JSON that cnnstat writes. Counts are plain
ints, sizes are in bytes, shapes in elements. `None` means that a figure does not exist, never 0.
The JSON Schema in `cnnstat/render/schema/` is generated from them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from os import PathLike
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypedDict, Unpack

import msgspec
from msgspec import Meta, Struct

from .errors import CnnstatError, NotFound, UsageError
from .escaping import described
from .input_files import read_bytes
from .public_calls import public, shown_in_python

SCHEMA_VERSION = 1

Shape = tuple[int, ...]
Version = Annotated[int, Meta(ge=1, le=SCHEMA_VERSION)]


class Record(Struct, frozen=True):
    """Base of the records: immutable, compared by value."""


class ReportOptions(TypedDict, total=False):
    """The parts of a result that its report shows, as in `cnnstat.render.Options`.

    Results with layers have `depth`, `columns` (`"output,macs"` or a list; `"+input"` adds one to
    the usual ones), `sort` (a column), `top` (the first rows), `ops` ("auto", "all", "none") and
    `totals` (the totals alone).
    """

    depth: int | None
    columns: str | Sequence[str] | None
    sort: str | None
    top: int | None
    ops: str | None
    totals: bool


class LatexOptions(ReportOptions, total=False):
    """Those, and of the first table in LaTeX the `caption`, as plain text, and the `label`."""

    caption: str | None
    label: str | None


_INSTEAD = {
    "total_params": "params", "parameters": "params", "total_mult_adds": "macs",
    "count_params": "params", "total_macs": "macs", "total_flops": "flops", "total": "params",
}  # fmt: skip
"""Attributes of the results of torchinfo and fvcore, as fields of the totals."""
_METHODS = {
    **dict.fromkeys(("summary", "print", "table", "display"), "show()"),
    "to_csv": 'save("layers.csv")', "to_frame": "to_pandas()", "to_df": "to_pandas()",
    "summary_list": "layers", "by_module": "layers", "by_operator": 'show(ops="all")',
    "unsupported_ops": "totals.uncounted", "modules": "layers",
    "plot": 'save("picture.svg")', "draw": 'save("picture.svg")',
}  # fmt: skip


class Result(Record, frozen=True, kw_only=True):
    """Base of what public functions return. It shows itself as its table, in a notebook as HTML.

    The methods take the options of a report by name (`ReportOptions`). They raise UsageError for an
    option that the kind of result does not have.
    """

    schema_version: Version = SCHEMA_VERSION
    kind: str

    def __repr__(self) -> str:
        with shown_in_python():
            text: str = _named("render:shown_as_text")(self)
        return text

    def _repr_html_(self) -> str:
        with shown_in_python():
            html: str = _named("render:shown_as_html")(self)
        return html

    def __getattr__(self, name: str) -> Any:
        """An error that names the attribute of other tools, or of another record, as it is here."""
        instead = "" if name.startswith("_") else self._instead_of(name)
        message = f"{type(self).__name__!r} object has no attribute {name!r}{instead}"
        raise AttributeError(message, name=name, obj=self)

    def __iter__(self) -> Any:
        """An error: other tools return several figures, `macs, params = …`."""
        figures = ".totals.macs, .totals.params" if self.kind == "analysis" else ".to_dict()"
        raise UsageError(f"a result of the kind {self.kind} is one object", hint=figures)

    def _instead_of(self, name: str) -> str:
        inner = _INSTEAD.get(name, name)
        totals = getattr(self, "totals", None) if "totals" in self.__struct_fields__ else None
        if inner in getattr(totals, "__struct_fields__", ()):
            return f"; it is .totals.{inner}"
        return f"; try: .{_METHODS[name]}" if name in _METHODS else ""

    @public("result.show(depth=2)")
    def show(self, **options: Unpack[ReportOptions]) -> None:
        """Print the result, or display it in a notebook.

        >>> cnnstat.analyze("nin").show(depth=1, columns="output,macs")
        >>> cnnstat.analyze("nin").show(sort="params", top=5)
        """
        _named("render.exports:show")(self, options)

    @public('result.save("run.json")')
    def save(self, path: str | PathLike[str], **options: Unpack[ReportOptions]) -> None:
        """Write a file: `.json`, `.csv`, `.html`, `.md`, `.tex`, `.txt`, or `.svg`, `.png`, `.pdf`.

        The last three are pictures. All of it is written or nothing. Pictures of a Markdown file
        are written next to it. What `.json` has can be read again (`cnnstat.read_analysis`).

        Raises:
            UsageError: the extension is unknown, or the result has no picture.
            OutputError: the file cannot be written.
        """
        _named("render.exports:save")(self, path, options)

    @public("result.to_dict()")
    def to_dict(self) -> dict[str, Any]:
        """The fields of the result and of all its records, as `to_json` has them."""
        fields: dict[str, Any] = _named("render.exports:builtins_of")(self)
        return fields

    @public("result.to_json()")
    def to_json(self) -> str:
        """All fields as JSON. Shapes are lists, sizes in bytes, missing figures null."""
        return self._text("json", "to_json", {})

    @public("result.to_markdown(depth=2)")
    def to_markdown(self, **options: Unpack[ReportOptions]) -> str:
        """GitHub's Markdown, with pictures drawn as text."""
        return self._text("markdown", "to_markdown", options)

    @public("result.to_html()")
    def to_html(self, **options: Unpack[ReportOptions]) -> str:
        """A complete page, which needs no other files."""
        return self._text("html", "to_html", options)

    @public('result.to_latex(caption="Layers")')
    def to_latex(self, **options: Unpack[LatexOptions]) -> str:
        """Tables for LaTeX with `booktabs` and `siunitx`; the first lines name the packages.

        `caption` (plain text) and `label` are those of the first table.
        """
        return self._text("latex", "to_latex", options)

    @public("result.to_pandas()")
    def to_pandas(self, **options: Unpack[ReportOptions]) -> Any:
        """The table that CSV has, with raw values, as a `pandas.DataFrame`.

        Raises:
            UsageError: pandas is not installed.
        """
        return _named("render.exports:frame_of")(self, "pandas", options)

    @public("result.to_polars()")
    def to_polars(self, **options: Unpack[ReportOptions]) -> Any:
        """The table that CSV has, with raw values, as a `polars.DataFrame`.

        Raises:
            UsageError: polars is not installed.
        """
        return _named("render.exports:frame_of")(self, "polars", options)

    def _text(self, format: str, method: str, options: Mapping[str, Any]) -> str:
        text: str = _named("render.exports:text_of")(self, format, method, options)
        return text


class Kind(NamedTuple):
    """A kind of result: the record, and the function from a record to a report.

    Both are names, not imports, because this file is below them all. `depth` is the default depth
    of the tree of layers, `options` are those of `render.options.KIND_OPTIONS` that it has.
    `drawn`: whether it has pictures, or is drawn as its table where there are none.
    """

    record: str
    view: str
    depth: int | None = 3
    options: tuple[str, ...] = ()
    drawn: bool = True


_LAYERS = ("depth", "columns", "sort", "top", "ops", "units")
_LAYERS_AND_TOTALS = (*_LAYERS, "totals")

KINDS = {
    "analysis": Kind("analysis.results:Analysis", "analysis.view:view", options=_LAYERS_AND_TOTALS),
    "benchmark": Kind("bench.results:Benchmark", "bench.view:view"),
    "comparison": Kind(
        "comparison.results:Comparison", "comparison.view:view", depth=None, options=_LAYERS
    ),
    "devices": Kind("rooflines.results:Devices", "rooflines.devices_view:view", drawn=False),
    "diagnosis": Kind("diagnosis.results:Diagnosis", "diagnosis.view:view", options=_LAYERS),
    "explanation": Kind("explanation.results:Explanation", "explanation.view:view", drawn=False),
    "formulas": Kind("symbolic.results:Formulas", "symbolic.view:view", options=_LAYERS_AND_TOTALS),
    "latency": Kind("inference.results:Latencies", "inference.view:view"),
    "lint": Kind("linting.results:Lint", "linting.view:view", drawn=False),
    "listing": Kind("models.results:Listing", "models.view:view", drawn=False),
    "memory": Kind("memory_usage.results:Memory", "memory_usage.view:view", options=("top",)),
    "parameters": Kind(
        "static_parameters.results:Parameters",
        "static_parameters.view:view",
        options=("depth", "totals"),
    ),
    "roofline": Kind(
        "rooflines.results:Roofline", "rooflines.view:view", options=("depth", "sort", "top", "ops")
    ),
    "scaling": Kind("symbolic.results:Scaling", "symbolic.scaling_view:view", options=("units",)),
    "verification": Kind(
        "verification.results:Verification", "verification.view:view", drawn=False
    ),
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
        # a shell of Windows writes UTF-16, or UTF-8 with a mark
        head: Any = msgspec.json.decode(content.decode(json.detect_encoding(content)))
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
