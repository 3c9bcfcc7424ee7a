"""Changes to what is analysed: to its source text, its arguments, its inputs or its modules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .rewriting import Replacement, replaced


@dataclass(frozen=True)
class Change:
    """What is done differently in one run.

    `texts` are whole files in the place of those on disk, `replacements` pieces of these.
    `arguments` are of the model's factory. `inputs` stand in for the positional inputs.
    `settings` are constructor arguments of modules, by path and name, for a model that has no
    source at hand.
    """

    texts: Mapping[str, str] = field(default_factory=dict)
    replacements: tuple[Replacement, ...] = ()
    arguments: Mapping[str, Any] = field(default_factory=dict)
    inputs: tuple[Any, ...] | None = None
    settings: Mapping[tuple[str, str], Any] = field(default_factory=dict)

    def and_then(self, other: Change) -> Change:
        """Both: `other`, in a run that has this one made."""
        return Change(
            self.texts,
            (*self.replacements, *other.replacements),
            {**self.arguments, **other.arguments},
            self.inputs if other.inputs is None else other.inputs,
            {**self.settings, **other.settings},
        )

    def made(self, texts: Mapping[str, str]) -> Change:
        """The same with the replacements made in `texts`, which other ones can then refer to."""
        changed = dict(self.texts)
        for file in {replacement.span.file for replacement in self.replacements}:
            here = [r for r in self.replacements if r.span.file == file]
            changed[file] = replaced(texts[file], here)
        return Change(changed, (), self.arguments, self.inputs, self.settings)


NO_CHANGE = Change()


@dataclass(frozen=True)
class Proposal:
    """A change that may mend a failure; those with the least `cost` are tried first.

    `fits`: whether it gets past the failure as far as sizes tell, None where they do not.
    """

    change: Change
    cost: float
    fits: bool | None = None
