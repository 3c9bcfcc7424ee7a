"""Edits of tensors that `forward` creates, and of views: their device, their batch size."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence, Set

from ...diagnosis.changes import NO_CHANGE, Change
from ...diagnosis.creation import FACTORIES
from ...diagnosis.search import Search
from ...diagnosis.source_subject import subject_of
from ...diagnosis.source_text import Replacement
from ...diagnosis.subjects import Subject
from ...diagnosis.syntax import keywords_of, last_argument, name_of_called, nodes, parameters_of
from ...errors import UsageError
from ...models.loaded import Loaded, Recorded
from ...models.model_inputs import BatchAxes, with_batch
from ...trace.records import Frame
from ..places import Places, named_by
from ..registry import Plan
from .calls import is_method

_SIZED = {"view", "reshape", "expand", "repeat", "repeat_interleave", *FACTORIES}
_MOST_TRIED = 6


def on_device_of_input(frame: Frame) -> Plan:
    """`device=x.device` for every tensor that the function around a place creates without one."""

    def planned(places: Places, paths: Set[str]) -> Change | None:
        code = places.code(frame.file)
        node = None if code is None else code.at(frame)
        function = None if code is None or node is None else code.around(node, ast.FunctionDef)
        x = None if function is None else _first_input(function)
        if code is None or function is None or x is None:
            return None
        replacements = [
            code.inserted_behind(last, f", device={x}.device")
            for call in nodes(function, ast.Call)
            if name_of_called(call) in FACTORIES and not is_method(code, call)
            and "device" not in keywords_of(call) and (last := last_argument(call)) is not None
        ]  # fmt: skip
        return Change(replacements=tuple(replacements)) if replacements else None

    return planned


def for_batches(loaded: Loaded | Recorded, sizes: Sequence[int], axes: BatchAxes) -> Plan:
    """A change with which the model runs on these batch sizes too.

    `x.size(0)` in the place of numbers that are the batch size; else the first fix of the diagnosis
    on one batch size with which the others run.
    """

    def planned(places: Places, paths: Set[str]) -> Change | None:
        if not isinstance(loaded, Loaded) or places.root is None:
            return None
        try:
            subjects = [subject_of(with_batch(loaded, size, axes), "eval") for size in sizes]
        except UsageError:
            return None
        found = _by_numbers(loaded, places)
        changes = [Change(replacements=(replacement,)) for replacement in found[:_MOST_TRIED]]
        if len(found) > 1:
            changes.append(Change(replacements=tuple(found)))
        for change in (*changes, *_by_diagnosis(subjects[0])):
            renamed = named_by(subjects[0], change)
            if all(subject.run(renamed).failure is None for subject in subjects):
                return change
        return None

    return planned


def _by_numbers(loaded: Loaded, places: Places) -> list[Replacement]:
    """The numbers in sizes of views and of new tensors that are the batch size."""
    batch = loaded.inputs[0].shape[0] if loaded.inputs else 0
    found = []
    for file in places.files:
        code = places.code(file)
        for function in nodes(code.tree, ast.FunctionDef) if code else ():
            x = None if function.name == "__init__" else _first_input(function)
            if code is not None and x is not None:
                found += [
                    code.replacement(number, f"{x}.size(0)")
                    for number in _sizes_in(function) if number.value == batch
                ]  # fmt: skip
    return found


def _sizes_in(function: ast.FunctionDef) -> Iterator[ast.Constant]:
    for call in nodes(function, ast.Call):
        if name_of_called(call) in _SIZED:
            for size in ast.iter_child_nodes(call):
                parts = size.elts if isinstance(size, ast.Tuple | ast.List) else [size]
                yield from (part for part in parts if isinstance(part, ast.Constant))


def _by_diagnosis(subject: Subject) -> Iterator[Change]:
    outcome = subject.run(watched=True)
    if outcome.failure is None:
        return
    errors, _ = Search(subject).errors(NO_CHANGE, outcome)
    for change, _ in errors[0].fixes:
        if change.replacements and change.inputs is None:
            yield Change(replacements=change.replacements)


def _first_input(function: ast.FunctionDef) -> str | None:
    """The first argument of a method behind `self`."""
    names = parameters_of(function)
    return names[1] if len(names) > 1 and names[0] == "self" else None
