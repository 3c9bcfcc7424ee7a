"""Where in the model's source each module is made."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from torch import nn

from ..models.construction import construct
from ..trace.records import Frame
from ..tracing.places import is_of_the_model, place_of


@contextmanager
def construction_sites() -> Iterator[dict[int, Frame]]:
    """The place of the call that made each module built inside, by the module's identity."""
    found: dict[int, Frame] = {}
    kept: list[nn.Module] = []  # alive, so that no identity is given twice
    original = nn.Module.__init__

    def noting(module: nn.Module, *args: Any, **kwargs: Any) -> None:
        frame: FrameType | None = sys._getframe(1)
        while frame is not None and _is_its_init(frame, module):
            frame = frame.f_back
        while frame is not None and not is_of_the_model(frame.f_code.co_filename):
            # what builds the model stands in no source of the user's
            frame = None if frame.f_code is construct.__code__ else frame.f_back
        if frame is not None:
            found[id(module)] = place_of(frame.f_code, frame.f_lasti, frame.f_lineno)
            kept.append(module)
        original(module, *args, **kwargs)

    # every class calls it, whatever of its own it does before or after
    nn.Module.__init__ = noting  # type: ignore[method-assign, assignment]
    try:
        yield found
    finally:
        nn.Module.__init__ = original  # type: ignore[method-assign]


def _is_its_init(frame: FrameType, module: nn.Module) -> bool:
    """Whether the frame is that of a constructor of the module's own classes."""
    code = frame.f_code
    own = code.co_varnames[:1]
    return code.co_name == "__init__" and bool(own) and frame.f_locals.get(own[0]) is module
