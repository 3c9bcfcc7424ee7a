"""ptflops' get_model_complexity_info with its `aten` backend, which sees functional code too."""

from __future__ import annotations

import inspect
from importlib import import_module
from typing import Any

from ...models.torchvision_import import make_importable
from ..differences import Figures
from .request import Question


def count(question: Question) -> Figures:
    question.require_eval()
    make_importable()  # it imports torchvision
    ptflops: Any = import_module("ptflops")
    model, inputs, named = question.on("meta")
    by_name: Any = inputs[0]
    if named or len(inputs) != 1:
        by_name = dict(inspect.signature(model.forward).bind(*inputs, **named).arguments)
    macs, params = ptflops.get_model_complexity_info(
        model,
        (1,),
        input_constructor=lambda _: by_name,
        as_strings=False,
        print_per_layer_stat=False,
        backend="aten",
    )
    if macs is None:  # it has printed the error and gone on
        raise RuntimeError("it could not run the model")
    return Figures(int(params), int(macs))
