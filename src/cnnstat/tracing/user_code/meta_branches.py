"""Branches of a model on whether its tensors have data.

`x.is_meta` and `x.device.type == "meta"` choose code that no device runs, so a model with such a
branch in its own file is left to a lane whose tensors are on the CPU. Installed libraries branch
too, to the same figures: they are written for models without data.
"""

from __future__ import annotations

import dis
import sys
from collections.abc import Sequence
from functools import cache
from types import CodeType
from typing import Any

import torch

from ...errors import LaneError
from ..places import is_library, is_model_source, shown_path

_IS_META, _DEVICE = (vars(torch._C.TensorBase)[name].__get__ for name in ("is_meta", "device"))
_COMPARISONS = {"COMPARE_OP", "CONTAINS_OP"}
_REACH = 6  # instructions from the constant to the comparison: `"meta" == x.device.type`


def refuse_meta_branch(func: Any, args: Sequence[Any]) -> None:
    """Raise a LaneError if the model's file asks whether a tensor is on `meta`, and it is.

    `func` is the getter of a property of `args[0]`.
    """
    if func not in (_IS_META, _DEVICE) or not args[0].is_meta:
        return
    frame = sys._getframe(1)
    while frame.f_code.co_name == "__torch_function__":  # of one mode inside another
        assert frame.f_back is not None
        frame = frame.f_back
    file = frame.f_code.co_filename
    if not is_model_source(file) or is_library(file):
        return
    if func == _IS_META or _compares_with_meta(frame.f_code):
        raise LaneError(
            "the model asks whether it is on the device meta",
            f"{shown_path(file)}:{frame.f_lineno}: on other devices it may run other code",
        )


@cache
def _compares_with_meta(code: CodeType) -> bool:
    """Whether a function compares something with the text "meta", or with that device."""
    if not any(map(_names_meta, code.co_consts)):
        return False
    steps = list(dis.get_instructions(code))
    return any(
        step.opname in _COMPARISONS
        for place, constant in enumerate(steps)
        if _names_meta(constant.argval)
        for step in steps[place + 1 : place + 1 + _REACH]
    )


def _names_meta(constant: Any) -> bool:
    """Whether a constant is the device's name, or a collection with it."""
    return constant == "meta" or (isinstance(constant, tuple | frozenset) and "meta" in constant)
