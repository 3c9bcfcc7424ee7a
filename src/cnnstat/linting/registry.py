"""The table of rules, by code, and what a rule yields."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from ..choices import Severity
from ..trace.records import Frame

if TYPE_CHECKING:
    from ..diagnosis.changes import Change
    from .places import Places
    from .runs import Runs


@dataclass(frozen=True, kw_only=True)
class Page:
    """The documentation of a rule, in Markdown.

    Attributes:
        what, why: one paragraph each.
        fires, quiet: Python files with a class `Net` and, if its first layer does not imply it, an
            `example_input`. The rule finds something in the first and nothing in the second.
        decided: how: from which run, by which test.
        wrong: when a finding is no mistake.
    """

    what: str
    why: str
    fires: str
    quiet: str
    decided: str
    wrong: str


Plan = Callable[["Places", Set[str]], "Change | None"]
"""A change that needs places of the source, and the paths of all findings of its rule; None where
there is none.
"""


@dataclass(frozen=True, kw_only=True)
class Edit:
    """What would mend it, and how that changes the source, if it is known (`edits/`)."""

    text: str
    plan: Plan | None = None


@dataclass(frozen=True, kw_only=True)
class Hit:
    """One place at which a rule fires. Hits of one rule, class and attribute become one finding.

    Attributes:
        path: of the layer or call, as in the layer table.
        message: one line; a template with the fields {at} (the paths, folded), {params} and {macs}
            (sums over all hits), {n} (the number of paths) and those of `values`.
        values: from the first hit.
        params, macs: at stake here.
        at: the source to show: the line of its class that creates the layer, the innermost call
            that does, whose arguments the finding is about, or the line that calls it.
        call: the number of the call of `path`.
        place: the source to show, where it is neither.
        remarks: further lines.
        attribute: what the finding is about, in the class around `path`; by default from `path`.
        severity: where it differs from the rule's.
    """

    path: str
    message: str
    values: Mapping[str, object] = field(default_factory=dict)
    params: int = 0
    macs: int = 0
    at: Literal["created", "arguments", "called"] = "created"
    call: int = 0
    place: Frame | None = None
    remarks: tuple[str, ...] = ()
    attribute: str = ""
    severity: Severity | None = None
    fix: Edit | None = None


Check = Callable[["Runs"], Iterator[Hit]]


@dataclass(frozen=True, kw_only=True)
class Rule:
    """`is_optional`: on only if its full code is selected, or, `about_loss`, if that is named."""

    code: str
    name: str
    severity: Severity
    page: Page
    check: Check
    is_optional: bool = False
    about_loss: bool = False


RULES: dict[str, Rule] = {}


def rule(
    code: str,
    name: str,
    severity: Severity,
    page: Page,
    *,
    optional: bool = False,
    about_loss: bool = False,
) -> Callable[[Check], Check]:
    """Register the decorated function: from the runs of a model to the places of a mistake.

    Raises:
        ValueError: the code or the name is registered already.
    """

    def register(check: Check) -> Check:
        if code in RULES or any(known.name == name for known in RULES.values()):
            raise ValueError(f"{code} {name} is registered twice")
        RULES[code] = Rule(
            code=code,
            name=name,
            severity=severity,
            page=page,
            check=check,
            is_optional=optional,
            about_loss=about_loss,
        )
        return check

    return register
