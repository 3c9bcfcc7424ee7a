"""Rows as a tree: which stand down to a depth, and what they are called there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar


class Placed(Protocol):
    """A row with its place in the tree of calls."""

    @property
    def path(self) -> str: ...
    @property
    def depth(self) -> int: ...
    @property
    def repetition(self) -> str: ...


_Row = TypeVar("_Row", bound=Placed)


def to_depth(rows: Sequence[_Row], depth: int) -> list[tuple[_Row, str, bool]]:
    """The rows down to `depth`, each with its name in the tree and whether rows stand below it.

    The name is the path below that of the row around it: a ModuleList, which is never called and
    has no row, stays in the names of its members.
    """
    shown = [row for row in rows if row.depth <= depth]
    following = [row.depth for row in shown[1:]] + [0]
    around: dict[int, str] = {}
    named = []
    for row, below in zip(shown, following, strict=True):
        around[row.depth] = row.path
        parent = around.get(row.depth - 1, "")
        name = row.path.removeprefix(f"{parent}.") if parent else row.path
        named.append((row, name + row.repetition, below > row.depth))
    return named
