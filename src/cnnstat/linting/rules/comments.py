"""CN001: comments that silence nothing."""

from __future__ import annotations

from collections.abc import Iterator

from ..registry import Hit, Page, rule
from ..runs import Runs
from ..settings import SELF_CHECK

_UNUSED = Page(
    what="A comment `# cnnstat: ignore[…]` silences no finding.",
    why="It hides the next mistake of that kind, and tells readers of one that is no longer there.",
    fires="""\
from torch import nn

example_input = (2, 16)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(16, 10)  # cnnstat: ignore[CN105]

    def forward(self, x):
        return self.head(x)
""",
    quiet="""\
from torch import nn

example_input = (2, 16)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(16, 10)
        self.spare = nn.Linear(16, 10)  # cnnstat: ignore[CN105]

    def forward(self, x):
        return self.head(x)
""",
    decided="Every rule that the comment names was checked and decided, and none of its findings "
    "is on that line, or in that file. A comment without codes silences nothing.",
    wrong="A finding that other inputs or arguments of the model would have.",
)


@rule(SELF_CHECK, "unused-ignore", "hint", _UNUSED)
def unused_ignore(runs: Runs) -> Iterator[Hit]:
    """Nothing by itself: the linter yields these findings when all other rules are checked."""
    yield from ()
