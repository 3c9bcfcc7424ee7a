"""The search for edits with which a model runs: what is proposed is carried out."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from math import inf

from ..inputs import InputSpec
from ..trace.records import Failure
from .changes import Change, Proposal
from .input_proposals import input_proposals
from .literals import Span
from .setting_proposals import setting_proposals
from .subjects import Outcome, Subject, Written
from .text_proposals import text_proposals, whole_arguments
from .wording import constant_arguments

_FIXES = 3  # shown for one error
_TRIALS = 60  # runs for one error
_SECONDS = 6.0  # of the processor's time, for all of a diagnosis
_ERRORS = 8
_MUCH_ODDER = 2.5  # than the best fix: not worth showing
_BRANCHES = 2  # assumptions that are followed for one error


@dataclass(frozen=True)
class Found:
    """One failure on the way, in the state `before`; `fixes` are changes and how the run ended."""

    before: Change
    seen: Outcome
    fixes: tuple[tuple[Change, Outcome], ...]

    @property
    def failure(self) -> Failure:
        assert self.seen.failure is not None
        return self.seen.failure


class Search:
    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.until = time.process_time() + _SECONDS

    def errors(self, before: Change, seen: Outcome, depth: int = 0) -> tuple[list[Found], bool]:
        """The errors from this state on, and whether all are mended in the end."""
        verified, further = self._tried(before, seen)
        if verified:
            return [Found(before, seen, tuple(verified))], True
        if depth < _ERRORS:
            for proposal, _ in further[:_BRANCHES]:
                after = before.and_then(proposal.change).made(seen.texts)
                next_seen = self.subject.run(after, watched=True)
                if next_seen.failure is None:
                    continue
                errors, mended = self.errors(after, next_seen, depth + 1)
                if mended and _of_inputs_alone([(proposal.change, seen), *errors[0].fixes[:1]]):
                    # one input after another, each a whole one: the last does for all
                    fixes = [fix for fix in errors[0].fixes if fix[0].inputs is not None]
                    return [Found(before, seen, tuple(fixes)), *errors[1:]], True
                if mended:
                    assumed = (proposal.change, errors[-1].fixes[0][1])
                    return [Found(before, seen, (assumed,)), *errors], True
        return [Found(before, seen, ())], False

    def _tried(
        self, before: Change, seen: Outcome
    ) -> tuple[list[tuple[Change, Outcome]], list[tuple[Proposal, Outcome]]]:
        """The proposals that mend everything, and those that come further, the best first."""
        assert seen.failure is not None
        verified: list[tuple[Change, Outcome]] = []
        further: list[tuple[Proposal, Outcome]] = []
        mended: set[object] = set()
        tried_text = tried_inputs = 0
        best = inf
        for proposal in self._proposals(before, seen):
            of_input = proposal.change.inputs is not None
            subject = "input" if of_input else _about(proposal.change)
            full = len(mended - {"input"}) >= _FIXES - ("input" in mended)
            if subject in mended or (full and not of_input):
                continue
            tried_text += not of_input
            tried_inputs += of_input
            if (tried_inputs if of_input else tried_text) > _TRIALS:
                continue
            if time.process_time() > self.until or (
                verified and proposal.cost > best + _MUCH_ODDER
            ):
                break
            outcome = self.subject.run(before.and_then(proposal.change))
            if outcome.failure is None:
                verified.append((proposal.change, outcome))
                best = min(best, proposal.cost)
                mended.add(subject)
            elif outcome.failure.progress > seen.failure.progress:
                further.append((proposal, outcome))
        further.sort(key=_reach)
        return verified[:_FIXES], further

    def _proposals(self, before: Change, seen: Outcome) -> list[Proposal]:
        failure = seen.failure
        assert failure is not None
        found: list[Proposal] = []
        if isinstance(self.subject, Written):
            constants = {
                inner: outer
                for file, text in seen.texts.items()
                for inner, outer in constant_arguments(text, file).items()
            }
            found += whole_arguments(failure, constants)
            found += [
                proposal for proposal in text_proposals(failure, seen.sizes)
                if not _is_of_a_whole(proposal.change, constants)
            ]  # fmt: skip
        elif self.subject.adjustable:
            found += setting_proposals(failure)
        inputs = self.subject.inputs if before.inputs is None else before.inputs
        if all(isinstance(value, InputSpec) for value in inputs):
            found += input_proposals(failure, inputs)
        return sorted(found, key=lambda proposal: proposal.cost)


def _is_of_a_whole(change: Change, constants: Mapping[Span, Span]) -> bool:
    """Whether several numbers of one constant argument change, which is told as a whole."""
    return len(change.replacements) > 1 and all(r.span in constants for r in change.replacements)


def _of_inputs_alone(fixes: list[tuple[Change, Outcome]]) -> bool:
    return all(change.inputs is not None for change, _ in fixes)


def _about(change: Change) -> object:
    """What a change changes: of several values for one thing the best is enough."""
    if change.replacements:
        return change.replacements[0].span
    return tuple(change.arguments) or tuple(change.settings)


def _reach(found: tuple[Proposal, Outcome]) -> tuple[float, float]:
    proposal, outcome = found
    assert outcome.failure is not None
    calls, ops = outcome.failure.progress
    return -(calls * 1_000_000 + ops), proposal.cost
