"""The packages whose models have names: `timm:resnet50`.

A row of `SOURCES` is all that the rest of cnnstat knows about a package: from it come loading,
`cnnstat list`, completion, suggestions in messages and the help of the commands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .loaded import Loaded, Recorded

Loader = Callable[[str, Sequence[Any], Mapping[str, Any], Mapping[str, Any]], "Loaded | Recorded"]
"""From a spec, its inputs, its named inputs and its arguments to the model."""

Select = Callable[[Iterable[str]], list[str]]
"""Picks the requested names out of all; raises ModelError if there is none."""


@dataclass(frozen=True, slots=True)
class Source:
    """A package of models. Its name is the prefix of specs, the package and the extra to install.

    Attributes:
        module: the module, relative to `cnnstat.models`, with `load` (a `Loader`) and `listed`
            (from a `Select` to the rows of `cnnstat list`).
        commands: the commands whose help mentions the source. Others may accept it too.
        other_spec: another kind of spec, which only the help of `shapes` mentions.
        argument_names: the package's name for an argument of the built-in networks.
    """

    module: str
    commands: tuple[str, ...] = ("shapes", "compare", "roofline")
    other_spec: str = ""
    argument_names: Mapping[str, str] = field(default_factory=dict)

    def load(
        self, spec: str, inputs: Sequence[Any], named: Mapping[str, Any],
        arguments: Mapping[str, Any],
    ) -> Loaded | Recorded:  # fmt: skip
        """Build the model that `spec` names; only now the source's module is imported."""
        loader: Loader = import_module(self.module, __package__).load
        return loader(spec, inputs, named, arguments)


SOURCES: dict[str, Source] = {
    "torchvision": Source(
        ".torchvision",
        commands=("shapes", "compare", "explain", "scale", "memory", "roofline", "bench"),
    ),
    "timm": Source(
        ".timm",
        commands=("shapes", "compare", "roofline", "bench"),
        argument_names={"in_channels": "in_chans"},
    ),
    "transformers": Source(".transformers.model", other_spec="a config.json behind it"),
}


def source_of(spec: str) -> Source | None:
    """The source whose prefix a spec has: timm for `timm:resnet50`."""
    name, colon, _ = spec.partition(":")
    return SOURCES.get(name) if colon else None


def specs_in_help(command: str) -> str:
    """The specs of packages in the help of a command: `torchvision:NAME, timm:NAME`."""
    shown = []
    for name, source in SOURCES.items():
        other = source.other_spec if command == "shapes" else ""
        if command in source.commands:
            shown.append(f"{name}:NAME or {other}" if other else f"{name}:NAME")
    return ", ".join(shown)


def prefixes_in_help() -> str:
    """`torchvision:, timm: or transformers:`."""
    *others, last = (f"{name}:" for name in SOURCES)
    return f"{', '.join(others)} or {last}" if others else last
