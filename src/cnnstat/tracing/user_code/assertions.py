"""Assertions of a model on values: `assert (boxes >= 0).all()`.

Without data there is no value. The assertions of a working model hold, so a tensor that one of
them tests has the value with which it does.
"""

from __future__ import annotations

import dis
import sys
from collections.abc import Iterator
from functools import cache
from types import CodeType, FrameType
from typing import Any

from ..places import is_model_source

_DISPATCH = ("cnnstat.", "torch._tensor", "torch._ops", "torch.overrides", "torch.utils._python_")
"""Modules whose frames are between the model's and the operator that reads a value."""


def answer_to_assertion() -> Any:
    """The value with which the assertion holds that reads one; NotImplemented if none does."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and not is_model_source(frame.f_code.co_filename):
        if not frame.f_globals.get("__name__", "").startswith(_DISPATCH):
            return NotImplemented
        frame = frame.f_back
    if frame is None:
        return NotImplemented
    return _answers(frame.f_code).get(frame.f_lasti, NotImplemented)


@cache
def _answers(code: CodeType) -> dict[int, bool]:
    """What instructions that test a value get, by their offset, so that no assertion fails."""
    steps = [
        step for step in dis.get_instructions(code) if step.opname not in ("CACHE", "NOT_TAKEN")
    ]
    failing = {step.offset for step in steps if _is_assertion_error(step)}
    answers: dict[int, bool] = {}
    for place, step in enumerate(steps[:-1]):
        if not step.opname.startswith("POP_JUMP") or not step.opname.endswith(("TRUE", "FALSE")):
            continue
        jumps_if = step.opname.endswith("TRUE")
        if steps[place + 1].offset in failing:
            answer = jumps_if
        elif step.argval in failing:  # of `assert a and b`
            answer = not jumps_if
        else:
            continue
        answers.update((tested, answer) for tested in _testing(steps[: place + 1]))
    return answers


def _is_assertion_error(step: dis.Instruction) -> bool:
    """`LOAD_ASSERTION_ERROR`; a constant in Python 3.14."""
    return step.opname == "LOAD_ASSERTION_ERROR" or (
        step.opname == "LOAD_COMMON_CONSTANT" and "AssertionError" in step.argrepr
    )


def _testing(steps: list[dis.Instruction]) -> Iterator[int]:
    """The offsets of the jump at the end, and of the test and the call that it is of."""
    end = steps[-1].offset
    yield end
    for step in steps[-2::-1]:
        if step.opname != "TO_BOOL" and not step.opname.startswith("CALL"):
            return
        yield from range(step.offset, end, 2)  # with its caches
        end = step.offset
        if step.opname != "TO_BOOL":
            return
