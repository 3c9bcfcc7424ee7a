"""Values that torch's own functions read to check operands, not to choose what they compute.

Without data there is no value. The answer here is the one that operands of a working model give,
so such a model needs no lane with data for it. A value that the model's code reads is not answered.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from types import FrameType
from typing import Any

_Answer = bool | float

_DISTRIBUTIONS = "torch.distributions."

_IN_PYTHON: dict[tuple[str, str], _Answer] = {
    ("torch.nn.functional", "gaussian_nll_loss"): False,  # is a variance negative?
    # Is a mask the causal one? If not, it is added to the scores as any other.
    ("torch.nn.modules.transformer", "_detect_is_causal_mask"): False,
    # the number of batches that a cumulative average is of: the first one
    ("torch.nn.modules.batchnorm", "forward"): 1.0,
    # are arguments and samples within the support?
    (f"{_DISTRIBUTIONS}distribution", "__init__"): True,
    (f"{_DISTRIBUTIONS}distribution", "_validate_sample"): True,
    (f"{_DISTRIBUTIONS}constraints", "check"): True,
    (f"{_DISTRIBUTIONS}continuous_bernoulli", "__init__"): True,
    (f"{_DISTRIBUTIONS}geometric", "__init__"): True,
}
"""By module and function, the innermost one of torch that is not about dispatch."""

_IN_CPP = frozenset({"cov", "corrcoef", "istft"})
"""Public functions without a frame of Python.

They require weights ≥ 0 with a sum ≠ 0, and warn or fail where a divisor is ≤ 0 or < 1e-11.
"""
_COMPARISONS: dict[str, _Answer] = {
    "aten.ge": True, "aten.ne": True, "aten.le": False, "aten.lt": False,
}  # fmt: skip

_WITHOUT_OPERATORS: dict[str, _Answer] = {"istft": False}
"""Where a training step is followed, whose operators are not recorded: it checks one divisor."""

_MOST_FRAMES = 30


def answer_to_check(function: str, operators: Sequence[str]) -> Any:
    """The answer to the check that reads a value; NotImplemented where it is none.

    function: the public function of torch that is open, as its row is called. operators: those
    that ran before, the last one first.
    """
    if function in _IN_CPP:
        found = (_COMPARISONS[name] for name in operators if name in _COMPARISONS)
        return next(found, _WITHOUT_OPERATORS.get(function, NotImplemented))
    frame: FrameType | None = sys._getframe(1)
    for _ in range(_MOST_FRAMES):
        if frame is None:
            break
        module = frame.f_globals.get("__name__", "")
        answer = _IN_PYTHON.get((module, frame.f_code.co_name))
        if answer is not None:
            return answer
        if not module.startswith(("torch.", "cnnstat.")):
            break
        frame = frame.f_back
    return NotImplemented
