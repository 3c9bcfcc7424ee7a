"""The methods of results: options by name, texts, files, data frames, and display in a notebook."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..argument_types import checked, evaluated
from ..errors import OutputError, UsageError, nearest
from ..public_calls import shown_in_python
from ..results import KINDS
from . import options as report_options
from . import render, shown_as_html, shown_as_text
from .options import EXTENSIONS, KIND_OPTIONS, Format, Options
from .output_files import check_writable, write_files

if TYPE_CHECKING:
    from ..results import Result


def options_of(result: Result, method: str, chosen: Mapping[str, Any]) -> Options:
    """The options of a report that a caller chose for a method.

    Raises:
        UsageError: the kind of result has no such option, or its value is none.
    """
    supported = KINDS[result.kind].options
    known = [f.name for f in fields(Options)]
    known = [name for name in known if name in supported or name not in KIND_OPTIONS]
    values: dict[str, Any] = {}
    for name, value in chosen.items():
        if name not in known:
            reasons = [nearest(name, known), f"it takes {', '.join(known)}" if known else ""]
            raise UsageError(
                f"{method} of the kind {result.kind} takes no {name}", *filter(None, reasons),
                hint=f"leave out {name}=",
            )  # fmt: skip
        if value is not None:
            values[name] = checked(name, value, _types()[name])
            _check_least(name, values[name])
    if "columns" in values:
        values["columns"] = _columns(values["columns"])
    return Options(**values)


@cache
def _types() -> dict[str, Any]:
    """The types of the options that a caller may choose."""
    return {f.name: evaluated(f.type, vars(report_options)) for f in fields(Options)} | {
        "columns": str | Sequence[str]
    }


def _check_least(name: str, value: Any) -> None:
    least = {"depth": 0, "top": 1}.get(name)
    if least is not None and value < least:
        raise UsageError(
            f"{name} is a whole number from {least} on, not {value}", hint=f"{name}={least + 1}"
        )


def _columns(value: str | Sequence[str]) -> tuple[str, ...]:
    """`"output,macs"`, as on the command line, or a list of names."""
    names = value.split(",") if isinstance(value, str) else value
    return tuple(name.strip() for name in names if name.strip())


def text_of(result: Result, format: Format, method: str, chosen: Mapping[str, Any]) -> str:
    """The result in a format."""
    return render(result, format, options_of(result, method, chosen)).text


def builtins_of(result: Result) -> dict[str, Any]:
    """The fields of a result and of all its records, as JSON has them."""
    fields_of: dict[str, Any] = json.loads(render(result, "json").text)
    return fields_of


def save(result: Result, path: str | os.PathLike[str], chosen: Mapping[str, Any]) -> None:
    """Write a file in the format of its extension.

    Raises:
        UsageError: the extension or an option is unknown.
        OutputError: the file cannot be written.
    """
    file = Path(path)
    if file.is_dir():
        raise OutputError(
            f"cannot write {file}", "it is a directory", hint=f".save({str(file / 'run.json')!r})"
        )
    format = EXTENSIONS.get(file.suffix.lower())
    if format is None:
        raise UsageError(
            f"cannot choose the format of {str(file)!r} by its extension",
            f"known: {', '.join(EXTENSIONS)}",
            hint=f".save({str(file.with_suffix('.json'))!r})",
        )
    options = options_of(result, "save", chosen)
    check_writable(file)
    write(result, format, file, options)


def write(result: Result, format: Any, file: Path, options: Options | None) -> tuple[Path, ...]:
    """Write a result and the pictures that it links to; all files or none. Returns the files."""
    document = render(result, format, options, linked_from=file)
    pictures = {file.parent / name: content for name, content in document.pictures.items()}
    write_files({file: document.content, **pictures})
    return (file, *pictures)


@dataclass(frozen=True, slots=True)
class Shown:
    """A result with options, as IPython displays it: HTML in a notebook, text in a terminal."""

    result: Result
    options: Options | None = None

    def __repr__(self) -> str:
        with shown_in_python():
            return shown_as_text(self.result, self.options)

    def _repr_html_(self) -> str:
        with shown_in_python():
            return shown_as_html(self.result, self.options)


def show(result: Result, chosen: Mapping[str, Any]) -> None:
    """Display a result in a notebook, print it elsewhere."""
    display(Shown(result, options_of(result, "show", chosen)))


def display(shown: Shown) -> None:
    ipython = sys.modules.get("IPython")  # not imported for this: without it there is no notebook
    if ipython is not None and ipython.get_ipython() is not None:
        import_module("IPython.display").display(shown)
    else:
        sys.stdout.write(f"{shown!r}\n")


def frame_of(result: Result, library: str, chosen: Mapping[str, Any]) -> Any:
    """The data table of a result, which CSV has too, as a data frame of pandas or polars.

    Raises:
        UsageError: the library is not installed, or does not work here.
    """
    from .data import data_of

    options = options_of(result, f"to_{library}", chosen)
    try:
        module = import_module(library)
    except Exception as error:  # also of a broken installation
        raise UsageError(
            f"to_{library} needs {library}, which cannot be imported",
            f"{type(error).__name__}: {error}",
            hint=f"pip install {library}",
        ) from error
    return module.DataFrame(data_of(result, options).by_column())
