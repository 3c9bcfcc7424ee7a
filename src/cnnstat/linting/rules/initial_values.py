"""CN107: parameters without initial values."""

from __future__ import annotations

from collections.abc import Iterator

from ...models.loaded import Loaded
from ..initialization import uninitialized_parameters
from ..registry import Hit, Page, rule
from ..runs import NotRun, Runs

_UNINITIALIZED = Page(
    what="A parameter is created by `torch.empty` and never written.",
    why="Its first values are whatever was in memory: often zeros, sometimes NaN or huge numbers, "
    "and different on every machine.",
    fires="""\
import torch
from torch import nn

example_input = (2, 16)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(16, 32)
        self.projection = nn.Parameter(torch.empty(32, 10))

    def forward(self, x):
        return self.first(x).relu() @ self.projection
""",
    quiet="""\
import torch
from torch import nn

example_input = (2, 16)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(16, 32)
        self.projection = nn.Parameter(torch.empty(32, 10))
        nn.init.normal_(self.projection, std=0.02)

    def forward(self, x):
        return self.first(x).relu() @ self.projection
""",
    decided="While the model is built, every operator is observed: the memory of the parameter "
    "comes from `torch.empty` or its like, and no operator and no function of `torch.nn.init` "
    "writes it. It is undecided for a constructor that reads values of tensors.",
    wrong="A parameter that is always read from a checkpoint, or initialized by the training "
    "script.",
)


@rule("CN107", "uninitialised-parameter", "error", _UNINITIALIZED)
def uninitialised_parameter(runs: Runs) -> Iterator[Hit]:
    loaded = runs.loaded
    if not isinstance(loaded, Loaded):
        raise NotRun("the constructor", "it is a graph")
    if loaded.source == "object":
        raise NotRun("the constructor", "the model was built before")
    for path, name, params in uninitialized_parameters(loaded):
        yield Hit(
            path=f"{path}.{name}" if path else name,
            message="{at} is created without values and never written: its {params} parameters "
            "start with whatever is in memory",
            params=params,
        )
