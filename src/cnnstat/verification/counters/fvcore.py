"""fvcore's FlopCountAnalysis and parameter_count; its flop is a multiply–accumulate.

`torch.jit` traces the model, which torch's kernels for `meta` do not survive: sizes are tensors
while it does. So it runs on zeros.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from ..differences import Figures
from .request import Question


def count(question: Question) -> Figures:
    fvcore: Any = import_module("fvcore.nn")
    model, inputs = question.positional("cpu")
    model.requires_grad_(False)
    analysis = fvcore.FlopCountAnalysis(model, inputs)
    inclusive = {path: round(flops) for path, flops in analysis.by_module().items()}
    own = dict(inclusive)
    for path, flops in inclusive.items():
        if path:
            own[path.rpartition(".")[0]] -= flops
    return Figures(
        params=fvcore.parameter_count(model)[""],
        macs=round(analysis.total()),
        macs_by_module=own,
        unsupported=dict(analysis.unsupported_ops()),
    )
