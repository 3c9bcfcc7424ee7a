"""The settings of `lint`: arguments, and `[tool.cnnstat.lint]` of pyproject.toml.

[tool.cnnstat.lint]
select = ["CN"]            # beginnings of codes; optional rules are named in full
ignore = ["CN301"]
fail-on = "warning"
batch-axis = 0             # or by input, {ids = 1}; false: the inputs have no batch axis

[tool.cnnstat.lint.severity]
CN401 = "warning"

[tool.cnnstat.lint.per-model-ignores]
"gan*" = ["CN502"]
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any, get_args

from ..choices import SEVERITIES, FailOn, Loss, Severity, check_choice
from ..errors import UsageError, nearest
from ..escaping import described
from ..models.model_inputs import BatchAxes
from ..models.pyproject import read_project
from .registry import Rule

_KEYS = ("select", "ignore", "fail-on", "batch-axis", "severity", "per-model-ignores")
SELF_CHECK = "CN001"
"""The rule about comments that silence nothing, which the linter checks itself."""


@dataclass(frozen=True)
class LintConfig:
    """Which rules are checked, and what is known of the model's use.

    Attributes:
        select, ignore: beginnings of codes; the longest that fits a code decides.
        severity: other severities, by code.
        loss: of the training; None if unknown.
        batch_axis: of the inputs, or by their names; None if they have none.
        fail_on: from which severity on findings are a failure.
        model_ignores: further beginnings of codes to ignore, by patterns of model names.
    """

    select: tuple[str, ...] = ("CN",)
    ignore: tuple[str, ...] = ()
    severity: Mapping[str, Severity] = field(default_factory=dict)
    loss: Loss | None = None
    batch_axis: BatchAxes | None = 0
    fail_on: FailOn = "warning"
    model_ignores: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def for_model(self, spec: str) -> LintConfig:
        """With the rules ignored that the settings name for a model."""
        further = [
            code for pattern, codes in self.model_ignores.items() if fnmatchcase(spec, pattern)
            for code in codes
        ]  # fmt: skip
        return replace(self, ignore=(*self.ignore, *further))

    def chosen(self, rules: Mapping[str, Rule]) -> list[Rule]:
        """The rules to check, by code.

        Raises:
            UsageError: a code fits no rule.
        """
        for code in (*self.select, *self.ignore, *self.severity):
            if not any(known.startswith(code) for known in rules):
                raise UsageError(
                    f"no rule has a code that begins with {code!r}",
                    *filter(None, [nearest(code, rules)]), hint="cnnstat lint --explain CN101",
                )  # fmt: skip
        return [rule for _, rule in sorted(rules.items()) if self._is_on(rule)]

    def _is_on(self, rule: Rule) -> bool:
        on, off = _longest(self.select, rule.code), _longest(self.ignore, rule.code)
        by_loss = rule.about_loss and self.loss is not None
        if rule.is_optional and not by_loss and rule.code not in self.select:
            return False
        return on > off


def _longest(prefixes: Sequence[str], code: str) -> int:
    """The length of the longest of the prefixes that a code has, -1 without one."""
    return max((len(p) for p in prefixes if code.startswith(p)), default=-1)


def config_of(
    select: str | Sequence[str] | None = None,
    ignore: str | Sequence[str] = (),
    loss: Loss | None = None,
) -> LintConfig:
    """The settings of pyproject.toml, with the arguments that a caller passes.

    Codes are in a sequence, or in one text with commas between them.

    Raises:
        UsageError: a setting is unknown or malformed.
    """
    check_choice("loss", loss, (None, *get_args(Loss)))
    config = _settings()
    return replace(
        config, select=config.select if select is None else _separated(select),
        ignore=(*config.ignore, *_separated(ignore)), loss=loss,
    )  # fmt: skip


def _separated(codes: str | Sequence[str]) -> tuple[str, ...]:
    several = codes.split(",") if isinstance(codes, str) else codes
    return tuple(code.strip() for code in several)


def _settings() -> LintConfig:
    project = read_project()
    table, place = project.lint, f"{project.place}.lint"
    for key in table:
        if key not in _KEYS:
            close = nearest(key, _KEYS) or f"known: {', '.join(_KEYS)}"
            raise UsageError(f"{place} has no key {key!r}", close)
    axis = table.get("batch-axis", 0)
    values = axis.values() if isinstance(axis, dict) else [0 if axis is False else axis]
    for value in values:
        if type(value) is not int or value < 0:
            raise UsageError(
                f"{place}.batch-axis is {described(axis)}",
                "expected 0, another axis, one for each input as in {ids = 1}, or false",
            )
    severity = _table(table.get("severity", {}), f"{place}.severity")
    for code, level in severity.items():
        _check_level(level, SEVERITIES, f"{place}.severity.{code}")
    fail_on = table.get("fail-on", "warning")
    _check_level(fail_on, (*SEVERITIES, "never"), f"{place}.fail-on")
    ignores = _table(table.get("per-model-ignores", {}), f"{place}.per-model-ignores")
    return LintConfig(
        select=_codes(table.get("select", ["CN"]), f"{place}.select"),
        ignore=_codes(table.get("ignore", []), f"{place}.ignore"),
        severity=severity,
        batch_axis=None if axis is False else axis,
        fail_on=fail_on,
        model_ignores={
            pattern: _codes(codes, f"{place}.per-model-ignores.{pattern}")
            for pattern, codes in ignores.items()
        },
    )


def _check_level(value: Any, known: Iterable[str], place: str) -> None:
    if value not in tuple(known):
        raise UsageError(f"{place} is {described(value)}", f"expected {', '.join(known)}")


def _codes(value: Any, place: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(code, str) and code for code in value):
        raise UsageError(f"{place} is {described(value)}", 'expected a list of codes: ["CN301"]')
    return tuple(value)


def _table(value: Any, place: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise UsageError(f"{place} is {described(value)}", "expected a table")
    return value
