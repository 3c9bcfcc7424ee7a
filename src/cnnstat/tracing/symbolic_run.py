"""A run whose sizes carry letters: the same recorder, fed by torch's own symbolic sizes.

Imported only where a letter was given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from msgspec.structs import replace
from torch import Tensor, nn
from torch._dispatch.python import enable_python_dispatcher
from torch.overrides import TorchFunctionMode

from ..errors import ModelError
from ..inputs import InputSpec
from ..run_config import DEFAULT, RunConfig
from ..symbols.expressions import Number, symbol
from ..trace.records import Condition, TensorSpec, Trace
from .copies import meta_copy
from .lanes import META, Lane
from .libraries import values_left_out
from .path_conditions import Path
from .recorder import Recorder
from .run import trace
from .symint import number_of, size_of


@dataclass(frozen=True)
class Lettered:
    """What a run with letters tells: shapes are expressions where they depend on a letter.

    They hold for all sizes at which the `conditions` hold; `values` are those of the run.
    """

    trace: Trace
    conditions: tuple[Condition, ...]
    values: Mapping[str, int]


class SymbolicRecorder(Recorder):
    """Keeps expressions where the plain recorder keeps numbers."""

    def begin(self, path: Path) -> SymbolicRecorder:
        self.path = path
        path.place = lambda: self.stack[-1].index if self.stack else -1
        return self

    def spec(self, tensor: Tensor) -> TensorSpec:
        spec = super().spec(tensor)
        sizes: Any = [number_of(size) for size in spec.shape]
        return replace(spec, shape=tuple(sizes))

    def bytes_of(self, storage: torch.UntypedStorage) -> Any:
        return number_of(storage.nbytes())

    def freeze(self, value: Any) -> Any:
        if isinstance(value, torch.SymInt):
            return number_of(value)
        return super().freeze(value)

    def note(self, name: str, overload: str, args: Any, kwargs: Any, result: Any) -> None:
        super().note(name, overload, args, kwargs, result)
        for tensor in self.ops[-1].outputs:
            for size in tensor.shape:
                self.path.decide(">", size)  # where an output is empty, shapes did not fit


def trace_with_letters(
    model: nn.Module,
    inputs: Sequence[Any],
    named_inputs: Mapping[str, Any],
    values: Mapping[str, int],
    config: RunConfig = DEFAULT,
) -> Lettered:
    """Run a copy of `model` once, the letters of its inputs standing for any size.

    `values` are sizes at which it is known to run.

    Raises:
        ModelError: letters do not go through; at plain sizes the model may run.
    """
    path = Path(values)

    def place(value: InputSpec | Tensor) -> Tensor:
        if not isinstance(value, InputSpec) or not value.letters:
            return META.place(value)
        sizes = [size_of(path, n) for n in lettered_shape(value)]
        return torch.empty(sizes, dtype=getattr(torch, value.dtype), device="meta")

    lane = Lane("meta", place, META.fitted, meta_copy, _active, wrapped=_in_python)
    recorders: list[SymbolicRecorder] = []

    def recorder(*args: Any, **kwargs: Any) -> Recorder:
        recorders.append(SymbolicRecorder(*args, **kwargs).begin(path))
        return recorders[-1]

    try:
        run = trace(
            meta_copy(model), inputs, named_inputs, config, lane=lane, recorder_class=recorder
        )
    except (AttributeError, TypeError, NotImplementedError) as error:
        raise ModelError("letters do not go through torch here", str(error)) from error
    return Lettered(run, tuple(path.conditions), dict(values))


class _Resizing(TorchFunctionMode):
    """torch's C++ makes a number of a size times a scale factor; its Python does not."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = getattr(func, "__name__", "")
        if name == "interpolate" or "upsample_" in name:
            func = _in_python(func)
        return func(*args, **(kwargs or {}))


@contextmanager
def _active() -> Iterator[None]:
    with values_left_out(), _Resizing():
        yield


def _in_python(operator: Callable[..., Any]) -> Callable[..., Any]:
    """By torch's rules in Python: those in C++ want numbers.

    Only inside an operator: what torch makes of composite ones is what it makes in a plain run.
    """

    def run(*args: Any, **kwargs: Any) -> Any:
        with enable_python_dispatcher():
            return operator(*args, **kwargs)

    return run


def lettered_shape(spec: InputSpec) -> tuple[Number, ...]:
    names = dict(spec.letters)
    return tuple(symbol(names[d]) if d in names else n for d, n in enumerate(spec.shape))
