"""What a change of a literal costs: how much odder the network becomes, and how far it reaches."""

from __future__ import annotations

from collections.abc import Mapping
from math import isqrt, log2
from typing import Any

from ..trace.records import Failure
from .likeness import TAKEN, Style, oddness, step_oddness, taken_by, width_of
from .literals import Literal, plain
from .uses import Use

ELSEWHERE = 0.3  # more for a change away from where it failed
PLANNED = 0.7  # more for a taken size that was worked out for another map
BLIND = 3.0  # more for a change of which the sizes do not tell whether it fits
_UNWRITTEN = 0.8  # more for no padding: who wants none does not write it
_FEWER = 0.6  # more for a convolution with fewer features behind it than before it
_POINT = 1.0  # more for a kernel that no longer sees its neighbourhood
_INDIRECT = 0.1  # more for each further layer that it changes


def cost_of(
    literal: Literal, value: int, uses: list[Use], settings: Mapping[str, Mapping[str, Any]],
    style: Style, failure: Failure,
) -> float:  # fmt: skip
    """In bits, of `literal` becoming `value`; `settings` are the changed ones."""
    here = failure.calls[-1].path if failure.calls else ""
    modules = {use.module.path: use.module for use in uses}
    odder = [
        oddness(module.base, {**module.settings, **settings[path]}, style)
        - oddness(module.base, module.settings, style)
        for path, module in modules.items()
    ]
    cost: float = sum(odder) / len(odder) + _steps(settings, failure)
    cost += ELSEWHERE * (here not in modules) + _INDIRECT * (len(modules) - 1) ** 0.5
    if value == 1 < literal.value and any(use.name == "kernel_size" for use in uses):
        cost += _POINT
    if value == 0 and any(use.name == "padding" for use in uses):
        cost += _UNWRITTEN
    if all(use.name in TAKEN for use in uses):
        cost += PLANNED * was_planned(failure, uses)
    else:
        cost += 0.1
    return cost + distance(literal.value, value)


def _steps(settings: Mapping[str, Mapping[str, Any]], failure: Failure) -> float:
    """How much odder the steps become from the widths before the changed layers to those after."""
    calls = [call for call in failure.trace.calls if call.module and width_of(call.module.settings)]
    places = [i for i, call in enumerate(calls) if width_of(settings.get(call.path, {}))]
    if not places:
        return 0.0
    first, last = calls[places[0]].module, calls[places[-1]].module
    following = calls[places[-1] + 1].module if places[-1] + 1 < len(calls) else None
    assert first is not None
    assert last is not None
    same_kind = following is not None and following.base == last.base
    after = width_of(following.settings) if following is not None and same_kind else None
    before = taken_by(first.settings)
    was, new = width_of(last.settings), width_of(settings[last.path])
    if was is None or new is None:
        return 0.0
    sees = last.base.startswith("Conv") and use_value(first.settings.get("kernel_size", 1)) > 1
    odder = step_oddness(before, new, after) - step_oddness(before, was, after)
    if sees and before is not None:  # features become more on the way, not fewer
        odder += _FEWER * ((new < before) - (was < before))
    return odder


def was_planned(failure: Failure, uses: list[Use]) -> bool:
    """Whether a size that a linear layer takes is that of some square map of its channels.

    Then it was worked out, and it may be the map that is not as it was meant.
    """
    call = failure.calls[-1] if failure.calls else None
    made = next((op for op in reversed(failure.trace.ops) if call and call.inputs and any(
        out.value == call.inputs[0].value for out in op.outputs)), None)  # fmt: skip
    source = made.inputs[0].shape if made is not None and made.inputs else ()
    taken = [use.value for use in uses if use.name == "in_features"]
    if len(source) != 4 or not taken or taken[0] % max(1, source[1]):
        return False
    area = taken[0] // source[1]
    return isqrt(area) ** 2 == area > 1


def distance(old: float, new: float) -> float:
    """A tie is broken by the smaller relative change."""
    return 0.1 * abs(log2((abs(new) + 1) / (abs(old) + 1)))


def use_value(setting: Any) -> int:
    """The number that a setting is; of a tuple its last."""
    value = plain(setting)
    return int(value[-1] if isinstance(value, tuple) else value)
