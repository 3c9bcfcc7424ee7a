"""A run with symbolic dimensions: the same recorder on torch's symbolic sizes.

Imported only for inputs with symbolic dimensions.
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

from ...errors import ModelError
from ...fast_meta import import_rules
from ...inputs import InputSpec
from ...run_config import DEFAULT, RunConfig
from ...symbols.expressions import Number, symbol
from ...trace.records import Condition, TensorSpec, Trace
from ..meta_device.libraries import without_value_reads
from ..recording.recorder import Recorder
from ..run.copies import meta_copy
from ..run.dispatch import to_meta
from ..run.lanes import META, Lane
from ..run.trace import trace
from .path_conditions import Path
from .symint import number_of, size_of


@dataclass(frozen=True)
class SymbolicTrace:
    """The trace of a symbolic run: sizes are expressions in the symbolic dimensions.

    It is valid wherever the `conditions` are met; `values` are the sizes of the run.
    """

    trace: Trace
    conditions: tuple[Condition, ...]
    values: Mapping[str, int]


class SymbolicRecorder(Recorder):
    """Records expressions where the plain recorder has numbers."""

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

    def costs_more(self, amount: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
        return self.path.decide(">", amount[0] - other[0])

    def record_op(self, name: str, overload: str, args: Any, kwargs: Any, result: Any) -> None:
        super().record_op(name, overload, args, kwargs, result)
        for tensor in self.ops[-1].outputs:
            for size in tensor.shape:
                self.path.decide(">", size)  # an empty output means that shapes do not fit


def trace_symbolically(
    model: nn.Module,
    inputs: Sequence[Any],
    named_inputs: Mapping[str, Any],
    values: Mapping[str, int],
    config: RunConfig = DEFAULT,
) -> SymbolicTrace:
    """Run a copy of `model` once, with the symbolic dimensions of its inputs.

    `values` are sizes at which the model is known to run.

    Raises:
        ModelError: torch or the model does not support symbolic sizes here; it may run at plain
            sizes.
    """
    # If they are only imported during the run, torch's C++ refuses the dispatch in Python.
    import_rules()
    path = Path(values)

    def place(value: InputSpec | Tensor) -> Tensor:
        if not isinstance(value, InputSpec) or not value.symbols:
            return META.place(value)
        sizes = [size_of(path, n) for n in symbolic_shape(value)]
        return torch.empty(sizes, dtype=getattr(torch, value.dtype), device="meta")

    lane = Lane("meta", place, META.prepare, meta_copy, _active, wrap=_in_python)
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
    return SymbolicTrace(run, tuple(path.conditions), dict(values))


class _Resizing(TorchFunctionMode):
    """Resize in torch's Python: its C++ turns a size times a scale factor into a number."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = getattr(func, "__name__", "")
        if name == "interpolate" or "upsample_" in name:
            func = _in_python(func)
        return func(*args, **(kwargs or {}))


@contextmanager
def _active() -> Iterator[None]:
    with without_value_reads(), _Resizing():
        yield


def _in_python(operator: Callable[..., Any]) -> Callable[..., Any]:
    """The operator by torch's shape rules in Python: those in C++ need numbers.

    Inside the operator only, so that composite operators decompose as in a plain run.
    """

    def run(*args: Any, **kwargs: Any) -> Any:
        if _has_symbolic_size((args, kwargs)):  # kernels of the CPU need numbers
            args, kwargs = to_meta(args), to_meta(kwargs)
        with enable_python_dispatcher():
            return operator(*args, **kwargs)

    return run


def _has_symbolic_size(value: Any) -> bool:
    """Whether a symbolic size is among the arguments of an operator on constants."""
    if isinstance(value, tuple | list):
        return any(_has_symbolic_size(item) for item in value)
    if isinstance(value, dict):
        return any(_has_symbolic_size(item) for item in value.values())
    return isinstance(value, torch.SymInt)


def symbolic_shape(spec: InputSpec) -> tuple[Number, ...]:
    names = dict(spec.symbols)
    return tuple(symbol(names[d]) if d in names else n for d, n in enumerate(spec.shape))
