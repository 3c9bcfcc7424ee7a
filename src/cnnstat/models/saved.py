"""Read analyses saved as JSON by `cnnstat shapes nin --output run.json`."""

from __future__ import annotations

from pathlib import Path

from ..analysis.results import Analysis
from ..analysis.validation import defect
from ..errors import ModelError, UsageError
from ..results import read_result
from .hub import is_configuration
from .model_sources import source_of

_HINT = "cnnstat shapes MODEL --output run.json"


def is_saved(spec: object) -> bool:
    """Whether a spec names a saved analysis."""
    if not isinstance(spec, str) or not spec.endswith(".json") or source_of(spec) is not None:
        return False
    return not is_configuration(Path(spec))


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
    analysis: Analysis = read_result(path, "analysis", ModelError, "saved analysis", _HINT)
    reason = defect(analysis)
    if reason is not None:
        raise ModelError(f"{path} contradicts itself", reason, hint=_HINT)
    return analysis
