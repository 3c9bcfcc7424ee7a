"""Another number in the settings of a layer: in the source that decides it, or in a live layer.

Every literal that decides a setting of a layer that has run is tried with the values for which the
sizes would fit, followed through the record.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from ...trace.records import Failure, Module
from ..changes import Change, Proposal, Situation
from ..literals import Expression, Literal, Span, literals_in, plain, solved
from ..mismatch import Mismatch
from ..ranking import (
    CHOSEN_SIZES,
    INPUT_SIZES,
    WINDOW_SETTINGS,
    setting_features,
    style_of,
)
from ..replay import fits
from ..source_text import Replacement
from ..uses import Use, settings_with, uses_of
from ..width_steps import number_in

_SMALL: dict[str, tuple[int, ...]] = {
    "kernel_size": (1, 2, 3, 4, 5, 6, 7, 9, 11), "stride": (1, 2, 3, 4), "dilation": (1, 2, 3, 4),
    "padding": (0, 1, 2, 3, 4, 5),
}  # fmt: skip
_FACTORS = {"upscale_factor", "downscale_factor", "scale_factor"}
_COUNTS = {"groups", "num_groups", "num_heads", "nhead"}
_NO_PLACE = Span("", 0, 0, 0, 0)


# In the source


def setting_literals(situation: Situation) -> Iterator[Proposal]:
    """Other values for the literals that settings are computed from."""
    failure = situation.failure
    reached = {call.path for call in failure.trace.calls if call.module}
    for literals, uses in _groups(uses_of(failure)):
        changed = {use.module.path for use in uses}
        if not changed & reached:
            continue
        built = failure.trace.modules.values()
        style = style_of(module for module in built if module.path not in changed)
        for value in _solutions(literals, uses, situation):
            settings = settings_with(uses, dict.fromkeys(literals, value))
            fit = None if settings is None else fits(failure, settings, {})
            if settings is None or fit is False:
                continue
            if fit is None and situation.failed_path not in changed:
                continue  # nothing connects it with the failure
            features = setting_features(literals[0], value, uses, settings, style, failure,
                                        is_undecided=fit is None)  # fmt: skip
            yield Proposal(change_of(literals, value), features, fit)


def change_of(literals: Sequence[Literal], value: int) -> Change:
    """The change that writes `value` in the place of each of the literals."""
    if literals[0].span.argument:
        return Change(arguments={literals[0].span.argument: value})
    return Change(replacements=tuple(Replacement(x.span, str(value)) for x in literals))


def _groups(
    found: dict[Literal, list[Use]],
) -> Iterator[tuple[tuple[Literal, ...], list[Use]]]:
    """The literals that change together: each one alone, and the equal ones of a tuple or of
    some arithmetic: `kernel_size=(3, 3)`, `width * 5 * 5`.
    """
    yield from (((literal,), uses) for literal, uses in found.items())
    tuples: dict[tuple[str, str], list[Literal]] = {}
    groups = {
        equal for uses in found.values() for use in uses if isinstance(use.origin, Expression)
        for equal in _equal_literals(use.origin)
    }  # fmt: skip
    for literal, uses in found.items():
        for use in uses:
            if use.place is not None and isinstance(use.origin, Literal):
                tuples.setdefault((use.module.path, use.name), []).append(literal)
    groups |= {
        tuple(dict.fromkeys(literals)) for literals in tuples.values()
        if len({literal.value for literal in literals}) == 1
    }  # fmt: skip
    for group in groups:
        if len(group) > 1:
            uses = [use for literal in group for use in found[literal]]
            yield group, [use for i, use in enumerate(uses) if use not in uses[:i]]


def _equal_literals(origin: Expression) -> Iterator[tuple[Literal, ...]]:
    """The literals of some arithmetic that are equal and on one line of the source."""
    groups: dict[tuple[str, int, int | float], dict[Literal, None]] = {}
    for literal in literals_in(origin):
        place = literal.span.file, literal.span.line, literal.value
        groups.setdefault(place, {})[literal] = None
    yield from (tuple(group) for group in groups.values() if len(group) > 1)


def _solutions(literals: Sequence[Literal], uses: list[Use], situation: Situation) -> Iterable[int]:
    """The values of literals that change together with which some setting may fit."""
    literal, *others = literals
    found: dict[int, None] = {}
    names = {use.name: use for use in uses}
    for name, use in names.items():
        targets = _values_for(name, use.value, situation.mismatch, situation.failure, use.module)
        for target in targets:
            value = solved(use.origin, literal, target, others)
            if value is not None and value >= 0:
                found[value] = None
    found.pop(int(literal.value), None)
    return found


# In a live layer


def layer_settings(situation: Situation) -> Iterator[Proposal]:
    """Other constructor arguments of one layer of torch, for a model whose source is not edited."""
    failure = situation.failure
    paths = dict.fromkeys(call.path for call in failure.trace.calls if call.module)
    modules = [failure.trace.modules[path] for path in paths if path in failure.trace.modules]
    for module in modules:
        if not module.library:
            continue
        style = style_of(other for other in modules if other is not module)
        for name in (CHOSEN_SIZES | INPUT_SIZES | set(_SMALL)) & module.settings.keys():
            for setting, value in _other_settings(module, name, situation):
                settings = {module.path: {name: setting}}
                fit = fits(failure, settings, {})
                if fit is False or (fit is None and module.path != situation.failed_path):
                    continue
                old = number_in(module.settings[name])
                features = setting_features(
                    Literal(_NO_PLACE, old), value, [Use(module, name, None, value)], settings,
                    style, failure, is_undecided=fit is None,
                )  # fmt: skip
                yield Proposal(Change(settings={(module.path, name): setting}), features, fit)


def _other_settings(module: Module, name: str, situation: Situation) -> Iterator[tuple[Any, int]]:
    """The setting, and the number in it that is other than before."""
    old = plain(module.settings[name])
    if isinstance(old, str | bool) or old is None:
        return
    number = number_in(old)
    for value in _values_for(name, number, situation.mismatch, situation.failure, module):
        if value == number:
            continue
        if name == "normalized_shape":
            yield (*old[:-1], value), value
        else:
            yield (value,) * len(old) if isinstance(old, tuple) else value, value


# The values that are tried


def _values_for(
    name: str, value: int, mismatch: Mismatch, failure: Failure, module: Module
) -> Iterable[int]:
    """The numbers for which something might fit, in the place of a setting that is `value`."""
    if name in ("kernel_size", "stride"):  # in patches the two are equal
        other = "stride" if name == "kernel_size" else "kernel_size"
        also = module.settings.get(other) or 1
        return dict.fromkeys((*_SMALL[name], number_in(also)))
    if name in WINDOW_SETTINGS:
        return _SMALL[name]
    if name in _FACTORS:
        return range(2, 9)
    if name == "output_size":
        return range(1, 15)
    if name in _COUNTS:
        return _divisors(failure)
    if name not in CHOSEN_SIZES | INPUT_SIZES:
        return ()
    values: dict[int, None] = {}
    for expected, actual in mismatch.pairs:
        values.update(dict.fromkeys((expected, actual)))
        # a part of a sum: one branch of several that are joined
        values.update(dict.fromkeys((value + expected - actual, value + actual - expected)))
        # a factor of a product: the channels of a flattened map
        for a, b in ((expected, actual), (actual, expected)):
            if b and value * a % b == 0:
                values[value * a // b] = None
    return [size for size in values if size > 0]


def _divisors(failure: Failure) -> list[int]:
    """Divisors of the widths of the failed layer's input and of the integers in scope."""
    sizes = {number for _, number in failure.locals if 0 < number <= 1 << 16}
    for call in failure.calls[-1:]:
        sizes |= {size for spec in call.inputs for size in spec.shape[1:2] + spec.shape[-1:]}
    return sorted({n for size in sizes for n in range(1, min(size, 512) + 1) if size % n == 0})
