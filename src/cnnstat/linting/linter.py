"""From a model to its findings: every selected rule on its runs, folded and with their places."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from textwrap import shorten

from msgspec import structs

from ..analysis.results import Model, Tool
from ..choices import SEVERITIES
from ..models.loaded import Loaded, Recorded
from ..models.model_inputs import described_inputs
from ..trace.records import Frame
from .edits.statements import without_codes
from .fixes import fixes_of
from .folding import Group, groups
from .places import Places, source_at
from .registry import Edit, Hit
from .results import Finding, Lint, Linted, Repair, Undecided
from .rules import RULES
from .runs import NotRun, Runs
from .settings import SELF_CHECK, LintConfig
from .silencing import Comment, comments_in

_LONGEST_REASON = 120  # characters


def lint_loaded(loaded: Loaded | Recorded, config: LintConfig, model: Model, tool: Tool) -> Lint:
    """Check a model.

    Raises:
        UsageError: a code of the settings fits no rule.
        ModelError: the model does not run in eval mode.
    """
    config = config.for_model(model.spec)
    rules = config.chosen(RULES)
    runs = Runs(loaded, loss=config.loss, batch_axis=config.batch_axis)
    runs.require_eval()
    found: list[Group] = []
    undecided: list[Undecided] = []
    for rule in rules:
        hits: list[Hit] = []
        try:
            hits.extend(rule.check(runs))
        except NotRun as error:
            reason = shorten(f"{error.run}: {error.reason}", _LONGEST_REASON, placeholder="…")
            undecided.append(Undecided(model.spec, rule.code, reason))
        found += groups(rule, hits, runs.modules, runs.eval.model, config.severity.get(rule.code))
    places = Places(loaded)
    comments = comments_in(places.files)
    shown = [group for group in found if not _is_silenced(group, comments, places)]
    ignored = len(found) - len(shown)
    if any(rule.code == SELF_CHECK for rule in rules):
        decided = {rule.code for rule in rules} - {item.code for item in undecided}
        shown += groups(
            RULES[SELF_CHECK], _unused(comments, decided), runs.modules, runs.eval.model,
            config.severity.get(SELF_CHECK),
        )  # fmt: skip
    fixes = fixes_of(shown, places, loaded, config)
    findings = [
        _finding(group, places, model.spec, fixes.repairs.get(number))
        for number, group in enumerate(shown)
    ]
    findings.sort(key=_order)
    inputs = described_inputs(loaded) if isinstance(loaded, Loaded) else ()
    linted = Linted(model=model, inputs=inputs, lane=runs.eval.lane)
    return Lint(
        tool=tool, models=(linted,), findings=tuple(findings), undecided=tuple(undecided),
        rules=tuple(rule.code for rule in rules), ignored=ignored, edits=fixes.together,
    )  # fmt: skip


def without_known(lint: Lint, baseline: Lint) -> Lint:
    """Without the findings of an earlier lint: as many of each identity as it has."""
    left = [finding.identity for finding in baseline.findings]
    new = []
    for finding in lint.findings:
        if finding.identity in left:
            left.remove(finding.identity)
        else:
            new.append(finding)
    known = len(lint.findings) - len(new)
    return structs.replace(lint, findings=tuple(new), known=known)


def _finding(group: Group, places: Places, spec: str, repair: Repair | None) -> Finding:
    shown, call_site = _shown(group, places)
    return Finding(
        code=group.rule.code,
        name=group.rule.name,
        severity=group.severity,
        message=group.text,
        model=spec,
        paths=group.paths,
        where=group.where,
        class_name=group.owner_class,
        attribute=group.attribute,
        params=group.params,
        macs=group.macs,
        source=source_at(shown) if shown else None,
        called_from=_line(call_site) if call_site else None,
        remarks=group.hits[0].remarks,
        fix=repair,
        identity=_identity(group),
    )


def _shown(group: Group, places: Places) -> tuple[Frame | None, Frame | None]:
    """The place to show, and where it is called from if that is another line."""
    hit = group.hits[0]
    if hit.place is not None and places.is_known(hit.place.file):
        return hit.place, None
    called = places.called(hit.path, hit.call)
    if hit.at == "called" and called and not places.is_called_by_library(hit.path):
        return called[0], next((f for f in called[1:] if f.line != called[0].line), None)
    return _creation(group, places), called[0] if called else None


def _creation(group: Group, places: Places) -> Frame | None:
    """Where the layer is created: see `Hit.at`."""
    hit = group.hits[0]
    created = places.created(hit.path)
    if hit.at == "arguments" and created:
        return created[0]
    assigned = places.assigned(group.owner, group.attribute)
    line = places.class_line(group.owner)
    if created and line is not None:
        within = [f for f in created if f.file == line.file and f.function == "__init__"]
        if created[0] not in within and assigned is not None:
            return assigned
        return (within or created)[0]
    return assigned or (created[0] if created else None) or line


def _line(frame: Frame) -> str:
    source = source_at(frame)
    return f"{source.file}:{source.line}"


def _is_silenced(group: Group, comments: Sequence[Comment], places: Places) -> bool:
    """Whether a comment silences a finding; every one that does is used."""
    if not comments:
        return False
    frames = list(_silencing_frames(group, places))
    silencing = [comment for comment in comments if comment.silences(group.rule.code, frames)]
    return bool(silencing)


def _silencing_frames(group: Group, places: Places) -> Iterator[Frame]:
    """The places at which a comment silences a finding."""
    for hit in group.hits:
        yield from places.created(hit.path)
        yield from places.called(hit.path, hit.call)
        if hit.place is not None:
            yield hit.place
    for frame in (places.assigned(group.owner, group.attribute), places.class_line(group.owner)):
        if frame is not None:
            yield frame


def _unused(comments: Sequence[Comment], decided: set[str]) -> Iterator[Hit]:
    for comment in comments:
        unused = [
            code for code in comment.codes
            if code not in comment.used and not _is_open(code, decided)
        ]  # fmt: skip
        left = [code for code in comment.codes if code not in unused]
        if unused or not comment.codes:
            yield Hit(
                path="",
                message="the comment silences no finding of {codes}"
                if comment.codes
                else "the comment names no rule, and silences none",
                values={"codes": ", ".join(unused)},
                place=comment.frame,
                fix=Edit(
                    text="remove the comment" if not left else f"ignore[{', '.join(left)}]",
                    plan=without_codes(comment.frame, left),
                ),
                attribute=f"{comment.frame.file}:{', '.join(comment.codes)}",
            )


def _is_open(code: str, decided: set[str]) -> bool:
    """Whether a rule that a code names was not checked, or could not be decided."""
    named = {known for known in RULES if known.startswith(code)}
    return bool(named - decided)


def _identity(group: Group) -> str:
    """A fingerprint of rule, class, attribute and kind of message: no line, no figure."""
    parts = (group.rule.code, group.owner_class, group.attribute, group.hits[0].message)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def _order(finding: Finding) -> tuple[object, ...]:
    source = finding.source
    place = (source.file, source.line) if source else ("", 0)
    return (SEVERITIES.index(finding.severity), *place, finding.code)
