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
from ..trace.records import About, Failure, Frame
from .changes import NO_CHANGE, Change, as_shapes
from .explanation import explanation, got_and_expected
from .line_edits import line_edits
from .mismatch import mismatch_of
from .naming import Places, name_of, settings_of
from .outcomes import Outcome
from .results import Diagnosis, Edit, Fault, Fix
from .search import Found, Search
from .source_subject import SourceSubject, subject_of
from .subjects import Subject
from .view import problem_of
from .wording import wording


def diagnose(loaded: Loaded, mode: Mode, error: ModelError, model: Model, tool: Tool) -> Diagnosis:
    """Explain why a model does not run on its inputs, and find edits with which it runs.

    `error` is that of its run, its construction or the import of its file.
    """
    subject = subject_of(loaded, mode)
    errors = _errors(subject, error)
    first = errors[0].failure
    return Diagnosis(
        tool=tool,
        model=model,
        inputs=tuple(Input(i.name, i.tensor.shape, i.tensor.dtype) for i in first.trace.inputs),
        mode=mode,
        lane=first.trace.lane,
        layers=layers_of(first.trace) if first.trace.calls else (),
        errors=tuple(_fault(found, subject, error) for found in errors),
    )


def _errors(subject: Subject, error: ModelError) -> list[Found]:
    outcome = subject.run(watched=True)
    cause = error.__cause__ or error
    failure = error.failure or subject.without_a_run(cause)
    # It fails on another lane only, or it cannot be loaded again.
    on_meta = outcome.failure
    caught = Found(NO_CHANGE, replace(outcome, failure=failure, cause=cause).described(), ())
    if on_meta is None or (error.failure is None and on_meta.error != failure.error):
        return [caught]
    errors, all_fixed = Search(subject).errors(NO_CHANGE, outcome)
    is_of_data = len({(f.error, f.reason) for f in (failure, on_meta)}) == 2
    if failure.trace.lane == "cpu" and is_of_data and not errors[0].fixes:
        return [caught]  # the error of plain PyTorch
    if not all_fixed:  # without a fix of the first, the others may follow from it
        errors = errors[:1]
    return errors


def _fault(error: Found, subject: Subject, caught: ModelError) -> Fault:
    failure, sites = error.failure, error.outcome.sites
    root = subject.root if isinstance(subject, SourceSubject) else Path.cwd()
    places = Places(root, sites)
    call = failure.calls[-1] if failure.calls else None
    got, expected = got_and_expected(failure)
    built = bool(failure.trace.calls)
    site = sites.get(call.path) if call and call.module else None
    frame = _frame(error) or site or _edited(error)
    not_built: Literal["import", "construction"] = (
        "import" if caught.phase == "import" else "construction"
    )
    return Fault(
        path=call.path if call else "",
        type=call.type if call else failure.trace.model,
        config=settings_of(call) if call else "",
        what=_what(failure) if built else not_built,
        headline=_headline(failure, caught),
        source=places.of_module(call) if built else places.of_failure(failure),
        called_from=places.of_failure(failure) if built else None,
        place=places.exact(frame, error.outcome.texts) if frame else None,
        exception=failure.error,
        got=got,
        expected=expected,
        explanation=_explained(error, places, caught),
        fixes=tuple(
            fix
            for change, outcome in error.fixes
            if _keeps_batch(outcome, subject)
            and (fix := _fix(change, outcome, error, subject, places)) is not None
        ),
    )


def _explained(error: Found, places: Places, caught: ModelError) -> tuple[str, ...]:
    is_syntax = isinstance(caught.__cause__, SyntaxError)  # whose text is the headline
    lines = [] if is_syntax else list(explanation(error.failure, places, error.outcome))
    raised = error.outcome.raised
    if raised is None or not raised.near or len(caught.advice) > 1:
        lines += caught.advice
    return tuple(lines)


def _headline(failure: Failure, caught: ModelError) -> str:
    """That of the caught error for a model that was not built, or for one nested too deep."""
    if About.RECURSION in failure.about and failure.calls:
        return f"the recursion limit is reached at {name_of(failure.calls[-1])}"
    if failure.trace.calls or caught.phase not in ("import", "construction"):
        return ""
    cause = caught.__cause__
    return f"{failure.error}: {cause.msg}" if isinstance(cause, SyntaxError) else caught.message


def _frame(error: Found) -> Frame | None:
    """The innermost place in the user's files, else in any source of the model."""
    raised = error.outcome.raised
    if raised is not None and raised.frame is not None:
        return raised.frame
    return error.failure.frames[-1] if error.failure.frames else None


def _edited(error: Found) -> Frame | None:
    """The place that the first fix changes, for an exception that passed no line of the model."""
    for change, _ in error.fixes[:1]:
        for replacement in change.replacements[:1]:
            s = replacement.span
            return Frame(s.file, "", s.line, s.column, s.end_line, s.end_column)
    return None


def _what(failure: Failure) -> Literal["shapes", "dtypes", "model"]:
    """Decided from the operands where a layer raises the exception itself."""
    kind = mismatch_of(failure).kind
    if kind == "dtype":
        return "dtypes"
    call = failure.calls[-1] if failure.calls else None
    if failure.op is None and call is not None and call.module is not None and not call.inputs:
        return "model"  # it got no tensor
    return "shapes" if failure.what == "model" and kind != "other" else failure.what


def _keeps_batch(outcome: Outcome, subject: Subject) -> bool:
    """Whether a batch of the user's data has an output for each example."""
    if subject.loaded.data is None:
        return True
    examples = as_shapes(subject.inputs)[0].shape[0]
    return all(shape[:1] == (examples,) for shape in outcome.output[:1])


def _fix(
    change: Change, outcome: Outcome, error: Found, subject: Subject, places: Places
) -> Fix | None:
    before = subject.inputs if error.before.inputs is None else error.before.inputs
    inputs = as_shapes(before)
    texts = error.outcome.texts
    words = wording(change, texts, places, inputs, subject)
    if not words:
        return None
    first, *others = words
    edits = line_edits(texts, change.with_texts_replaced(texts).texts)
    also = tuple(Edit(*other) for other in others)
    return Fix(*first, True, outcome.output, also, edits)


_OF_SIZES = {"AssertionError", "ValueError", "RuntimeError", "IndexError", "TypeError"}
"""The exceptions that a model raises for a shape that it does not take."""


def unbuilt(
    spec: str, inputs: tuple[Any, ...], named: dict[str, Any], arguments: dict[str, Any]
) -> Loaded:
    """A user-defined model whose constructor fails: an empty module in its place."""
    return Loaded(spec, "python", nn.Module(), copies_of(nn.Module()), inputs, named, arguments,
                  written=spec)  # fmt: skip


def is_diagnosed(error: ModelError) -> bool:
    """Whether it is the run of the model that failed, rather than a lane or the backward pass."""
    is_of_run = error.failure is not None and not isinstance(error, LaneError)
    return is_of_run and error.phase != "forward with gradients"


def with_diagnosis(error: ModelError, diagnosis: Diagnosis) -> ModelError:
    """The error with the diagnosis attached and its report as the message."""
    problems = [problem_of(fault) for fault in diagnosis.errors]
    (headline, *lines), *others = [[p.headline, *plain_lines(p)] for p in problems]
    is_about_sizes = diagnosis.errors[0].what in ("shapes", "dtypes") or (
        diagnosis.errors[0].exception in _OF_SIZES and bool(diagnosis.errors[0].fixes)
    )
    kind = ShapeError if isinstance(error, ShapeError) or is_about_sizes else ModelError
    described = kind(headline, *lines, *error.context, hint=error.hint)
    described.context = error.context
    described.phase, described.unfit = error.phase, error.unfit
    described.diagnosis, described.failure = diagnosis, error.failure
    described.further = tuple("\n  ".join(lines) for lines in others)
    return described
