"""The literals of the source behind the settings of modules, and behind other recorded numbers."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..trace.records import Failure, Module
from .literals import Expression, Literal, evaluated, literals_in, origin_of, plain


@dataclass(frozen=True)
class Use:
    """One number among the settings of a module: `settings[name]`, or `settings[name][place]`."""

    module: Module
    name: str
    place: int | None
    origin: Any

    @property
    def value(self) -> int:
        setting = self.module.settings[self.name]
        return int(plain(setting if self.place is None else setting[self.place]))


def uses_of(failure: Failure) -> dict[Literal, list[Use]]:
    """Each literal → the settings that depend on it."""
    found: dict[Literal, list[Use]] = defaultdict(list)
    for module in failure.trace.modules.values():
        for name, value in module.settings.items():
            for place, origin in _origins(value):
                use = Use(module, name, place, origin)
                for literal in dict.fromkeys(literals_in(origin)):
                    found[literal].append(use)
    return found


def _origins(value: Any) -> Iterator[tuple[int | None, Any]]:
    if isinstance(value, tuple):
        for place, item in enumerate(value):
            yield from ((place, origin) for _, origin in _origins(item))
    else:
        origin = origin_of(value)
        if isinstance(origin, Literal | Expression):
            yield None, origin


def literals_among(value: Any) -> Iterator[tuple[Literal, Any]]:
    """The literals behind the numbers in a recorded argument, each with that number's origin."""
    if isinstance(value, tuple):
        for item in value:
            yield from literals_among(item)
    elif isinstance(value, dict):
        yield from literals_among(tuple(value.values()))
    else:
        origin = origin_of(value)
        for literal in dict.fromkeys(literals_in(origin)):
            yield literal, origin


def settings_with(
    uses: list[Use], values: Mapping[Literal, int | float]
) -> dict[str, dict[str, Any]] | None:
    """The settings with other values for literals, by module; None if they cannot be computed."""
    changed: dict[str, dict[str, Any]] = defaultdict(dict)
    for use in uses:
        try:
            value = evaluated(use.origin, values)
        except (ArithmeticError, ValueError, TypeError):
            return None
        settings = changed[use.module.path]
        if use.place is None:
            settings[use.name] = value
        else:
            items = list(settings.get(use.name, use.module.settings[use.name]))
            items[use.place] = value
            settings[use.name] = tuple(items)
    return changed


def numbers_in_scope(failure: Failure) -> list[Any]:
    """The integers in scope where the exception was raised: local names and the module's settings.

    They keep their origins.
    """
    numbers = [number for _, number in failure.locals]
    for call in failure.calls[-1:]:
        if call.module is not None:
            for value in call.module.settings.values():
                numbers += value if isinstance(value, tuple) else (value,)
    return [n for n in numbers if isinstance(n, int) and not isinstance(n, bool)]


def numbers_of(failure: Failure) -> list[int]:
    """The same as plain integers, and those in the exception's message."""
    in_message = [int(digits) for digits in re.findall(r"\b\d{1,6}\b", failure.reason)]
    return [*(int(plain(number)) for number in numbers_in_scope(failure)), *in_message]
