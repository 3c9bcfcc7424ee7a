"""Values that are known without data, from the record of a run: counters of loops.

A tensor created from numbers (`torch.zeros`, `torch.tensor(3)`) has known values, and so has each
result of an operator on known values. They are computed when they are asked for.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import _disable_current_modes

from ...operators.registry import Trait, traits_of
from ...trace.records import Op, TensorSpec
from ..recording.recorder import Recorder
from ..recording.tensor_records import MOST_KNOWN
from ..structure.containers import rebuilt

_RANDOM = ("rand", "bernoulli", "normal", "uniform", "exponential", "multinomial", "dropout")
_BOTH = {"aten.logical_and", "aten.bitwise_and", "aten.__and__", "aten.mul"}
_PLACES = ("device", "layout", "pin_memory", "memory_format", "non_blocking")


class Unknown(Exception):
    """The value depends on data."""


class KnownValues:
    """The values of small tensors of a run, as far as its record determines them."""

    def __init__(self, recorder: Recorder, has_data: bool, most: int = MOST_KNOWN) -> None:
        """`has_data`: whether all tensors of the run have data, and not constants alone.

        `most` are the elements up to which the values of a tensor are computed.
        """
        self.recorder = recorder
        self.has_data = has_data
        self.most = most
        self._writers: dict[int, list[int]] = {}  # the operators that wrote each value
        self._read = 0
        self._computed: dict[tuple[int, int], Tensor] = {}

    def is_true(self, condition: Any) -> bool | None:
        """Whether a condition is true; None where it depends on data."""
        if not isinstance(condition, Tensor):
            return bool(condition)
        constant = condition.is_cpu and not hasattr(condition, "fake_mode")
        with torch._C.DisableTorchFunction(), _disable_current_modes():
            if constant and not self.has_data:
                return bool(condition.all())
            return self._is_true(self.recorder.spec(condition), len(self.recorder.ops))

    def may_end_it(self, condition: Any) -> bool:
        """Whether part of the condition is known, so that a loop ends at the latest by it."""
        if not isinstance(condition, Tensor):
            return False
        with torch._C.DisableTorchFunction(), _disable_current_modes():
            both = self._operands_of_and(self.recorder.spec(condition), len(self.recorder.ops))
            return any(self._is_true(part, before) is not None for part, before in both)

    def _is_true(self, spec: TensorSpec, before: int) -> bool | None:
        try:
            return bool(self._value(spec, before).all())
        except Unknown:
            pass
        # An `and` is false as soon as one of its operands is.
        parts = [self._is_true(*part) for part in self._operands_of_and(spec, before)]
        return False if False in parts else None

    def _operands_of_and(self, spec: TensorSpec, before: int) -> list[tuple[TensorSpec, int]]:
        index = self._writer(spec, before)
        if index is None or self.recorder.ops[index].name not in _BOTH:
            return []
        return [(operand, index) for operand in self.recorder.ops[index].inputs]

    def _writer(self, spec: TensorSpec, before: int) -> int | None:
        """The last operator before `before` that wrote the tensor."""
        ops = self.recorder.ops
        for index in range(self._read, len(ops)):
            for out in ops[index].outputs:
                self._writers.setdefault(out.value, []).append(index)
        self._read = len(ops)
        earlier = [index for index in self._writers.get(spec.value, ()) if index < before]
        return earlier[-1] if earlier else None

    def _value(self, spec: TensorSpec, before: int) -> Tensor:
        size: Any = spec.numel  # perhaps symbolic
        if not isinstance(size, int) or size > self.most:
            raise Unknown
        index = self._writer(spec, before)
        position, constant = self.recorder.constants.get(spec.value, (-1, None))
        if constant is not None and (index is None or index < position):
            return constant
        if index is None:
            raise Unknown
        key = spec.value, index
        if key not in self._computed:
            op = self.recorder.ops[index]
            place = [out.value for out in op.outputs].index(spec.value)
            self._computed[key] = self._results(op, index)[place]
        return self._computed[key]

    def _results(self, op: Op, index: int) -> list[Tensor]:
        created = bool(traits_of(op.name) & Trait.CREATES)
        name = op.name.removeprefix("aten.")
        if any(word in name for word in _RANDOM) or not op.name.startswith("aten."):
            raise Unknown
        if traits_of(op.name) & Trait.UNWRITTEN or (not op.inputs and not created):
            raise Unknown
        args = self._filled(op.args, index)
        kwargs = {k: self._filled(v, index) for k, v in op.kwargs.items() if k not in _PLACES}
        try:
            overload = getattr(getattr(torch.ops.aten, name), op.overload)
            result = overload(*args, **kwargs)
        except (RuntimeError, TypeError, ValueError, IndexError, AttributeError) as error:
            raise Unknown from error
        return [result] if isinstance(result, Tensor) else list(result)

    def _filled(self, value: Any, before: int) -> Any:
        if isinstance(value, TensorSpec):
            return self._value(value, before).clone()
        if isinstance(value, tuple | list):
            return rebuilt(value, [self._filled(item, before) for item in value])
        if isinstance(value, str) and value.startswith("torch."):
            return getattr(torch, value.removeprefix("torch."), value)
        return value
