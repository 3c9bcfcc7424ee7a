"""The search for edits with which a model runs: each proposal is carried out."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from math import inf
from operator import itemgetter
from typing import Any

from ..fast_meta import gc_paused
from ..inputs import InputSpec
from ..operators.registry import Trait, traits_of
from ..trace.records import Failure, Trace
from .changes import Change, Proposal, Situation, as_shapes
from .edits import proposals_for
from .edits.other_inputs import usual_inputs
from .effects import effects_of, uses_sides
from .literals import plain
from .outcomes import Outcome
from .provenance import LAYOUT_CALLS
from .ranking import CHOSEN_SIZES, WINDOW_SETTINGS
from .source_subject import SourceSubject
from .source_text import Replacement, place_before, redundancy
from .subjects import Subject
from .weights import ALTERNATIVE, EFFECT, MISLEADING, Prior, total

_FIXES = 3  # shown for one error
_TRIALS = 60  # runs for one error
_SECONDS = 1.5  # of the processor's time in this thread, for all of a diagnosis
_SECONDS_OF_INPUTS = 0.5  # more, where nothing else was found
_ERRORS = 4
_WORTH_SHOWING = 2.5  # bits more than the best fix, at most
_PLACES = 3  # of the source that one fix changes
_BRANCHES = 2  # assumptions that are followed for one error

Fixed = tuple[Change, Outcome]
"""A change and how the run with it ended."""


@dataclass(frozen=True)
class Found:
    """One error: the changes assumed `before`, the failing run, and the fixes."""

    before: Change
    outcome: Outcome
    fixes: tuple[Fixed, ...]

    @property
    def failure(self) -> Failure:
        assert self.outcome.failure is not None
        return self.outcome.failure


class Search:
    """A depth-first search over errors.

    A change that makes the model run to its end is a fix. Where none does, the change that lets the
    run come furthest is assumed, and the search goes on from the next failure. That is another
    error of the user's if the assumed change leaves what flows out of the failed call as the source
    has it. Otherwise the change itself may have caused it: then both are one fix in several places.
    The assumption is discarded if the next failure cannot be fixed either.
    """

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.until = time.thread_time() + _SECONDS

    def errors(self, before: Change, outcome: Outcome) -> tuple[list[Found], bool]:
        """The errors from this state on, and whether all of them are fixed in the end."""
        # A collection of a large heap takes as long as the whole search, and would end it.
        with gc_paused():
            return self._errors(before, outcome, 0)

    def _errors(self, before: Change, outcome: Outcome, depth: int) -> tuple[list[Found], bool]:
        fixes, advances = self._try_all(before, outcome)
        if fixes:
            return [Found(before, outcome, tuple(fixes))], True
        if depth < _ERRORS:
            for proposal, _ in advances[:_BRANCHES]:
                errors = self._assuming(proposal.change, before, outcome, depth)
                if errors:
                    return errors, True
        fixes = [] if depth else list(islice(self._usual_inputs(before, outcome), 1))
        return [Found(before, outcome, tuple(fixes))], bool(fixes)

    def _usual_inputs(self, before: Change, outcome: Outcome) -> Iterator[Fixed]:
        """For a model that needs a much larger image: several layers fail with the next larger."""
        until = max(self.until, time.thread_time() + _SECONDS_OF_INPUTS)
        for change in usual_inputs(self._situation(before, outcome)):
            if time.thread_time() > until:
                break
            result = self.subject.run(before.and_then(change))
            if result.failure is None:
                yield change, result

    def _assuming(
        self, assumed: Change, before: Change, outcome: Outcome, depth: int
    ) -> list[Found]:
        """The errors if `assumed` is the fix of the first; none if they cannot be fixed."""
        # Later replacements refer to the text that results from this one.
        after = before.and_then(assumed).with_texts_replaced(outcome.texts)
        watched = self.subject.run(after, watched=True)
        if watched.failure is None:
            return []
        errors, all_fixed = self._errors(after, watched, depth + 1)
        if not all_fixed:
            return []
        fixes = errors[0].fixes
        if _change_inputs_only([assumed, *(fix[0] for fix in fixes[:1])]):
            # Each input replaces the one before, so the last fixes both errors.
            both = [fix for fix in fixes if fix[0].inputs is not None]
            return [Found(before, outcome, tuple(both)), *errors[1:]]
        if not _is_independent(outcome, watched):
            joined = [(change, end) for fix, end in fixes
                      if (change := together(assumed, fix, outcome.texts)) is not None]  # fmt: skip
            return [Found(before, outcome, tuple(joined))] if joined and not errors[1:] else []
        final = errors[-1].fixes[0][1]
        return [Found(before, outcome, ((assumed, final),)), *errors]

    def _try_all(
        self, before: Change, outcome: Outcome
    ) -> tuple[list[Fixed], list[tuple[Proposal, Outcome]]]:
        """The proposals that fix everything, and those with which the run comes further, the best
        first.
        """
        assert outcome.failure is not None
        fixes: list[tuple[float, Proposal, Outcome]] = []
        advances: list[tuple[Proposal, Outcome]] = []
        fixed: set[object] = set()
        effects: dict[object, int] = {}  # of an edit of a setting → its place among the fixes
        tried_texts = tried_inputs = 0
        best = inf
        for proposal in proposals_for(self._situation(before, outcome)):
            # Inputs have their own limit: the model may be right and the input wrong, so another
            # input is tried even after enough edits of the model were found.
            of_input = proposal.change.inputs is not None
            place = "input" if of_input else proposal.change.place
            is_full = len(fixed - {"input"}) >= _FIXES - ("input" in fixed)
            if place in fixed or (is_full and not of_input):
                continue
            tried_texts += not of_input
            tried_inputs += of_input
            if (tried_inputs if of_input else tried_texts) > _TRIALS:
                continue
            if time.thread_time() > self.until:
                break
            if fixes and proposal.cost > best + _WORTH_SHOWING:
                break
            result = self.subject.run(before.and_then(proposal.change))
            if result.failure is None:
                cost = proposal.cost + self._effects(before, proposal.change, outcome, result)
                key = _same_settings(proposal.change, outcome, result)
                same = effects.get(key) if key is not None else None
                if same is not None:
                    least, other, _ = fixes[same]
                    old, new = (redundancy(p.change.replacements, outcome.texts)
                                for p in (other, proposal))  # fmt: skip
                    if new < old and cost < MISLEADING:
                        fixes[same] = min(cost, least), proposal, result
                elif cost < MISLEADING:
                    effects[key] = len(fixes)
                    fixes.append((cost, proposal, result))
                    best = min(best, cost)
                    fixed.add(place)
            elif _is_progress(proposal, result.failure, outcome.failure):
                advances.append((proposal, result))
        advances.sort(key=_by_progress)
        fixes.sort(key=itemgetter(0))
        shown = [
            (proposal.change, result) for number, (cost, proposal, result) in enumerate(fixes)
            if not number or cost + total(ALTERNATIVE, proposal.features) <= best + _WORTH_SHOWING
        ]  # fmt: skip
        return shown[:_FIXES], advances

    def _effects(self, before: Change, change: Change, outcome: Outcome, result: Outcome) -> float:
        """The bits of what a fix does to the network."""
        assert outcome.failure is not None
        assert result.trace is not None
        both = before.and_then(change)
        inputs = self.subject.inputs if both.inputs is None else both.inputs

        def runs_on(others: tuple[Any, ...]) -> bool:
            return self.subject.run(both.and_then(Change(inputs=others))).failure is None

        return total(EFFECT, effects_of(change, result.trace, outcome.failure, inputs, runs_on))

    def _situation(self, before: Change, outcome: Outcome) -> Situation:
        assert outcome.failure is not None
        inputs = self.subject.inputs if before.inputs is None else before.inputs
        if outcome.failure.index is not None:
            inputs = as_shapes(inputs)  # for a shorter one; its values do not matter then
        are_shapes = all(isinstance(value, InputSpec) for value in inputs)
        of_source = isinstance(self.subject, SourceSubject)
        return Situation(
            outcome.failure,
            "source" if of_source else "layers" if self.subject.is_adjustable else "nothing",
            outcome.texts,
            outcome.sizes,
            inputs if are_shapes else (),
            outcome.scopes,
            outcome.sized,
            outcome.raised,
            self.subject.loaded.data is not None,
        )


def _is_progress(proposal: Proposal, result: Failure, before: Failure) -> bool:
    if proposal.features.prior is Prior.UNBATCHED and result.op != before.op:
        # With a batch the same call may fail for another reason, and fewer operators run before it.
        return len(result.trace.calls) >= len(before.trace.calls)
    return _comes_further(result, before) and not uses_sides(result.trace, before)


_OF_CODE = {"AttributeError", "NameError", "NotImplementedError", "TypeError"}


def _comes_further(result: Failure, before: Failure) -> bool:
    """Whether a run fails later; for errors of the code also elsewhere before the next layer.

    A call that a change inserts in front of the same failure is no progress.
    """
    if result.progress != before.progress:
        places = {(f.calls[-1].path if f.calls else "", f.reason) for f in (result, before)}
        return result.progress > before.progress and len(places) == 2
    are_of_code = {result.error, before.error} <= _OF_CODE
    return are_of_code and bool(result.frames) and result.frames[-1:] != before.frames[-1:]


def _same_settings(change: Change, outcome: Outcome, result: Outcome) -> object:
    """Equal for edits of the same lines with which layers have the same settings; None for others.

    `64` and `width`, `width` and `width * 1` are two ways to write one fix.
    """
    assert outcome.failure is not None
    if not change.replacements or result.trace is None:
        return None
    before, after = _settings(outcome.failure.trace), _settings(result.trace)
    lines = frozenset((r.span.file, r.span.line) for r in change.replacements)
    changed = [(path, after[path]) for path in after if after[path] != before.get(path)]
    return (lines, repr(changed)) if changed else None


def _settings(run: Trace) -> dict[str, dict[str, Any]]:
    return {path: {name: plain(value) for name, value in module.settings.items()}
            for path, module in run.modules.items()}  # fmt: skip


def _change_inputs_only(changes: list[Change]) -> bool:
    return all(change.inputs is not None for change in changes)


def _is_independent(before: Outcome, after: Outcome) -> bool:
    """Whether a change leaves what flows out of the failed call as the source has it.

    The size of its input may change, and how its operands come to it. Then what fails behind it is
    no consequence of the change.
    """
    failure, later = before.failure, after.failure
    assert failure is not None
    assert later is not None
    if not failure.calls:
        return True
    failed = failure.calls[-1]
    again = next((call for call in later.trace.calls
                  if (call.path, call.call) == (failed.path, failed.call)), None)  # fmt: skip
    if failed.module is None:
        # A sum has the shape of one operand, which the source chose.
        return again is not None and any(
            out.shape == x.shape for out in again.outputs for x in failed.inputs
        )
    modules = later.trace.modules
    return not any(
        plain(module.settings.get(name)) != plain(value)
        for path, old in failure.trace.modules.items()
        if (module := modules.get(path)) is not None
        for name, value in old.settings.items() if name in CHOSEN_SIZES | WINDOW_SETTINGS
    )  # fmt: skip


def together(first: Change, second: Change, texts: Mapping[str, str]) -> Change | None:
    """One change of several places; None if it is not that, or of too many.

    `second` refers to the sources with `first`, which refers to `texts`.
    """
    if len(first.replacements) + len(second.replacements) > _PLACES:
        return None
    if not first.replacements or not second.replacements:
        return None
    moved = []
    for replacement in second.replacements:
        file = replacement.span.file
        span = place_before(replacement.span, first.replacements, texts[file])
        if span is None:
            return None
        moved.append(Replacement(span, replacement.text))
    return replace(first, replacements=(*first.replacements, *moved))


def _by_progress(advance: tuple[Proposal, Outcome]) -> tuple[float, float]:
    proposal, outcome = advance
    assert outcome.failure is not None
    trace = outcome.failure.trace
    # A change of axes that an edit inserts brings the run no further.
    calls = sum(call.type not in LAYOUT_CALLS for call in trace.calls)
    ops = sum(Trait.LAYOUT not in traits_of(op.name) for op in trace.ops)
    return -(calls * 1_000_000 + ops), proposal.cost
