"""What a hostile case is, and the values in hostile files."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

Json = Any


@dataclass(frozen=True)
class Case:
    """A command line (after `cnnstat`) and the files of the folder it runs in.

    With an `environment`, if only an empty one, it runs in a process of its own, whose standard
    output is the file `stdout`, if there is one.
    """

    command: Sequence[str]
    files: Mapping[str, bytes] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] | None = None
    stdout: str | None = None
    seconds: float = 10.0  # that it may take


TEXTS = (
    "", " ", "\n", "a\nb", "x", "\x1b[7mred\x1b[0m", "\x1b]0;title\x07", "\x9b31m", "\x7f",
    "\r\rx",
    "<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "=1+1", "@SUM(A1)", "+1", "-1",
    "\t=1", "|", "`", "a|b|c", "![x](http://x)", "[x](javascript:x)", "\\write18{id}",
    "%\n\\write18{id}", "$x$", "{", "}", "#", "~^&_%", "\u202egnp.exe", "\u2028", "\0", "名" * 100,
    "x" * 100_000, "a." * 3000, "/a" * 3000, ".", "..", "../../etc/passwd", "__class__", "__dict__",
    "forward", "training", "None", "nan", "{0}", "%s%n", "\ufeff", "\U0001f600", "e\u0301", "a b",
    "1", "-", "--help", "conv.weight", "['", "L['self']", "'", '"', ";", ",", ":", "%(x)d",
)  # fmt: skip
NUMBERS = (0, 1, -1, 2, 3, 7, 255, 2**31 - 1, 2**31, 10**9, 2**62, 2**63 - 1, -(2**63), -7)
VALUES: tuple[Json, ...] = (
    *NUMBERS, 2**64, -(2**70), 0.5, -0.0, 1e308, None, True, False, [], {}, [[]], [None], [0], [-1],
    ["x"], {"": 0}, {"x": {}}, [1, 3, 8, 8], [10**9] * 4, [2**62] * 4,
)  # fmt: skip


def mutated(rng: random.Random, value: Json) -> Json:
    """The value with one place in it changed."""
    places = list(_places(value))
    if not places:
        return rng.choice((*VALUES, *TEXTS))
    container, key = rng.choice(places)
    changes: tuple[Callable[[], None], ...] = (
        lambda: _set(container, key, deepcopy(rng.choice(VALUES))),
        lambda: _set(container, key, rng.choice(TEXTS)),
        lambda: _delete(container, key),
        lambda: _reorder(rng, container, key),
        lambda: _set(container, key, deepcopy(rng.choice(places)[0])),
        lambda: _set(container, key, DEEP),
    )
    weights = (6, 4, 3, 3, 1, 0.3)
    rng.choices(changes, weights)[0]()
    return value


def _places(value: Json, depth: int = 0) -> list[tuple[Any, Any]]:
    if depth > 30:
        return []
    keys = value.keys() if isinstance(value, dict) else range(len(value)) if isinstance(
        value, list
    ) else ()  # fmt: skip
    found = []
    for key in keys:
        found.append((value, key))
        found += _places(value[key], depth + 1)
    return found


def _set(container: Any, key: Any, value: Json) -> None:
    container[key] = value


def _delete(container: Any, key: Any) -> None:
    del container[key]


def _reorder(rng: random.Random, container: Any, key: Any) -> None:
    items = container[key]
    if isinstance(items, list) and items:
        change = rng.randrange(4)
        if change == 0:
            items.reverse()
        elif change == 1:
            items.append(rng.choice(items))
        elif change == 2:
            items.clear()
        else:
            items *= 300 if len(items) < 100 else 1
    elif isinstance(items, dict) and items:
        container[key] = {rng.choice(TEXTS): value for value in items.values()}
    elif isinstance(items, str):
        container[key] = items + rng.choice(TEXTS)
    elif isinstance(items, int):
        container[key] = -items
    else:
        container[key] = None


DEEP = "deeply nested"


def json_of(rng: random.Random, value: Json) -> bytes:
    """The value as JSON; in place of `DEEP`, a list in a list in a list …"""
    depth = rng.choice((10, 200, 3000, 100_000))
    return json.dumps(value).replace(f'"{DEEP}"', "[" * depth + "]" * depth).encode()


def damaged(rng: random.Random, content: bytes) -> bytes:
    """The bytes with a few of them changed, cut off, repeated or inserted."""
    data = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 5, 20))):
        if not data:
            break
        at, change = rng.randrange(len(data)), rng.randrange(6)
        if change <= 1:
            data[at] ^= 1 << rng.randrange(8)
        elif change == 2:
            data[at] = rng.choice((0, 255, 127, 128))
        elif change == 3:
            del data[at : at + rng.randrange(1, 20)]
        elif change == 4:
            data[at:at] = data[at : at + rng.randrange(1, 50)]
        elif rng.random() < 0.3:
            del data[at:]
    return bytes(data)
