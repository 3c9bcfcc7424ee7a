"""The calls in the user's source that create layers of torch, and replacements in them."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from torch import nn

from ..trace.records import Frame, Module
from .changes import Situation
from .creation import Scope
from .literals import Span
from .replaced_layers import constructor_parameters
from .source_text import Replacement, span_of
from .syntax import (
    Code,
    arguments_by_place,
    code_of,
    keywords_of,
    last_argument,
    name_of_called,
)


@dataclass(frozen=True)
class LayerSite:
    """A call that creates layers, `nn.Conv2d(3, 8, 3)`; with a block of a class they are many.

    Attributes:
        code: the source.
        modules: those that have run; of `nn.TransformerEncoderLayer(64, 4)` the layers inside it.
    """

    scope: Scope
    code: Code
    node: ast.Call
    modules: tuple[Module, ...]

    @property
    def file(self) -> str:
        return self.scope.frame.file

    @property
    def name(self) -> str:
        """Of the class that is called."""
        return name_of_called(self.node)

    @cached_property
    def written(self) -> dict[str, ast.expr]:
        """The arguments that are written, by name."""
        names = self.parameters
        return dict(zip(names, arguments_by_place(self.node), strict=False)) | keywords_of(
            self.node
        )

    @property
    def parameters(self) -> dict[str, None]:
        """The names of the arguments that the constructor takes."""
        cls = getattr(nn, self.name, None)
        return dict.fromkeys(constructor_parameters(cls) if isinstance(cls, type) else ())

    def text_of(self, node: ast.AST) -> str:
        return self.code.text_of(node)

    def settings(self, texts: Mapping[str, str]) -> tuple[Replacement, ...]:
        """Arguments as these texts: in their places, or behind the others."""
        found = [
            Replacement(span_of(self.written[name], self.file), text)
            for name, text in texts.items() if name in self.written
        ]  # fmt: skip
        added = ", ".join(f"{n}={text}" for n, text in texts.items() if n not in self.written)
        if added:
            found.append(self._added(added))
        return tuple(found)

    def _added(self, text: str) -> Replacement:
        last = last_argument(self.node)
        if last is None:
            end = span_of(self.node, self.file)
            line, column = end.end_line, end.end_column - 1
            return Replacement(Span(self.file, line, column, line, column), text)
        return Replacement(span_of(last, self.file), f"{self.text_of(last)}, {text}")

    def of_class(self, name: str) -> Replacement:
        """Another class in the place of its own: `nn.BatchNorm1d` for `nn.BatchNorm2d`."""
        place = span_of(self.node.func, self.file)
        first = place.end_column - len(self.name.encode())
        span = Span(self.file, place.end_line, first, place.end_line, place.end_column)
        return Replacement(span, name)


def layer_sites(situation: Situation, reached: bool = True) -> list[LayerSite]:
    """The calls that create the layers which have run, in their order; or those of all layers."""
    failure = situation.failure
    found: dict[Frame, list[Module]] = {}
    scopes: dict[Frame, Scope] = {}
    paths = [call.path for call in failure.trace.calls if call.module]
    for path in dict.fromkeys(paths) if reached else failure.trace.modules:
        if path not in failure.trace.modules or not situation.scopes.get(path):
            continue
        scope = situation.scopes[path][0]
        scopes[scope.frame] = scope
        found.setdefault(scope.frame, []).append(failure.trace.modules[path])
    return [
        LayerSite(scopes[frame], code, node, tuple(modules))
        for frame, modules in found.items()
        if frame.file in situation.texts
        and (node := (code := code_of(frame.file, situation.texts[frame.file])).call_at(frame))
        is not None
        and hasattr(nn, name_of_called(node))
    ]
