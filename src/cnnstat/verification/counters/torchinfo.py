"""torchinfo's summary: parameters and "mult-adds", which are MACs."""

from __future__ import annotations

from collections import Counter
from typing import Any

from ..differences import Figures
from .request import Question


def count(question: Question) -> Figures:
    from torchinfo import summary

    model, inputs, named = question.on("meta")
    mode: Any = question.mode
    data: Any = list(inputs) if inputs else named
    extra = named if inputs else {}
    summed = summary(model, input_data=data, mode=mode, verbose=0, **extra)
    paths = {id(module): path for path, module in model.named_modules()}
    by_module: Counter[str] = Counter()
    for layer in summed.summary_list:
        if layer.is_leaf_layer:
            by_module[paths[layer.layer_id]] += layer.macs
    return Figures(summed.total_params, summed.total_mult_adds, by_module)
