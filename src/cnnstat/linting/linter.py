"""From a model to its findings: every selected rule on its runs, folded and with their places."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ..analysis.results import Model, Tool
from ..choices import SEVERITIES, Loss, Severity
from ..models.loaded import Loaded, Recorded
from ..models.model_inputs import described_inputs
from ..trace.records import Frame
from .folding import Group, groups
from .places import Places, source_at
from .registry import Hit, Rule
from .results import Finding, Lint, Linted, Undecided
from .rules import RULES
from .runs import NotRun, Runs


@dataclass(frozen=True)
class LintConfig:
    """Which rules are checked, and what is known of the model's use.

    Attributes:
        select, ignore: prefixes of codes; the longest that fits a code decides.
        severity: other severities, by code.
        loss: of the training; None if unknown.
        batch_axis: of the inputs; None if they have none.
    """

    select: tuple[str, ...] = ("CN",)
    ignore: tuple[str, ...] = ()
    severity: Mapping[str, Severity] = field(default_factory=dict)
    loss: Loss | None = None
    batch_axis: int | None = 0

    @property
    def rules(self) -> list[Rule]:
        """The rules to check, by code."""
        return [rule for _, rule in sorted(RULES.items()) if self._is_on(rule)]

    def _is_on(self, rule: Rule) -> bool:
        on = _longest(self.select, rule.code)
        off = _longest(self.ignore, rule.code)
        if rule.is_optional:
            return rule.code in self.select and off < len(rule.code)
        return on > off


def _longest(prefixes: Sequence[str], code: str) -> int:
    """The length of the longest of the prefixes that a code has, -1 without one."""
    return max((len(p) for p in prefixes if code.startswith(p)), default=-1)


def lint_loaded(loaded: Loaded | Recorded, config: LintConfig, model: Model, tool: Tool) -> Lint:
    """Check a model.

    Raises:
        ModelError: it does not run in eval mode.
    """
    runs = Runs(loaded, loss=config.loss, batch_axis=config.batch_axis)
    runs.require_eval()
    found: list[Group] = []
    undecided: list[Undecided] = []
    for rule in config.rules:
        hits: list[Hit] = []
        try:
            hits.extend(rule.check(runs))
        except NotRun as error:
            reason = f"{error.run}: {error.reason}"
            undecided.append(Undecided(model.spec, rule.code, reason))
        found += groups(rule, hits, runs.modules, runs.eval.model, config.severity.get(rule.code))
    places = Places(loaded)
    findings = [_finding(group, places, model.spec) for group in found]
    findings.sort(key=_order)
    inputs = described_inputs(loaded) if isinstance(loaded, Loaded) else ()
    linted = Linted(model=model, inputs=inputs, lane=runs.eval.lane)
    return Lint(
        tool=tool, models=(linted,), findings=tuple(findings), undecided=tuple(undecided),
        rules=tuple(rule.code for rule in config.rules),
    )  # fmt: skip


def _finding(group: Group, places: Places, spec: str) -> Finding:
    shown, call_site = _shown(group, places)
    return Finding(
        code=group.rule.code,
        name=group.rule.name,
        severity=group.severity,
        message=group.text,
        model=spec,
        paths=group.paths,
        class_name=group.owner_class,
        attribute=group.attribute,
        params=group.params,
        macs=group.macs,
        source=source_at(shown) if shown else None,
        called_from=_line(call_site) if call_site else None,
        remarks=group.hits[0].remarks,
        fix=None,
        identity=_identity(group),
    )


def _shown(group: Group, places: Places) -> tuple[Frame | None, Frame | None]:
    """The place to show, and where it is called from if that is another line."""
    hit = group.hits[0]
    called = places.called(hit.path, hit.call)
    if hit.place is not None and places.is_known(hit.place.file):
        return hit.place, None
    if hit.at == "called" and called:
        return called[0], next((f for f in called[1:] if f.line != called[0].line), None)
    return _creation(group, places), called[0] if called else None


def _creation(group: Group, places: Places) -> Frame | None:
    """Where the layer is created: the line in the class that has it, or the innermost one."""
    created = places.created(group.hits[0].path)
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


def _identity(group: Group) -> str:
    """A fingerprint of rule, class, attribute and kind of message: no line, no figure."""
    parts = (group.rule.code, group.owner_class, group.attribute, group.hits[0].message)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def _order(finding: Finding) -> tuple[object, ...]:
    source = finding.source
    place = (source.file, source.line) if source else ("", 0)
    return (SEVERITIES.index(finding.severity), *place, finding.code)
