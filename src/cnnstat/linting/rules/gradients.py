"""CN106: parameters that are used and get no gradient."""

from __future__ import annotations

from collections.abc import Iterator

from ...analysis.gradient_reach import without_gradient
from ..registry import Hit, Page, rule
from ..runs import Runs

_CHECKPOINT = (
    "{at} gets no gradient for its {params} parameters: they are used in a reentrant checkpoint "
    "none of whose inputs has a gradient; use_reentrant=False mends it"
)
_UNREACHED = "{at} does not reach the output: its {params} parameters get no gradient"
_NOT_RECORDED = (
    "{at} gets no gradient for its {params} parameters: no gradient is recorded on the way to the "
    "output, as under torch.no_grad() or behind .data"
)
_ENDED = "{at} does not reach the output: {end} ends the gradient of its {params} parameters"

_NO_GRADIENT = Page(
    what="A parameter is used in train mode, and no gradient of an output of the model reaches it.",
    why="It keeps its first values for ever: what is computed with it is not used, or passes "
    "through `argmax`, `detach()` or `torch.no_grad()`. `DistributedDataParallel` stops with "
    "an error on it.",
    fires="""\
from torch import nn

example_input = (2, 16)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.gate = nn.Linear(16, 16)
        self.head = nn.Linear(16, 10)

    def forward(self, x):
        gate = self.gate(x).argmax(1, keepdim=True)
        return self.head(x * gate)
""",
    quiet="""\
from torch import nn

example_input = (2, 16)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.gate = nn.Linear(16, 16)
        self.head = nn.Linear(16, 10)

    def forward(self, x):
        gate = self.gate(x).softmax(1)
        return self.head(x * gate)
""",
    decided="The backward pass of a run in train mode from all outputs. Where it fails, the "
    "operators are followed backwards; `detach`, `argmax` and `argmin` end the way, and what is "
    "written in place counts as reaching the output.",
    wrong="A parameter that the training loop updates by itself, such as a codebook or a teacher "
    "that follows a moving average; or one whose loss the model stores instead of returning it.",
)


@rule("CN106", "no-gradient", "warning", _NO_GRADIENT)
def no_gradient(runs: Runs) -> Iterator[Hit]:
    for found in without_gradient(runs.train):
        message = _UNREACHED if found.end is None else _ENDED
        if found.in_checkpoint:
            message = _CHECKPOINT
        elif not found.is_recorded:
            message = _NOT_RECORDED
        operator, call = found.end or ("", None)
        yield Hit(
            path=found.owner, message=message, params=found.params, values={"end": operator},
            remarks=(f"{operator} runs at {call.path}",) if call and call.path not in ("", operator)
            else (),
        )  # fmt: skip
