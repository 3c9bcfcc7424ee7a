"""From options to a result. Everything that needs torch is imported here, and only when it runs."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any, Literal

from ..analysis.records import Analysis, Comparison
from ..errors import CheckError, UsageError
from ..reports.options import Ops, Options
from ..reports.shapes import check_options
from ..shapes import InputSpec, parse_input
from ..sources.saved import is_saved, read_analysis

Mode = Literal["eval", "train"]
Lane = Literal["auto", "meta", "fake", "cpu"]


def options_of(
    depth: int,
    columns: tuple[str, ...] = (),
    sort: str | None = None,
    top: int | None = None,
    ops: Ops = "auto",
) -> Options:
    """The options, refused here if they name an unknown column: before torch is imported."""
    options = Options(depth, columns, sort, top, ops)
    check_options(options)
    return options


def analysis_of(
    spec: str, inputs: list[str] | None, arguments: dict[str, Any], mode: Mode, lane: Lane
) -> Analysis:
    specs = _inputs(inputs)
    if is_saved(spec):
        if specs or arguments or mode != "eval" or lane != "auto":
            raise UsageError(
                f"{spec} is a saved analysis: it takes no --input, --arg, --mode or --lane"
            )
        return read_analysis(spec)
    with _quick_import():
        from ..api import analyze
        from ..sources.transformers.importing import quickly
    with redirect_stdout(sys.stderr):  # standard output is for the result: models print too
        chosen = None if lane == "auto" else lane
        return quickly(lambda: analyze(spec, *specs, arguments=arguments, mode=mode, lane=chosen))


def comparison_of(
    specs: list[str],
    inputs: list[str] | None,
    arguments: dict[str, Any],
    mode: Mode,
    lane: Lane,
) -> Comparison:
    if len(specs) < 2:
        raise UsageError(
            f"compare takes two or more models, {len(specs)} was given",
            hint=f"cnnstat compare {specs[0]} alexnet",
        )
    given = _inputs(inputs)
    if len(given) > 1:
        raise UsageError("compare runs all models on one --input")
    with _quick_import():
        from ..api import compare
    with redirect_stdout(sys.stderr):
        return compare(
            *specs,
            input=given[0] if given else None,
            arguments=arguments,
            mode=mode,
            lane=None if lane == "auto" else lane,
        )


def require_exact(*analyses: Analysis) -> None:
    """Raise CheckError if any total is a lower bound."""
    for analysis in analyses:
        if not analysis.totals.exact:
            raise CheckError(
                f"{analysis.model.spec}: the totals are lower bounds",
                "not counted: " + ", ".join(analysis.totals.uncounted),
            )


def _inputs(texts: list[str] | None) -> list[InputSpec]:
    return [parse_input(text) for text in texts or []]


@contextmanager
def _quick_import() -> Iterator[None]:
    """Importing torch makes a million objects that all stay: collecting garbage finds none."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
