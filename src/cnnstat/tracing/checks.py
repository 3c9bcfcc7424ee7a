"""What real kernels refuse and torch's `meta` kernels let pass: a run must not look fine then."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from ..errors import Unfit
from ..operators.convolution import channels_taken
from ..operators.linear import PLACES


class Refused(RuntimeError):  # as torch refuses: models catch that
    """An operator would not run. `what` does not fit: "shapes" or "dtypes"."""

    def __init__(self, what: Unfit, reason: str) -> None:
        super().__init__(reason)
        self.what = what


def _same_dtype(*positions: int) -> Callable[[Any], None]:
    def check(args: Any) -> None:
        tensors = [args[p] for p in positions if isinstance(args[p], Tensor)]
        dtypes = list(dict.fromkeys(str(t.dtype).removeprefix("torch.") for t in tensors))
        if len(dtypes) > 1:
            weights = " and ".join(dtypes[1:])
            raise Refused("dtypes", f"the input is {dtypes[0]}, the weight {weights}")

    return check


def _channels(args: Any) -> None:
    """torch's rule for `meta` lets it pass if transposed, and is slow to refuse it if not."""
    x, weight, transposed, groups = args[0], args[1], args[6], args[8]
    takes = channels_taken(weight.shape, transposed, groups)
    if x.dim() == weight.dim() and x.shape[1] != takes:
        reason = f"the layer takes {takes} channels, the input has {x.shape[1]}"
        raise Refused("shapes", reason)


def _product(left: int, right: int) -> Callable[[Any], None]:
    """Refused here: torch's own refusal would import its compiler first, which takes a second."""

    def check(args: Any) -> None:
        x, weight = args[left].shape, args[right].shape
        if x[-1] != weight[-2]:
            raise Refused("shapes", f"{weight[-2]} features fit, the input has {x[-1]}")

    return check


DTYPE_CHECKS: dict[str, Callable[[Any], None]] = {
    "aten.convolution": _same_dtype(0, 1, 2),
    **{
        name: _same_dtype(*(place for place in PLACES[name] if place is not None))
        for name in ("aten.mm", "aten.bmm", "aten.addmm", "aten.baddbmm")
    },
}
"""Not under autocast: it casts what differs, but not on `meta`."""

SHAPE_CHECKS: dict[str, Callable[[Any], None]] = {
    "aten.convolution": _channels,
    **{name: _product(*PLACES[name][:2]) for name in ("aten.mm", "aten.bmm", "aten.addmm")},
}
