"""Hits of one rule, class and attribute become one finding, and their paths one text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from string import Formatter

from ..choices import Severity
from ..trace.records import Module
from .registry import Edit, Hit, Rule

_LISTED = 3  # paths that are named before …


@dataclass(frozen=True)
class Group:
    """Hits that are one finding; the owner is the class of the user's whose attribute it is."""

    rule: Rule
    severity: Severity
    owner: str
    owner_class: str
    attribute: str
    hits: tuple[Hit, ...]

    @property
    def paths(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(hit.path for hit in self.hits))

    @property
    def edits(self) -> list[Edit]:
        """What would mend each of the hits."""
        return [hit.fix for hit in self.hits if hit.fix is not None]

    @property
    def where(self) -> str:
        """The paths as text, empty if the message names them."""
        fields = {name for _, name, _, _ in Formatter().parse(self.hits[0].message)}
        return "" if "at" in fields else folded(self.paths)

    @property
    def params(self) -> int:
        return sum(hit.params for hit in self.hits)

    @property
    def macs(self) -> int:
        return sum(hit.macs for hit in self.hits)

    @property
    def text(self) -> str:
        """The message of all hits together."""
        first = self.hits[0]
        fields = {
            "at": folded(self.paths) or self.owner_class, "n": f"{len(self.paths):,}",
            "params": f"{self.params:,}", "macs": f"{self.macs:,}",
        }  # fmt: skip
        return first.message.format(**{**fields, **first.values})


def groups(
    rule: Rule,
    hits: Iterable[Hit],
    modules: Mapping[str, Module],
    model: str,
    severity: Severity | None = None,
) -> list[Group]:
    """The hits of one rule by class and attribute; `severity` is that of the user's settings."""
    found: dict[tuple[str, ...], list[Hit]] = {}
    owners: dict[tuple[str, ...], str] = {}
    for hit in hits:
        owner, attribute = owner_of(hit.path, modules)
        level = severity or hit.severity or rule.severity
        class_name = modules[owner].type if owner in modules else model
        key = (level, class_name, hit.attribute or attribute, hit.message)
        found.setdefault(key, []).append(hit)
        owners.setdefault(key, owner)
    return [
        Group(rule, hits[0].severity or rule.severity if severity is None else severity,
              owners[key], key[1], key[2], tuple(hits))
        for key, hits in found.items()
    ]  # fmt: skip


def owner_of(path: str, modules: Mapping[str, Module]) -> tuple[str, str]:
    """The path of the nearest module around `path` that is no class of torch's, and the attribute
    of it that contains `path`.

    A Sequential and a ModuleList belong to the class that creates them.
    """
    parts = path.split(".") if path else []
    for length in range(len(parts) - 1, -1, -1):
        around = ".".join(parts[:length])
        if not length or (around in modules and not modules[around].library):
            return around, parts[length] if parts else ""
    return "", ""


def folded(paths: Sequence[str]) -> str:
    """`blocks.*.conv1 ×16`, or the first paths by name."""
    if len(paths) <= _LISTED:
        return ", ".join(paths)
    pattern = _pattern(paths)
    return f"{pattern or ', '.join(paths[:_LISTED]) + ', …'} ×{len(paths)}"


def _pattern(paths: Sequence[str]) -> str | None:
    """The paths with * for the numbers in which they differ; None if they differ in more."""
    columns = list(zip(*(path.split(".") for path in paths), strict=False))
    if {path.count(".") for path in paths} != {len(columns) - 1}:
        return None
    parts = []
    for names in columns:
        shapes = {re.sub(r"\d+", "*", name) for name in names}
        if len(shapes) > 1:
            return None
        parts.append(names[0] if len(set(names)) == 1 else shapes.pop())
    return ".".join(parts)
