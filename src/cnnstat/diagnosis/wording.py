"""A change as a report shows it: the new text, the old one, and where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from textwrap import dedent
from typing import Any

from torch import nn

from ..inputs import InputSpec
from .changes import Change
from .data_edits import data_edit
from .literals import Span
from .naming import Places
from .replaced_layers import constructor_arguments, constructor_parameters
from .source_text import Replacement, piece, replaced, shown_around
from .subjects import Subject

Wording = tuple[str, str | None, str | None]
"""The edit, what it replaces, and its place; None if it replaces nothing or has no place."""


def wording(
    change: Change, texts: Mapping[str, str], places: Places, inputs: Sequence[InputSpec],
    subject: Subject,
) -> tuple[Wording, ...]:  # fmt: skip
    """Of each place that changes, in the order of the change.

    `texts` are the sources before the change, by file; `inputs` the inputs before it. Empty if the
    inputs are data of the user, and no expression changes them so.
    """
    if change.settings or change.layers:
        return (_of_layer(change, subject),)
    if change.replacements:
        return tuple(_of_text(group, texts, places) for group in _grouped(change))
    if change.arguments:
        name, value = next(iter(change.arguments.items()))
        return ((f"--arg {name}={value}", None, None),)
    assert change.inputs is not None
    if (data := subject.loaded.data) is not None:
        edits = [data_edit(*pair, data) for pair in zip(inputs, change.inputs, strict=False)]
        edit = edits[0] if len(edits) == 1 else None
        return () if edit is None else ((edit, "x", data.name),)
    return ((_options(change.inputs), _options(inputs), None),)


def _options(inputs: Sequence[InputSpec]) -> str:
    """As they are typed: `--input 1,16:int64 --input 1,16`."""
    return " ".join(f"--input {InputSpec(spec.shape, spec.dtype)}" for spec in inputs)


def _grouped(change: Change) -> list[list[Replacement]]:
    """The replacements in groups, each on one line of the source."""
    groups: dict[tuple[str, int], list[Replacement]] = {}
    for replacement in change.replacements:
        place = replacement.span.file, replacement.span.line
        groups.setdefault(place, []).append(replacement)
    for group in groups.values():
        group.sort(key=lambda r: r.span.column)
    return list(groups.values())


def _of_text(
    replacements: Sequence[Replacement], texts: Mapping[str, str], places: Places
) -> Wording:
    first, last = replacements[0].span, replacements[-1].span
    text = texts[first.file]
    if len(replacements) == 1 and replacements[0].inserts_lines:
        return dedent(replacements[0].text).strip(), None, places.named(first.file, first.line)
    span = replace(first, end_line=last.end_line, end_column=last.end_column)
    shown = shown_around(text, span)
    before = piece(text, shown)
    after = replaced(before, [Replacement(_moved(r.span, shown), r.text) for r in replacements])
    return after, before, places.named(first.file, first.line)


def _moved(span: Span, start: Span) -> Span:
    """The place of `span` in the piece of text that begins where `start` does."""
    first = start.column if span.line == start.line else 0
    last = start.column if span.end_line == start.line else 0
    return Span("", span.line - start.line + 1, span.column - first,
                span.end_line - start.line + 1, span.end_column - last)  # fmt: skip


def _of_layer(change: Change, subject: Subject) -> Wording:
    """The assignment that replaces a layer: `net.fc1 = nn.Linear(512, 120)`."""
    path = next(iter(change.layers), None) or next(iter(change.settings))[0]
    module = subject.loaded.builders.without_data().get_submodule(path)
    target = "net" + "".join(
        f"[{part}]" if part.isdigit() else f".{part}" for part in path.split(".") if part
    )
    cls = getattr(nn, change.layers[path]) if path in change.layers else None
    arguments = constructor_arguments(module, cls)
    arguments.update((name, value) for (_, name), value in change.settings.items())
    new = _constructor(cls or type(module), arguments)
    old = _constructor(type(module), constructor_arguments(module))
    return f"{target} = {new}", old, None


def _constructor(cls: type[nn.Module], arguments: dict[str, Any]) -> str:
    """The call that creates such a layer: required arguments by position, others if they differ
    from the default.
    """
    texts = []
    for name, parameter in constructor_parameters(cls).items():
        if name not in arguments:
            continue
        value = _short(arguments[name])
        if parameter.default is parameter.empty:
            texts.append(repr(value))
        elif value != parameter.default and not (
            # the stride of a pool defaults to its kernel
            name == "stride"
            and parameter.default is None
            and value == _short(arguments.get("kernel_size"))
        ):
            texts.append(f"{name}={value!r}")
    return f"nn.{cls.__name__}({', '.join(texts)})"


def _short(value: Any) -> Any:
    """3 for (3, 3)."""
    is_uniform = isinstance(value, tuple) and len(value) > 1 and len(set(value)) == 1
    return value[0] if is_uniform else value
