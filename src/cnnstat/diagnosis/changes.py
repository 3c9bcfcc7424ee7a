"""Changes to a model, its arguments or its inputs, and the proposals of such changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from torch import Tensor

from ..inputs import InputSpec
from ..trace.records import Failure
from .creation import Scope, Sized
from .literals import Span
from .mismatch import Mismatch, mismatch_of
from .raised import Raised
from .source_text import Replacement, constant_argument_spans, default_spans, replaced
from .weights import EDIT, Features, total


@dataclass(frozen=True)
class Change:
    """What is done differently in one run.

    Attributes:
        texts: files in the place of those on disk.
        replacements: pieces of these.
        arguments: of the model's factory.
        inputs: in the place of the positional inputs.
        settings: constructor arguments of modules, by path and name, for a model without source.
        layers: classes of torch.nn for modules, by path; likewise.
    """

    texts: Mapping[str, str] = field(default_factory=dict)
    replacements: tuple[Replacement, ...] = ()
    arguments: Mapping[str, Any] = field(default_factory=dict)
    inputs: tuple[Any, ...] | None = None
    settings: Mapping[tuple[str, str], Any] = field(default_factory=dict)
    layers: Mapping[str, str] = field(default_factory=dict)

    @property
    def place(self) -> object:
        """What it changes: of several values for one place, the best is enough."""
        if self.replacements:
            return tuple(replacement.span for replacement in self.replacements)
        return tuple(self.arguments) or tuple(self.settings) or tuple(self.layers)

    def and_then(self, other: Change) -> Change:
        """Both; `other` refers to the sources of a run with this one."""
        return Change(
            self.texts,
            (*self.replacements, *other.replacements),
            {**self.arguments, **other.arguments},
            self.inputs if other.inputs is None else other.inputs,
            {**self.settings, **other.settings},
            {**self.layers, **other.layers},
        )

    def with_texts_replaced(self, texts: Mapping[str, str]) -> Change:
        """The same with the replacements done in `texts`; later ones can refer to the result."""
        changed = dict(self.texts)
        for file in {replacement.span.file for replacement in self.replacements}:
            here = [r for r in self.replacements if r.span.file == file]
            changed[file] = replaced(texts[file], here)
        return Change(changed, (), self.arguments, self.inputs, self.settings, self.layers)


NO_CHANGE = Change()
OF_PARSER = {"SyntaxError", "IndentationError", "TabError"}
"""Exceptions of a source that cannot be parsed."""


def as_shapes(inputs: Sequence[Any]) -> tuple[Any, ...]:
    """The inputs with the shapes of tensors in their places."""
    return tuple(
        InputSpec(tuple(value.shape), str(value.dtype).removeprefix("torch."))
        if isinstance(value, Tensor) else value for value in inputs
    )  # fmt: skip


@dataclass(frozen=True)
class Proposal:
    """A change that may fix a failure.

    `fits`: whether the run gets past the failure, by its sizes; None where they do not show it.
    """

    change: Change
    features: Features
    fits: bool | None = None

    @cached_property
    def cost(self) -> float:
        """In bits; the least is tried first."""
        return total(EDIT, self.features)


@dataclass(frozen=True)
class Situation:
    """A failed run, as the kinds of edits see it.

    Attributes:
        editable: the source, the layers of a live object, or neither.
        texts: the sources, by file.
        sizes: numbers of the source that may be sizes, for a failure that names none.
        inputs: the positional inputs, if all of them are shapes.
        scopes: the calls that created each module, by its path, the innermost first.
        sized: the tensors that constructors created from numbers.
        raised: what the exception is about.
        is_data: whether the inputs are a batch of the user's data.
    """

    failure: Failure
    editable: Literal["source", "layers", "nothing"]
    texts: Mapping[str, str] = field(default_factory=dict)
    sizes: tuple[int, ...] = ()
    inputs: tuple[Any, ...] = ()
    scopes: Mapping[str, tuple[Scope, ...]] = field(default_factory=dict)
    sized: tuple[Sized, ...] = ()
    raised: Raised | None = None
    is_data: bool = False

    @cached_property
    def mismatch(self) -> Mismatch:
        return mismatch_of(self.failure)

    @cached_property
    def constants(self) -> dict[Span, Span]:
        """The places of numbers in arithmetic over numbers alone → that of the argument."""
        return {
            inner: outer
            for file, text in self.texts.items()
            for inner, outer in constant_argument_spans(text, file).items()
        }

    @cached_property
    def defaults(self) -> frozenset[Span]:
        """The places of the defaults of arguments."""
        if self.failure.error in OF_PARSER:
            return frozenset()
        return frozenset(
            span for file, text in self.texts.items() for span in default_spans(text, file)
        )

    @property
    def failed_path(self) -> str:
        """The path of the innermost call that failed."""
        return self.failure.calls[-1].path if self.failure.calls else ""
