"""What autograd tells of the graph that it builds: the use of torch's private parts for it.

Every node of the graph has a number, given in the order in which nodes are made.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx

TELLS = hasattr(torch._C, "_current_autograd_node") and hasattr(
    torch._C._autograd, "_get_sequence_nr"
)
"""Whether this torch numbers the nodes and tells which one is at work; else nothing here works."""


def run_backward(outputs: Sequence[Tensor], gradients: Sequence[Tensor]) -> None:
    """What `torch.autograd.backward` does once it has compared the sizes of both.

    It compares them by sympy, whose import takes a second.
    """
    engine = getattr(torch.autograd.Variable, "_execution_engine", None)
    if engine is None:
        torch.autograd.backward(outputs, gradients)
        return
    engine.run_backward(
        tuple(outputs), tuple(gradients), False, False, (),
        allow_unreachable=True, accumulate_grad=True,
    )  # fmt: skip


def next_number() -> int:
    """The number that the next node will get."""
    return int(torch._C._autograd._get_sequence_nr())


def number_of(node: Any) -> int:
    """Of a node that adds up the gradient of a parameter it is larger than any other."""
    return int(node._sequence_nr())


def at_work() -> Any:
    """The node whose gradients are being computed, None outside of a backward pass."""
    return torch._C._current_autograd_node()


def is_custom(node: Any) -> bool:
    """Whether the node is that of a `torch.autograd.Function`, written in Python."""
    return isinstance(node, FunctionCtx)


def lacks_gradient(node: Any) -> bool:
    """Whether the node stands for an operator whose gradient nobody has told torch."""
    return str(node.name()).endswith("NotImplemented")
