"""From a model that fails to its diagnosis: what failed, why, and edits that were tried.

The model is run again, watched; what may mend it is proposed from the
record; every proposal is carried out, and what runs to the end is a fix. Where none does, the one
that comes furthest is assumed and the search goes on from there: so one diagnosis tells of all
errors.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from torch import nn

from ..analysis.results import Input, Model, Tool
from ..analysis.rollup import layers_of
from ..choices import Mode
from ..errors import LaneError, ModelError, ShapeError
from ..models.construction import copies_of
from ..models.loaded import Loaded
from ..trace.records import About, Failure
from .changes import NO_CHANGE, Change
from .explanation import explanation, got_and_expected
from .mismatch import mismatch_of
from .naming import settings_of
from .placing import Places
from .results import Diagnosis, Fault, Fix
from .search import Found, Search
from .subjects import Outcome, Subject, Written, subject_of
from .view import error_lines
from .wording import wording


def diagnose(
    loaded: Loaded, mode: Mode, failure: Failure | None, model: Model, tool: Tool
) -> Diagnosis | None:
    """Say why a model does not run on its inputs, and which edits make it run.

    `failure` is the record of its run; None if it could not even be built. Returns None if there
    is nothing to say beyond what failed.
    """
    subject = subject_of(loaded, mode)
    seen = subject.run(watched=True)
    if failure is None and (seen.failure is None or seen.failure.error not in _OF_THE_MODEL):
        return None
    errors = _errors(subject, seen, failure)
    if not any(error.fixes for error in errors) and not _tells(errors[0].failure):
        return None
    first = errors[0].failure
    return Diagnosis(
        tool=tool,
        model=model,
        inputs=tuple(Input(i.name, i.tensor.shape, i.tensor.dtype) for i in first.trace.inputs),
        mode=mode,
        lane=first.trace.lane,
        layers=layers_of(first.trace) if first.trace.calls else (),
        errors=tuple(_fault(error, subject) for error in errors),
    )


def _errors(subject: Subject, seen: Outcome, failure: Failure | None) -> list[Found]:
    if seen.failure is None:  # it failed where this does not look: on another lane
        assert failure is not None
        errors = [Found(NO_CHANGE, replace(seen, failure=failure), ())]
    else:
        errors, mended = Search(subject).errors(NO_CHANGE, seen)
        if not mended:
            errors = errors[:1]
    return errors


def _tells(failure: Failure) -> bool:
    """Whether there is more to say than what was raised for reasons of the model's own."""
    return _what(failure) != "model" or About.FUNCTION in failure.about


def _fault(error: Found, subject: Subject) -> Fault:
    failure, seen = error.failure, error.seen
    root = subject.root if isinstance(subject, Written) else Path.cwd()
    places = Places(root, seen.sites)
    call = failure.calls[-1] if failure.calls else None
    got, expected = got_and_expected(failure)
    built = bool(failure.trace.calls)
    return Fault(
        path=call.path if call else "",
        type=call.type if call else failure.trace.model,
        config=settings_of(call) if call else "",
        what=_what(failure) if built else "construction",
        source=places.of_module(call) if built else places.of_failure(failure),
        called_from=places.of_failure(failure) if built else None,
        got=got,
        expected=expected,
        explanation=explanation(failure, places, seen.signature),
        fixes=tuple(
            _fix(change, outcome, error, subject, places) for change, outcome in error.fixes
        ),
    )


def _what(failure: Failure) -> Literal["shapes", "dtypes", "model"]:
    """What a layer's own refusal is about follows from what it was given."""
    kind = mismatch_of(failure).kind
    if kind == "dtype":
        return "dtypes"
    return "shapes" if failure.what == "model" and kind != "other" else failure.what


def _fix(change: Change, outcome: Outcome, error: Found, subject: Subject, places: Places) -> Fix:
    if change.settings:
        from .exchanges import exchange_wording

        return Fix(*exchange_wording(change, subject), True, outcome.output)
    inputs = subject.inputs if error.before.inputs is None else error.before.inputs
    told = wording(change, error.seen.texts, places, inputs)
    return Fix(*told, True, outcome.output)


_OF_THE_MODEL = {"AssertionError", "ValueError", "RuntimeError", "IndexError", "TypeError"}
"""What a model raises when it is given a shape that it does not take."""


def unbuilt(
    spec: str, inputs: tuple[Any, ...], named: dict[str, Any], arguments: dict[str, Any]
) -> Loaded:
    """A model of the user's own whose constructor fails, as far as there is something of it."""
    return Loaded(spec, "python", nn.Module(), copies_of(nn.Module()), inputs, named, arguments,
                  written=spec)  # fmt: skip


def is_diagnosed(error: ModelError) -> bool:
    """Whether an error is about what fits what, so that a diagnosis has something to say."""
    failure = error.failure
    if failure is None or isinstance(error, LaneError) or error.phase == "forward with gradients":
        return False
    return failure.what != "model" or (failure.error in _OF_THE_MODEL and failure.op is None)


def with_diagnosis(error: ModelError, diagnosis: Diagnosis) -> ShapeError:
    """The error that carries a diagnosis and reads as its report does."""
    (headline, *lines), *others = [error_lines(fault) for fault in diagnosis.errors]
    told = ShapeError(headline, *lines, hint=error.hint)
    told.diagnosis, told.failure = diagnosis, error.failure
    told.further = tuple("\n  ".join(lines) for lines in others)
    return told
