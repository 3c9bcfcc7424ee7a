"""calflops' calculate_flops; of its figures the MACs, its FLOPs also hold norms and activations."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from ...models.torchvision_import import make_importable
from ..differences import Figures
from .request import Question


def count(question: Question) -> Figures:
    question.require_eval()
    make_importable()  # it imports transformers, and that torchvision
    calflops: Any = import_module("calflops")
    model, inputs, named = question.on("meta")
    _, macs, params = calflops.calculate_flops(
        model, args=list(inputs), kwargs=named, print_results=False, output_as_string=False
    )
    return Figures(int(params), int(macs))
