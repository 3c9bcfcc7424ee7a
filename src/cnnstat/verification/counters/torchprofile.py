"""torchprofile's profile_macs. Like fvcore it traces with `torch.jit`, so it runs on zeros."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from ..differences import Difference, Figures
from .request import Question


def count(question: Question) -> Figures:
    torchprofile: Any = import_module("torchprofile")
    model, inputs = question.positional("cpu")
    model.requires_grad_(False)
    nodes = torchprofile.profile_macs(model, inputs, reduction=None)
    scalars = [macs for node, macs in nodes.items() if _is_of_scalars(node)]
    what = "products of scalars: sizes too, as torch.jit sees it"
    stated = Difference("", "elementwise", what, sum(scalars))
    return Figures(None, sum(nodes.values()), stated=(stated,))


def _is_of_scalars(node: Any) -> bool:
    return node.operator == "aten::mul" and not node.outputs[0].shape
