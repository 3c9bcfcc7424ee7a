"""From a model to its findings: every selected rule on its runs, folded and with their places."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ..analysis.results import Model, Tool
from ..choices import SEVERITIES, Loss, Severity
from ..models.loaded import Loaded, Recorded
from ..models.model_inputs import described_inputs
from .folding import Group, groups
from .places import Places, source_at
from .registry import Hit, Rule
from .results import Finding, Lint, Linted, Repair, Undecided
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
    first = group.hits[0]
    created = places.created(first.path)
    called = places.called(first.path, first.call)
    shown = first.place or (created if first.at == "created" else None)
    if shown is None and called:
        shown, called = called[-1], called[:-1]
    if shown is not None and not places.is_known(shown.file):
        shown = None
    call_site = next((f for f in reversed(called) if shown and f.line != shown.line), None)
    from_place = source_at(call_site) if call_site else None
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
        called_from=f"{from_place.file}:{from_place.line}" if from_place else None,
        remarks=first.remarks,
        fix=Repair(first.fix.text, verified=False) if first.fix else None,
        identity=_identity(group),
    )


def _identity(group: Group) -> str:
    """A fingerprint of rule, class, attribute and kind of message: no line, no figure."""
    parts = (group.rule.code, group.owner_class, group.attribute, group.hits[0].message)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def _order(finding: Finding) -> tuple[object, ...]:
    source = finding.source
    place = (source.file, source.line) if source else ("", 0)
    return (SEVERITIES.index(finding.severity), *place, finding.code)
