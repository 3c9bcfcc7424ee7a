"""CN102: tensors that stay on the CPU."""

from __future__ import annotations

from collections.abc import Iterator

from ...models.loaded import Loaded
from ..edits.factories import on_device_of_input
from ..edits.statements import as_buffer
from ..moving import LeftBehind, left_behind
from ..registry import Edit, Hit, Page, rule
from ..runs import NotRun, Runs

_NOT_MOVED = Page(
    what="A tensor stays on the CPU when the model and its inputs are moved to another device.",
    why='The model runs on the CPU, and on a GPU it stops with "Expected all tensors to be on the '
    'same device". A plain attribute is not moved by `.to(device)`, and `torch.zeros(…)` in '
    "`forward` creates a tensor on the CPU unless it gets a `device`.",
    fires="""\
import torch
from torch import nn

example_input = (2, 10, 16)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.positions = torch.randn(10, 16)
        self.head = nn.Linear(16, 10)

    def forward(self, x):
        return self.head(x + self.positions)
""",
    quiet="""\
import torch
from torch import nn

example_input = (2, 10, 16)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("positions", torch.randn(10, 16))
        self.head = nn.Linear(16, 10)

    def forward(self, x):
        return self.head(x + self.positions)
""",
    decided="The model is built on the CPU, without initialising its weights, moved with "
    '`.to("meta")` and run on inputs there. An operator with operands on both devices ends the '
    "run, as on a GPU. What the code does where it names `cuda` is left out.",
    wrong="A model that is never meant to leave the CPU.",
)


@rule("CN102", "not-moved", "error", _NOT_MOVED)
def not_moved(runs: Runs) -> Iterator[Hit]:
    loaded = runs.loaded
    if not isinstance(loaded, Loaded):
        raise NotRun("moved to another device", "it is a graph that is not run")
    if runs.eval.unregistered and runs.created_in_forward:
        raise NotRun("moved to another device", "forward creates layers on the CPU")
    for found in left_behind(loaded):
        attribute = found.attribute
        yield Hit(
            path=attribute or found.path,
            message="`{attribute}` stays on the CPU when the model moves: it is a plain attribute"
            if attribute
            else "{operator} gets a tensor on the CPU when the model moves: forward creates it "
            "without a device",
            values={"attribute": attribute, "operator": found.operator or found.path},
            place=found.frame,
            fix=_moved_along(found),
            attribute="" if attribute else found.operator,
        )


def _moved_along(found: LeftBehind) -> Edit:
    if not found.attribute:
        return Edit(
            text="device=x.device where it is created", plan=on_device_of_input(found.frame)
        )
    owner, _, name = found.attribute.rpartition(".")
    return Edit(text=f'self.register_buffer("{name}", …)', plan=as_buffer(owner, name))
