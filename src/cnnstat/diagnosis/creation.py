"""Where the modules of a model are created, and which numbers the source has there.

A module that the user's code creates gets its places as an attribute, so that copies of it have
them too: `nn.TransformerEncoder(layer, 6)` runs six copies of a layer and not the layer itself.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any

from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from ..models.construction import construct
from ..models.reload import execute
from ..trace.records import Frame
from ..tracing.places import is_model_source, place_of

_SCOPES = "_cnnstat_scopes"
_LAST = {construct.__code__, execute.__code__}
FACTORIES = {"zeros", "ones", "empty", "rand", "randn", "full", "arange", "linspace"}
"""Functions of torch that create a tensor from its sizes, or from a range of numbers."""


@dataclass(frozen=True, slots=True)
class Scope:
    """A call in the user's source, and the integers that names have there.

    `numbers` has local and global names, and the attributes of `self` (`self.width`); they keep
    their origins.
    """

    frame: Frame
    numbers: Mapping[str, Any]

    def __deepcopy__(self, memo: Any) -> Scope:
        return self


@dataclass(frozen=True, slots=True)
class Sized:
    """A tensor that a constructor created from numbers: its sizes, with their origins."""

    scope: Scope
    function: str
    sizes: tuple[Any, ...]


@contextmanager
def noting_creations() -> Iterator[None]:
    """Give each module that is created inside the calls that lead to it: see `scopes_of`."""
    original = nn.Module.__init__

    def init(module: nn.Module, *args: Any, **kwargs: Any) -> None:
        if _SCOPES not in vars(module):
            frame: FrameType | None = sys._getframe(1)
            while frame is not None and _is_its_init(frame, module):
                frame = frame.f_back
            vars(module)[_SCOPES] = _scopes_above(frame)
        original(module, *args, **kwargs)

    # Patched because every module calls it, whichever constructors its class defines.
    nn.Module.__init__ = init  # type: ignore[method-assign, assignment]  # it takes any arguments
    try:
        yield
    finally:
        nn.Module.__init__ = original  # type: ignore[method-assign]  # as before


def scopes_of(module: nn.Module) -> tuple[Scope, ...]:
    """The calls that created a module, the innermost first; empty if they are not known."""
    return vars(module).get(_SCOPES, ())  # type: ignore[no-any-return]  # as set above


def _scopes_above(frame: FrameType | None) -> tuple[Scope, ...]:
    """The frames of the model's source; behind those of `_LAST` is cnnstat, and who calls it."""
    found = []
    while frame is not None and frame.f_code not in _LAST:
        code = frame.f_code
        if is_model_source(code.co_filename):
            place = place_of(code, frame.f_lasti, frame.f_lineno)
            found.append(Scope(place, numbers_in(frame)))
        frame = frame.f_back
    return tuple(found)


def numbers_in(frame: FrameType) -> dict[str, Any]:
    """The integers that names have in a frame."""
    local = frame.f_locals
    found = _integers(frame.f_globals)
    found.update(_integers(local))
    first = frame.f_code.co_varnames[:1]
    owner = local.get(first[0]) if first else None
    if isinstance(owner, nn.Module):
        attributes = _integers(vars(owner))
        found.update((f"{first[0]}.{name}", value) for name, value in attributes.items())
    return found


def _integers(names: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value for name, value in names.items()
        if isinstance(value, int) and not isinstance(value, bool) and name[:1] != "_"
    }  # fmt: skip


def _is_its_init(frame: FrameType, module: nn.Module) -> bool:
    """Whether the frame is that of a constructor of one of the module's classes."""
    code = frame.f_code
    first = code.co_varnames[:1]
    return code.co_name == "__init__" and bool(first) and frame.f_locals.get(first[0]) is module


class NotingSizes(TorchFunctionMode):
    """Records the tensors that the user's code creates from sizes: tables of positions, states."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[Sized] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        if name in FACTORIES and not any(isinstance(arg, Tensor) for arg in args):
            frame: FrameType | None = sys._getframe(1)
            while frame is not None and frame.f_code.co_name == "__torch_function__":
                frame = frame.f_back  # of the modes inside this one
            if frame is not None and is_model_source(frame.f_code.co_filename):
                scope = Scope(place_of(frame.f_code, frame.f_lasti, frame.f_lineno),
                              numbers_in(frame))  # fmt: skip
                sizes = kwargs.get("size", args[:1] if name == "full" else args)
                self.found.append(Sized(scope, name, _flat(sizes)))
        return func(*args, **kwargs)


def _flat(sizes: Any) -> tuple[Any, ...]:
    if isinstance(sizes, tuple | list):
        return tuple(item for size in sizes for item in _flat(size))
    return (sizes,) if isinstance(sizes, int) else ()
