"""Edits where layers are created: their arguments, and the layers of a Sequential."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Set
from typing import Any

from ...diagnosis.changes import Change
from ...diagnosis.failing_code import inserted_layers, sequence_element
from ...diagnosis.layer_sites import LayerSite
from ...diagnosis.literals import Span
from ...diagnosis.source_text import Replacement, span_of
from ...diagnosis.syntax import Code, arguments_of
from ..places import Places
from ..registry import Plan


def settings(path: str, values: Mapping[str, Any], everywhere: bool = False) -> Plan:
    """Other constructor arguments of the layer at `path`.

    The call may create further layers: all must have the same finding, unless the change is right
    `everywhere`. A layer of a live object is replaced.
    """

    def planned(places: Places, paths: Set[str]) -> Change | None:
        if places.is_object:
            return Change(settings={(path, name): value for name, value in values.items()})
        site = _site(places, path, paths, everywhere)
        if site is None or not site.parameters.keys() >= values.keys():
            return None
        return Change(replacements=site.settings({n: repr(v) for n, v in values.items()}))

    return planned


def of_class(path: str, name: str) -> Plan:
    """A layer of another class of torch.nn, with the same arguments."""

    def planned(places: Places, paths: Set[str]) -> Change | None:
        if places.is_object:
            return Change(layers={path: name})
        site = _site(places, path, paths)
        return None if site is None else Change(replacements=(site.of_class(name),))

    return planned


def without_last_positional(path: str, name: str) -> Plan:
    """Without an argument that is the last one by position."""

    def planned(places: Places, paths: Set[str]) -> Change | None:
        site = _site(places, path, paths)
        if site is None:
            return None
        written = arguments_of(site.node)
        if len(written) < 2 or written[-1] is not site.written.get(name):
            return None
        return Change(replacements=(_removed_behind(written[-2], written[-1], site.file),))

    return planned


def layer_before(path: str, layer: str) -> Plan:
    """A layer such as "ReLU()" of torch.nn in a Sequential, before the one at `path`."""

    def planned(places: Places, paths: Set[str]) -> Change | None:
        found = _element(places, path, paths)
        if found is None:
            return None
        code, element = found
        name, _, arguments = layer.partition("(")
        written = code.layer(name)
        if written is None:
            return None
        return Change(replacements=(inserted_layers(code, element, f"{written}({arguments}"),))

    return planned


def without_last_layer(path: str) -> Plan:
    """A Sequential without its last layer, the one at `path`."""

    def planned(places: Places, paths: Set[str]) -> Change | None:
        found = _element(places, path, paths)
        if found is None:
            return None
        code, element = found
        around = code.parents[element]
        if isinstance(around, ast.List):
            elements = around.elts
        else:
            elements = arguments_of(around) if isinstance(around, ast.Call) else []
        if len(elements) < 2 or elements[-1] is not element:
            return None
        return Change(replacements=(_removed_behind(elements[-2], element, code.file),))

    return planned


def _site(places: Places, path: str, paths: Set[str], everywhere: bool = False) -> LayerSite | None:
    site = places.site(path)
    return site if site and (everywhere or places.created_together(path) <= paths) else None


def _element(places: Places, path: str, paths: Set[str]) -> tuple[Code, ast.expr] | None:
    """The element of a Sequential in the source that creates the layer at `path`."""
    site = _site(places, path, paths)
    if site is None:
        return None
    code = site.code
    node = code.at(site.scope.frame)
    element = sequence_element(code, node) if isinstance(node, ast.expr) else None
    return None if element is None else (code, element)


def _removed_behind(before: ast.expr, node: ast.expr, file: str) -> Replacement:
    """An element of a list removed together with the comma that stands before it."""
    start, end = span_of(before, file), span_of(node, file)
    return Replacement(
        Span(file, start.end_line, start.end_column, end.end_line, end.end_column), ""
    )
