"""Rows of an analysis by the name that a user types."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from ..analysis.results import Analysis, Layer
from ..errors import ModelError, UsageError, nearest

_MOST = 8  # names listed in a message


def row_named(analysis: Analysis, name: str, uncalled: Iterable[str] = ()) -> Layer:
    """The row of a layer: by its path, `path#2` for the second call, or the end of its path.

    For a container that is never called (a ModuleList) it is the sum of the rows inside. `uncalled`
    are paths of the model's modules, called or not.

    Raises:
        UsageError: no row or several have the name; the message suggests the nearest.
        ModelError: the model has such a layer, but it was not called.
    """
    path, _, number = name.partition("#")
    rows = analysis.layers
    found = [row for row in rows if row.path == path] or _around(rows, path)
    if not found:
        paths = list(dict.fromkeys(row.path for row in rows if row.path.endswith(f".{path}")))
        if len(paths) > 1:
            raise UsageError(
                f"{name} may be any of {len(paths)} layers of {analysis.model.spec}",
                _listed(paths),
                hint=f"cnnstat explain {analysis.model.spec} {paths[0]}",
            )
        found = [row for row in rows if paths and row.path == paths[0]]
    if not found:
        raise _unknown(analysis, path, uncalled)
    if not number:
        return found[0]
    chosen = [row for row in found if number == str(row.call + 1)]
    if not chosen:
        times = "once" if len(found) == 1 else f"{len(found)} times"
        raise UsageError(f"there is no {name}: {found[0].path} was called {times}")
    return chosen[0]


def _unknown(analysis: Analysis, path: str, uncalled: Iterable[str]) -> Exception:
    spec = analysis.model.spec
    if path in uncalled:
        return ModelError(
            f"{path} was not called when {spec} ran in {analysis.mode} mode: nothing is known of it"
        )
    paths = list(dict.fromkeys(row.path for row in analysis.layers if row.path))
    guess = nearest(path, paths) or nearest(path, _last_parts(paths))
    details = [guess] if guess else [f"it has {_listed(paths)}"]
    is_object = analysis.model.source == "object"
    listing = (
        'cnnstat.analyze(…).show(ops="all")' if is_object else f"cnnstat shapes {spec} --ops all"
    )
    return UsageError(f"{spec} has no layer {path!r}", *details, hint=listing)


def _last_parts(paths: Sequence[str]) -> list[str]:
    return [path.rpartition(".")[2] for path in paths]


def _listed(paths: Sequence[str]) -> str:
    more = f" and {len(paths) - _MOST} more" if len(paths) > _MOST else ""
    return ", ".join(paths[:_MOST]) + more


def _around(rows: Sequence[Layer], path: str) -> list[Layer]:
    """A row for a module that is never called but contains modules that are."""
    inside = [row for row in rows if path and row.path.startswith(f"{path}.")]
    if not inside:
        return []
    outermost = min(row.depth for row in inside)
    members = [row for row in inside if row.depth == outermost]
    total = sum((row.total for row in members[1:]), members[0].total)
    return [
        replace(
            members[0], path=path, call=0, kind="module", type="container", config="",
            role="other", inputs=(), outputs=(), params=0, frozen_params=0, param_bytes=0, macs=0,
            other_ops=0, activation_bytes=0, total=total, window=None, receptive_field=None,
            stride=None, receptive_field_reason=None, shared_with=None, backward_macs=None,
            backward_other_ops=None, exact=total.exact,
        )
    ]  # fmt: skip


def children_of(analysis: Analysis, row: Layer) -> tuple[Layer, ...]:
    """The rows directly inside: their totals and the row's own figures add up to its total."""
    rows = analysis.layers
    places = (i for i, other in enumerate(rows) if (other.path, other.call) == (row.path, row.call))
    place = next(places, None)
    if place is None:  # created by _around
        inside = [r for r in rows if r.path.startswith(f"{row.path}.")]
        outermost = min(r.depth for r in inside)
        return tuple(r for r in inside if r.depth == outermost)
    children = []
    for below in rows[place + 1 :]:
        if below.depth <= row.depth:
            break
        if below.depth == row.depth + 1:
            children.append(below)
    return tuple(children)


def calls_of(analysis: Analysis, row: Layer) -> tuple[str, ...]:
    """The other calls of the same path: `path#1`, `path#3`."""
    same = [other for other in analysis.layers if other.path == row.path and other.call != row.call]
    return tuple(f"{other.path}#{other.call + 1}" for other in same)
