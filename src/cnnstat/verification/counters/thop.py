"""thop's profile: MACs and parameters, in floats that hold whole numbers."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from ..differences import Figures
from .request import Question


def count(question: Question) -> Figures:
    question.require_eval()
    thop: Any = import_module("thop")
    model, inputs = question.positional("meta")
    macs, params = thop.profile(model, inputs, verbose=False)
    return Figures(round(params), round(macs))
