"""Read analyses saved as JSON by `cnnstat shapes nin --output run.json`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from ..analysis.results import Analysis
from ..analysis.validation import defect
from ..errors import ModelError, UsageError
from ..results import SCHEMA_VERSION
from .model_sources import source_of


def is_saved(spec: object) -> bool:
    """Whether a spec names a saved analysis."""
    # transformers:config.json is a configuration
    return isinstance(spec, str) and spec.endswith(".json") and source_of(spec) is None


def refusal_of_options(path: object) -> UsageError:
    """The error for options of a run: a saved analysis is the record of a finished one."""
    return UsageError(
        f"{path} is a saved analysis: it takes no input, no arguments and no training"
    )


def read_analysis(path: str | Path) -> Analysis:
    """Read an analysis written with `--format json`.

    Raises:
        ModelError: the file is missing, contains no analysis, or is from a newer cnnstat.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise ModelError(f"cannot read {path}", error.strerror or str(error)) from error
    try:
        head: Any = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ModelError(f"{path} is no JSON", str(error)) from error
    kind = head.get("kind") if isinstance(head, dict) else None
    if kind != "analysis":
        actual = f"its kind is {kind!r}" if kind else "it has no kind"
        raise ModelError(
            f"{path} is no saved analysis", actual, hint="cnnstat shapes MODEL --output run.json"
        )
    version = head.get("schema_version")
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise ModelError(
            f"{path} was written by a newer cnnstat: schema version {version}",
            f"this one reads up to {SCHEMA_VERSION}",
            hint="pip install --upgrade cnnstat",
        )
    try:
        analysis = msgspec.convert(head, Analysis)
    except (msgspec.ValidationError, RecursionError) as error:
        raise ModelError(f"{path} does not fit the schema of an analysis", str(error)) from error
    reason = defect(analysis)
    if reason is not None:
        raise ModelError(
            f"{path} contradicts itself", reason, hint="cnnstat shapes MODEL --output run.json"
        )
    return analysis
