"""From a model that fails to its diagnosis: what failed, why, and edits that were tried.

The model is run again with its numbers tracked; edits are proposed from the record and carried out,
and those with which it runs to its end are the fixes. One diagnosis reports all errors: see
`Search`.
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
from ..render.problems import plain_lines
from ..trace.records import About, Failure
from .changes import NO_CHANGE, Change
from .explanation import explanation, got_and_expected
from .line_edits import line_edits
from .mismatch import mismatch_of
from .naming import Places, settings_of
from .results import Diagnosis, Edit, Fault, Fix
from .search import Found, Search
from .subjects import Outcome, SourceSubject, Subject, subject_of
from .view import problem_of
from .wording import wording


def diagnose(
    loaded: Loaded, mode: Mode, failure: Failure | None, model: Model, tool: Tool
) -> Diagnosis | None:
    """Explain why a model does not run on its inputs, and find edits with which it runs.

    `failure` is the record of its run; None if it could not be built. Returns None if nothing
    can be added to the exception.
    """
    subject = subject_of(loaded, mode)
    outcome = subject.run(watched=True)
    if failure is None and (outcome.failure is None or outcome.failure.error not in _OF_THE_MODEL):
        return None
    errors = _errors(subject, outcome, failure)
    if not any(error.fixes for error in errors) and not _is_explained(errors[0].failure):
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


def _errors(subject: Subject, outcome: Outcome, failure: Failure | None) -> list[Found]:
    if outcome.failure is None:  # it fails on another lane only
        assert failure is not None
        errors = [Found(NO_CHANGE, replace(outcome, failure=failure), ())]
    else:
        errors, all_fixed = Search(subject).errors(NO_CHANGE, outcome)
        if not all_fixed:  # without a fix of the first, the others may follow from it
            errors = errors[:1]
    return errors


def _is_explained(failure: Failure) -> bool:
    """Whether the explanation adds something to an exception that the model itself raised."""
    return _what(failure) != "model" or About.FUNCTION in failure.about


def _fault(error: Found, subject: Subject) -> Fault:
    failure, sites = error.failure, error.outcome.sites
    root = subject.root if isinstance(subject, SourceSubject) else Path.cwd()
    places = Places(root, sites)
    call = failure.calls[-1] if failure.calls else None
    got, expected = got_and_expected(failure)
    built = bool(failure.trace.calls)
    site = sites.get(call.path) if call and call.module else None
    frame = failure.frames[-1] if failure.frames else site
    return Fault(
        path=call.path if call else "",
        type=call.type if call else failure.trace.model,
        config=settings_of(call) if call else "",
        what=_what(failure) if built else "construction",
        source=places.of_module(call) if built else places.of_failure(failure),
        called_from=places.of_failure(failure) if built else None,
        place=places.exact(frame, error.outcome.texts) if frame else None,
        exception=failure.error,
        got=got,
        expected=expected,
        explanation=explanation(failure, places, error.outcome.signature),
        fixes=tuple(
            _fix(change, outcome, error, subject, places) for change, outcome in error.fixes
        ),
    )


def _what(failure: Failure) -> Literal["shapes", "dtypes", "model"]:
    """Decided from the operands where a layer raises the exception itself."""
    kind = mismatch_of(failure).kind
    if kind == "dtype":
        return "dtypes"
    return "shapes" if failure.what == "model" and kind != "other" else failure.what


def _fix(change: Change, outcome: Outcome, error: Found, subject: Subject, places: Places) -> Fix:
    inputs = subject.inputs if error.before.inputs is None else error.before.inputs
    texts = error.outcome.texts
    first, *others = wording(change, texts, places, inputs, subject)
    edits = line_edits(texts, change.with_texts_replaced(texts).texts)
    also = tuple(Edit(*other) for other in others)
    return Fix(*first, True, outcome.output, also, edits)


_OF_THE_MODEL = {"AssertionError", "ValueError", "RuntimeError", "IndexError", "TypeError",
                 "AttributeError", "NotImplementedError"}  # fmt: skip
"""The exceptions that a model raises for a shape that it does not take."""


def unbuilt(
    spec: str, inputs: tuple[Any, ...], named: dict[str, Any], arguments: dict[str, Any]
) -> Loaded:
    """A user-defined model whose constructor fails: an empty module in its place."""
    return Loaded(spec, "python", nn.Module(), copies_of(nn.Module()), inputs, named, arguments,
                  written=spec)  # fmt: skip


def is_diagnosed(error: ModelError) -> bool:
    """Whether an error is about shapes or dtypes, so that a diagnosis can explain it."""
    failure = error.failure
    if failure is None or isinstance(error, LaneError) or error.phase == "forward with gradients":
        return False
    return failure.what != "model" or (failure.error in _OF_THE_MODEL and failure.op is None)


def with_diagnosis(error: ModelError, diagnosis: Diagnosis) -> ShapeError:
    """The error with the diagnosis attached and its report as the message."""
    problems = [problem_of(fault) for fault in diagnosis.errors]
    (headline, *lines), *others = [[p.headline, *plain_lines(p)] for p in problems]
    described = ShapeError(headline, *lines, hint=error.hint)
    described.diagnosis, described.failure = diagnosis, error.failure
    described.further = tuple("\n  ".join(lines) for lines in others)
    return described
